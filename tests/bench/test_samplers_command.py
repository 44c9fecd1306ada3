"""`robot-rl bench samplers`: a reduced run, what is kept of it, and what is refused."""

import json

import pytest

from robot_rl.bench import samplers
from robot_rl.bench.sampler_parts import Examiner
from robot_rl.bench.sampler_trials import ENTRIES
from robot_rl.errors import CheckpointError, ConfigError, UnknownNameError
from robot_rl.runtime.pretraining.config import BasePolicyConfig, NetworkConfig
from robot_rl.runtime.pretraining.policy_file import FILE_NAME, StoredPolicy, save_policy
from tests import push_t_policies

ROW_KEYS = {
    "sampler", "delay", "by_policy", "successes", "episodes", "success", "ci95", "score", "nfe_per_action",
    "jerk_rms", "seam_rms", "seam_p95", "switches_per_decision", "decision_p50_ms", "decision_p99_ms",
    "decision_max_ms", "recovery_p50_ticks", "recovery_p90_ticks", "agreeing_before_push",
}  # fmt: skip
TIMES = {"decision_p50_ms", "decision_p99_ms", "decision_max_ms"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return [push_t_policies.write(tmp_path_factory.mktemp(f"run{seed}"), seed) for seed in (0, 1)]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # studies are kept in runs/


def run_reduced(runs, capsys, *more):
    words = ["episodes=2", "steps=12", "decisions=2", "pushes=2", *more]
    code = samplers.run([f"policies={','.join(runs)}", *words])
    out = capsys.readouterr().out.splitlines()
    return code, out, json.loads(out[-1])


def test_every_key_of_every_sampler_is_measured(runs, capsys, tmp_path):
    picture, file = tmp_path / "a.png", tmp_path / "a.json"
    code, lines, result = run_reduced(runs[:1], capsys, "delays=2", f"out={file}", f"picture={picture}")
    assert code == 0
    assert [row["sampler"] for row in result["rows"]] == list(ENTRIES)
    for row in result["rows"]:
        assert set(row) == ROW_KEYS
        assert None not in row.values(), row
        assert list(row["by_policy"]) == runs[:1]
    assert set(result["targets"]) == set(samplers.TARGETS)
    assert json.loads(file.read_text()) == result
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert any("relay-2" in line for line in lines)


def test_the_same_seed_gives_the_same_figures(runs, capsys):
    words = ("delays=1,0", "samplers=relay-2,rti", "seed=5")
    first, second = (run_reduced(runs, capsys, *words, f"run_dir={name}")[2]["rows"] for name in "ab")
    assert [(row["sampler"], row["delay"]) for row in first] == [("rti", 0), ("rti", 1), ("relay-2", 0), ("relay-2", 1)]
    assert without_times(first) == without_times(second)
    assert first[0]["episodes"] == 4
    assert {each["episodes"] for each in first[0]["by_policy"].values()} == {2}


def without_times(rows):
    return [
        {key: without_times(value.values()) if key == "by_policy" else value
         for key, value in row.items() if key not in TIMES}
        for row in rows
    ]  # fmt: skip


def interrupt_after(monkeypatch, count):
    """Ctrl-C comes in the part after so many; returns what was asked for."""
    asked, real = [], Examiner.measure

    def measure(self, part, on_step):
        if len(asked) == count:
            raise KeyboardInterrupt
        asked.append(part)
        return real(self, part, on_step)

    monkeypatch.setattr(Examiner, "measure", measure)
    return asked


def test_ctrl_c_reports_what_there_is_and_the_same_words_go_on(runs, capsys, monkeypatch):
    words = ("delays=0,2", "samplers=relay-1,rti")
    whole = run_reduced(runs, capsys, *words, "run_dir=whole")[2]
    with monkeypatch.context() as patch:
        interrupt_after(patch, 8)  # three parts of rti, three of relay-1, and two of rti with the second policy
        code, lines, cut = run_reduced(runs, capsys, *words)
    assert (code, cut["is_complete"], cut["run_dir"]) == (130, False, "runs/samplers-push_t-0")
    assert [(row["sampler"], list(row["by_policy"])) for row in cut["rows"]] == [
        (name, runs[:1]) for name in ("rti", "relay-1")
    ]
    assert any("interrupted" in line for line in lines)
    with monkeypatch.context() as patch:
        asked = interrupt_after(patch, 99)
        code, lines, result = run_reduced(runs, capsys, *words)
    assert (code, result["is_complete"], len(asked)) == (0, True, 8)
    assert "Kept in runs/samplers-push_t-0; 8 of 16 parts were there before." in lines
    assert without_times(result["rows"]) == without_times(whole["rows"])
    with monkeypatch.context() as patch:
        interrupt_after(patch, 0)
        assert run_reduced(runs, capsys, *words)[2]["rows"] == result["rows"]  # nothing is left to be measured


def test_a_study_grows_by_samplers_delays_and_policies(runs, capsys, monkeypatch):
    asked = interrupt_after(monkeypatch, 99)
    small = run_reduced(runs[1:], capsys, "delays=1", "samplers=relay-1")[2]
    assert len(asked) == 3
    large = run_reduced(runs, capsys, "delays=0,1", "samplers=relay-1,rti")[2]
    assert len(asked) == 16
    row = next(row for row in large["rows"] if (row["sampler"], row["delay"]) == ("relay-1", 1))
    assert row["by_policy"][runs[1]] == small["rows"][0]["by_policy"][runs[1]]
    assert list(row["by_policy"]) == runs, "in the order of the words, not of the measurements"


def test_other_conditions_are_another_study(runs, capsys):
    words = ("delays=0", "samplers=relay-1")
    assert run_reduced(runs[:1], capsys, *words)[2]["run_dir"] == "runs/samplers-push_t-0"
    assert run_reduced(runs[:1], capsys, *words, "pushes=1")[2]["run_dir"] == "runs/samplers-push_t-0-2"
    assert run_reduced(runs[:1], capsys, *words)[2]["run_dir"] == "runs/samplers-push_t-0"
    with pytest.raises(
        ConfigError, match=r"holds a study with steps=12 pushes=2, not steps=5 pushes=1: choose another"
    ):
        run_reduced(runs[:1], capsys, *words, "run_dir=runs/samplers-push_t-0", "steps=5", "pushes=1")


def test_a_policy_that_was_trained_again_is_another(capsys, monkeypatch, tmp_path):
    asked = interrupt_after(monkeypatch, 99)
    for seed, count in ((0, 3), (1, 6), (0, 6)):
        run_reduced([push_t_policies.write(tmp_path, seed)], capsys, "delays=0", "samplers=relay-1")
        assert len(asked) == count


def test_what_is_damaged_is_named(runs, capsys, tmp_path):
    words = ("delays=0", "samplers=relay-1", "run_dir=it")
    run_reduced(runs[:1], capsys, *words)
    file = next((tmp_path / "it").rglob("relay-1-delay-0.npz"))
    for content in (b"no", file.read_bytes()[:-40]):
        file.write_bytes(content)
        with pytest.raises(ConfigError, match=r"relay-1-delay-0.npz is damaged.*delete it"):
            run_reduced(runs[:1], capsys, *words)
    (tmp_path / "it" / "study.json").write_text("no")
    with pytest.raises(ConfigError, match=r"study.json cannot be read"):
        run_reduced(runs[:1], capsys, *words)
    with pytest.raises(ConfigError, match="cannot be written"):
        run_reduced(runs[:1], capsys, *words[:2], f"run_dir={file}")


@pytest.mark.parametrize(
    ("words", "error", "match"),
    [
        (["episode=3"], UnknownNameError, "episodes"),
        (["samplers=ddim-11"], UnknownNameError, "ddim-10"),
        (["delays=0,x"], ConfigError, "whole numbers"),
        (["seed=-1"], ConfigError, "whole numbers"),
        (["steps=301"], ConfigError, "from 1 to 300"),
        (["delays=8"], ConfigError, "15 positions"),
        (["out=/nowhere/at/all.json"], ConfigError, "does not exist"),
    ],
)
def test_wrong_options_are_answered_with_the_right_ones(runs, words, error, match):
    with pytest.raises(error, match=match):
        samplers.run([f"policies={runs[0]}", *words])


def test_policies_must_be_there_and_denoise(runs, tmp_path):
    with pytest.raises(ConfigError, match="names no run"):
        samplers.run([])
    with pytest.raises(ConfigError, match=f"there is no policy {tmp_path}"):
        samplers.run([f"policies={tmp_path}"])
    with pytest.raises(ConfigError, match="twice"):
        samplers.run([f"policies={runs[0]},{runs[0]}"])
    damaged = tmp_path / "damaged.pt"
    damaged.write_bytes(b"no")
    with pytest.raises(CheckpointError):
        samplers.run([f"policies={damaged}"])
    cloning = BasePolicyConfig(kind="cloning", network=NetworkConfig("mlp", widths=(8,)))
    network = push_t_policies.make_network(config=cloning)
    save_policy(tmp_path / FILE_NAME, StoredPolicy(network, cloning, None, {}))
    with pytest.raises(ConfigError, match="does not denoise"):
        samplers.run([f"policies={tmp_path}"])
