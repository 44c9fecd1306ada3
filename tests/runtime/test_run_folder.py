"""The folder of a run: made once, found again, and what is wrong with it said clearly."""

import dataclasses
import subprocess

import pytest

from robot_rl.agents.agent import AgentConfig, EncoderConfig
from robot_rl.agents.correctors.config import CorrectorConfig
from robot_rl.env.reset_config import ResetConfig
from robot_rl.errors import ConfigError, RobotRLError
from robot_rl.rewards.config import RewardConfig
from robot_rl.runtime import run_folder
from robot_rl.runtime.acting.inference_config import InferenceConfig
from robot_rl.runtime.config import TaskConfig, TeleopConfig, TrainConfig
from robot_rl.runtime.run_folder import RunFolder, beginning, choose_folder, describe, find_revision, resolve
from robot_rl.sim.human import HumanConfig


def test_the_configuration_is_found_again_as_it_was(tmp_path):
    config = TrainConfig(
        seed=3, teleop=TeleopConfig("human", HumanConfig(budget_s=float("inf"))), task=TaskConfig("plug", "hard")
    )
    folder = RunFolder(tmp_path / "a" / "b")
    folder.create(config)
    assert folder.load_config() == config


def test_a_run_with_a_word_that_would_be_refused_today_still_loads(tmp_path):
    config = TrainConfig(agent=AgentConfig(name="rlpd", corrector=CorrectorConfig(scale=0.3)))
    with pytest.raises(ConfigError, match=r"scale=0\.3 is for a corrector"):
        config.check_words()
    RunFolder(tmp_path).create(config)
    assert RunFolder(tmp_path).load_config() == config


def test_a_folder_with_a_run_in_it_is_refused_and_left_as_it_is(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create(TrainConfig(seed=1))
    with pytest.raises(ConfigError, match="robot-rl resume") as raised:
        folder.create(TrainConfig(seed=2))
    assert str(tmp_path / "run") in str(raised.value)
    assert folder.load_config().seed == 1


def test_a_folder_that_exists_and_holds_no_run_becomes_one(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    RunFolder(tmp_path).create(TrainConfig())
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "what"), [("pretrain.yaml", "a base policy's training"), ("store.json", "a recording")]
)
def test_a_folder_of_something_else_becomes_no_run(tmp_path, name, what):
    (tmp_path / name).write_text("{}")
    with pytest.raises(ConfigError, match=f"holds {what}, as its {name} says: choose another run_dir"):
        RunFolder(tmp_path).create(TrainConfig())
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("kind", ["missing", "empty", "file"])
def test_what_holds_no_run_is_a_clear_error(tmp_path, kind):
    path = tmp_path / "it"
    if kind == "empty":
        path.mkdir()
    elif kind == "file":
        path.write_text("seed: 1")
    with pytest.raises(ConfigError, match="holds no training run") as raised:
        RunFolder(path).load_config()
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    "text",
    ["", "seed: [", "seed: many\n", "sede: 1\n", "\x00\x01"],
)
def test_a_damaged_configuration_is_a_clear_error_that_names_the_file(tmp_path, text):
    folder = RunFolder(tmp_path)
    folder.config_file.write_text(text)
    with pytest.raises(RobotRLError) as raised:
        folder.load_config()
    assert "\n" not in str(raised.value)
    assert str(folder.config_file) in str(raised.value)


@pytest.mark.parametrize(("kind", "what"), [("no text", "this is not text"), ("folder", "cannot be read: Is a dir")])
def test_a_configuration_that_is_no_text_file_is_a_clear_error_that_names_it(tmp_path, kind, what):
    folder = RunFolder(tmp_path)
    if kind == "folder":
        folder.config_file.mkdir()
    else:
        folder.config_file.write_bytes(b"seed: \xff\xfe\x80")
    with pytest.raises(ConfigError, match=what) as raised:
        folder.load_config()
    assert "\n" not in str(raised.value)
    assert str(folder.config_file) in str(raised.value)


@pytest.mark.parametrize("kind", ["file", "below a file"])
def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path, kind):
    path = tmp_path / "it"
    path.write_text("mine")
    with pytest.raises(RobotRLError, match="it"):
        RunFolder(path if kind == "file" else path / "run").create(TrainConfig())
    assert path.read_text() == "mine"


def write_part(folder):
    folder.mkdir(exist_ok=True)
    (folder / "store.json").write_text("{}")


def fail_to_begin(folder, *parts):
    """A run that is refused after it has made these parts."""
    with beginning(folder, TrainConfig()):
        for part in parts:
            part.mkdir()
        raise ConfigError("refused")


def test_a_beginning_that_fails_undoes_what_it_made(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(ConfigError, match="refused"):
        fail_to_begin(folder, folder.demonstrations, folder.experience)
    assert not folder.path.exists()


def test_a_beginning_that_fails_leaves_what_was_there_before(tmp_path):
    folder = RunFolder(tmp_path)
    write_part(folder.demonstrations)
    folder.experience.mkdir()
    with pytest.raises(ConfigError, match="refused"):
        fail_to_begin(folder)
    assert (folder.demonstrations / "store.json").exists()
    assert folder.experience.is_dir()
    assert not folder.config_file.exists(), "the name is free for another try"


def test_a_beginning_that_fails_keeps_what_happened_in_it(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(ConfigError, match="refused"):
        fail_to_begin(folder, folder.experience, folder.experience / "rows")
    assert (folder.experience / "rows").exists()


def test_without_a_folder_the_first_free_name_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = TrainConfig(seed=4, task=TaskConfig(name="plug"), agent=AgentConfig(name="bc"))
    for name in ("plug-bc-4", "plug-bc-4-2", "plug-bc-4-3"):
        folder = choose_folder(config)
        assert str(folder.path) == f"runs/{name}"
        folder.create(config)
    assert choose_folder(dataclasses.replace(config, run_dir="mine")).path == RunFolder(
        tmp_path / "mine"
    ).path.relative_to(tmp_path)


def test_a_run_finds_what_lies_elsewhere_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = TrainConfig(
        demonstrations_from="a",
        base="runs/b",
        inference=InferenceConfig(compose="../c"),
        reward=RewardConfig("classifier", file="d.safetensors"),
        reset=ResetConfig("backward_policy", policy="e"),
        agent=AgentConfig(encoder=EncoderConfig(weights="f.safetensors")),
    )
    found = resolve(config)
    paths = (found.demonstrations_from, found.base, found.inference.compose, found.reward.file, found.reset.policy)
    here = ("a", "runs/b", "../c", "d.safetensors", "e", "f.safetensors")
    assert (*paths, found.agent.encoder.weights) == tuple(str((tmp_path / path).resolve()) for path in here)
    assert resolve(found) == found
    assert resolve(TrainConfig()) == TrainConfig()
    published = TrainConfig(agent=AgentConfig(encoder=EncoderConfig(weights="pretrained")))
    assert resolve(published) == published


def test_the_parts_lie_within_the_folder(tmp_path):
    folder = RunFolder(tmp_path)
    parts = [folder.config_file, folder.checkpoints, folder.experience, folder.demonstrations, folder.frames]
    assert len(set(parts)) == 5
    assert {part.parent for part in parts} == {tmp_path}


def test_a_run_can_be_traced_to_configuration_and_code():
    found = describe(TrainConfig(seed=7))
    assert "seed: 7" in found["config_yaml"]
    assert ".inf" in found["config_yaml"], "YAML can say infinity, JSON cannot"
    assert found["revision"] == find_revision()


def test_code_that_was_changed_is_marked(monkeypatch):
    answers = {"rev-parse": "0123456789ab", "status": " M robot_rl/cli.py"}
    monkeypatch.setattr(run_folder, "_git", lambda folder, command, *rest: answers[command])
    assert find_revision() == "0123456789ab+"
    answers["status"] = ""
    assert find_revision() == "0123456789ab"


@pytest.mark.parametrize("error", [FileNotFoundError("git"), subprocess.CalledProcessError(128, "git")])
def test_without_a_repository_the_code_is_unknown(monkeypatch, error):
    def fail(folder, *arguments):
        raise error

    monkeypatch.setattr(run_folder, "_git", fail)
    assert find_revision() == "unknown"
