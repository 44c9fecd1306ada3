"""`robot-rl train`, `resume` and `eval policy=RUN`: with fakes, and once with a real process that is killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from robot_rl import cli
from robot_rl import config as configuration
from robot_rl.data.store_reader import StoreReader
from robot_rl.env.robot_env import RobotEnv
from robot_rl.errors import CheckpointError, ConfigError
from robot_rl.runtime import interruption, run_folder
from robot_rl.runtime.acting.trained_policy import load_policy
from robot_rl.runtime.commands import train as train_command
from robot_rl.runtime.learning import checkpoint
from robot_rl.runtime.run_folder import RunFolder
from tests.fakes import make_cell
from tests.runs import numbers, use_fake_envs

ROOT = Path(__file__).parents[2]
TINY = (
    "agent.hidden=[16,16]",
    "agent.batch_size=16",
    "agent.pretrain_updates=4",
    "agent.warmup_steps=4",
    "agent.utd=2",
    "agent.rlpd.ensemble=2",
    "replay.capacity=2000",
    "replay.prior_capacity=200",
    "demonstrations=1",
    "evaluate_every_steps=0",
    "final_episodes=1",
    "device=cpu",
)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_folder, "find_revision", lambda: "abc123")


@pytest.fixture
def _fakes(monkeypatch):
    use_fake_envs(monkeypatch)


def train(*words):
    return train_command.train([*TINY, "run_dir=run", *words])


def last_line(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def stored(path):
    return list(StoreReader(Path(path) / "experience").records())


class Signals:
    """Sends SIGINT to this very process when an environment is about to make a certain step."""

    def __init__(self, monkeypatch, at_steps):
        self.steps, self.at_steps = 0, at_steps
        real = RobotEnv.step

        def step(env, action):
            self.steps += 1
            if self.steps in self.at_steps:
                os.kill(os.getpid(), signal.SIGINT)
            return real(env, action)

        monkeypatch.setattr(RobotEnv, "step", step)
        monkeypatch.setattr(interruption, "_SAME_S", 0.0)  # the fakes' steps take no time


@pytest.mark.usefixtures("_fakes")
def test_the_last_line_says_what_came_of_the_run(capsys):
    assert train("steps=10", "seed=5") == 0
    result = last_line(capsys)
    assert (result["run"], result["task"], result["agent"], result["seed"]) == ("run", "peg", "rlpd", 5)
    assert (result["env_steps"], result["updates"], result["episodes"]) == (12, (12 - 4) * 2, 1)
    assert result["success_rate"] == 0.0
    assert result["training_minutes"] >= 0.0
    assert RunFolder(Path("run")).load_config().seed == 5
    assert len(stored("run")) == 14


@pytest.mark.usefixtures("_fakes")
def test_a_folder_with_a_run_in_it_is_refused(capsys):
    assert train("steps=1") == 0
    before = stored("run")
    assert cli.main(["train", *TINY, "run_dir=run"]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert "robot-rl resume run" in error
    assert len(stored("run")) == len(before)


@pytest.mark.usefixtures("_fakes")
def test_a_set_up_that_fails_can_be_mended_under_the_same_name(capsys):
    """Nothing has happened in that run: to continue it would fail in the same way for ever."""
    assert cli.main(["train", *TINY, "run_dir=run", "demonstrations_from=nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert not RunFolder(Path("run")).experience.exists(), "it may be of another environment next time"
    assert cli.main(["train", *TINY, "run_dir=run", "steps=1"]) == 0


@pytest.mark.usefixtures("_fakes")
def test_a_set_up_that_fails_leaves_a_recording_in_its_folder_alone(capsys):
    assert train("steps=1", "run_dir=before") == 0
    shutil.copytree("before/demonstrations", "mine/demonstrations")
    words = ("run_dir=mine", "demonstrations_from=mine/demonstrations", "base=nothing")
    assert cli.main(["train", *TINY, *words]) == 2
    assert "base=" in capsys.readouterr().err
    assert len(StoreReader("mine/demonstrations")) == len(StoreReader("before/demonstrations")) > 0


@pytest.mark.usefixtures("_fakes")
def test_ctrl_c_ends_after_the_episode_with_a_checkpoint_and_says_how_to_go_on(capsys, monkeypatch):
    Signals(monkeypatch, [4 + 9])  # the demonstration has four steps: in the second episode
    assert train("steps=100000") == 130
    out = capsys.readouterr().out
    assert "robot-rl resume run" in out
    assert [(r.episode, r.step) for r in stored("run")] == [(e, s) for e in range(2) for s in range(7)]
    assert [path.stem for path in checkpoint.find(Path("run/checkpoints"))] == ["step_000000000", "step_000000012"]
    assert train_command.resume(Path("run"), ["steps=20"]) == 0
    assert last_line(capsys)["updates"] == (24 - 4) * 2
    assert [(r.episode, r.step) for r in stored("run")] == [(e, s) for e in range(4) for s in range(7)]


@pytest.mark.usefixtures("_fakes")
def test_ctrl_c_twice_ends_at_once_and_the_run_can_go_on(capsys, monkeypatch):
    signals = Signals(monkeypatch, [4 + 9, 4 + 10])
    assert cli.main(["train", *TINY, "run_dir=run", "steps=20"]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert len(stored("run")) == 7 + 4  # the first time step of the second episode, and three more
    signals.at_steps = []
    assert cli.main(["resume", "run"]) == 0
    assert last_line(capsys)["updates"] == (6 + 3 + 12 - 4) * 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("_fakes")
def test_ctrl_c_while_demonstrations_are_recorded_ends_before_the_robot_runs(capsys, monkeypatch):
    Signals(monkeypatch, [2])
    assert train("steps=100000") == 130
    assert stored("run") == []


@pytest.mark.usefixtures("_fakes")
def test_ctrl_c_in_the_last_evaluation_ends_after_its_episode(capsys, monkeypatch):
    signals = Signals(monkeypatch, [4 + 6 + 9])  # demonstration, episode, and in the second episode of the evaluation
    assert train("steps=6", "final_episodes=20") == 130
    assert signals.steps == 4 + 6 + 2 * 6
    assert "robot-rl resume run" in capsys.readouterr().out


@pytest.mark.usefixtures("_fakes")
def test_how_to_go_on_is_one_line_however_long_the_path(capsys, monkeypatch):
    """Somebody will copy it."""
    folder = "a_rather_long_name_of_a_folder/" * 4 + "run"
    Signals(monkeypatch, [4 + 2])
    assert train(f"run_dir={folder}") == 130
    assert f"robot-rl resume {folder}" in capsys.readouterr().out


@pytest.mark.usefixtures("_fakes")
def test_a_finished_run_that_is_resumed_says_its_result_again(capsys):
    assert train("steps=6") == 0
    first = last_line(capsys)
    assert train_command.resume(Path("run"), []) == 0
    again = last_line(capsys)
    for key in ("success_rate", "episodes", "env_steps", "updates", "seed"):
        assert again[key] == first[key]
    assert len(stored("run")) == 7


@pytest.mark.usefixtures("_fakes")
def test_a_finished_run_gets_more_steps(capsys):
    assert train("steps=6") == 0
    assert cli.main(["resume", "run", "steps=18", "final_episodes=2"]) == 0
    result = last_line(capsys)
    assert (result["env_steps"], result["episodes"]) == (18, 2)
    assert [(r.episode, r.step) for r in stored("run")] == [(e, s) for e in range(3) for s in range(7)]
    folder = RunFolder(Path("run"))
    assert (folder.load_config().steps, folder.finished_steps()) == (18, 18)


@pytest.mark.usefixtures("_fakes")
@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("agent.utd=3", "agent.utd (the run has 2, the command 3)"),
        ("agent=bc", "agent='bc'"),
        ("step=20", "Did you mean 'steps'?"),
        ("steps=5", "run has 6 steps already"),
    ],
)
def test_a_run_does_not_go_on_as_another(word, expected, capsys):
    assert train("steps=6") == 0
    before = RunFolder(Path("run")).config_file.read_text()
    assert cli.main(["resume", "run", word]) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert len(error.splitlines()) == 1
    assert RunFolder(Path("run")).config_file.read_text() == before


@pytest.mark.usefixtures("_fakes")
def test_a_run_that_cannot_go_on_keeps_its_configuration(capsys):
    assert train("steps=6") == 0
    before = RunFolder(Path("run")).config_file.read_text()
    newest = checkpoint.find(Path("run/checkpoints"))[-1]
    newest.write_bytes(newest.read_bytes()[:300])
    assert cli.main(["resume", "run", "steps=18"]) == 2
    assert newest.name in capsys.readouterr().err
    assert RunFolder(Path("run")).config_file.read_text() == before


@pytest.mark.usefixtures("_fakes")
def test_a_run_whose_demonstrations_lie_elsewhere_can_be_resumed_from_anywhere(capsys, monkeypatch, tmp_path):
    assert train("steps=6") == 0
    assert train("steps=6", "run_dir=two", "demonstrations_from=run/demonstrations") == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert cli.main(["resume", "../two"]) == 0


@pytest.mark.usefixtures("_fakes")
def test_a_run_is_evaluated_with_its_slow_average_without_exploration(monkeypatch):
    assert train("steps=6") == 0
    spec = make_cell().env.spec
    runner = load_policy(RunFolder(Path("run")), spec)
    runner.reset()
    observation = make_cell().env.reset(0).observation
    first = runner(observation)
    assert first.tobytes() == runner(observation).tobytes()
    state = checkpoint.load(checkpoint.find(Path("run/checkpoints"))[-1])
    loaded = runner._policy.state_dict()
    assert all((loaded[name] == value).all() for name, value in state["agent"]["average_policy"].items())


@pytest.mark.usefixtures("_fakes")
def test_a_run_that_does_not_fit_is_a_clear_error():
    spec = make_cell().env.spec
    with pytest.raises(ConfigError, match="no training run"):
        load_policy(RunFolder(Path("nowhere")), spec)
    assert train("steps=6") == 0
    with pytest.raises(CheckpointError, match="another task"):
        load_policy(RunFolder(Path("run")), make_cell(has_gripper=True).env.spec)
    newest = checkpoint.find(Path("run/checkpoints"))[-1]
    newest.write_bytes(newest.read_bytes()[:300])
    with pytest.raises(CheckpointError, match=newest.name):
        load_policy(RunFolder(Path("run")), spec)
    shutil.rmtree("run/checkpoints")
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        load_policy(RunFolder(Path("run")), spec)


# One real run: killed, resumed, evaluated.

REAL = (*TINY, "task=reach", "task.episode.step_limit=12", "checkpoint_every_steps=10", "run_dir=run")


def kill_when(process, is_time):
    deadline = time.monotonic() + 120.0
    try:
        while not is_time():
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.kill()
        process.communicate()


def test_a_real_run_survives_a_kill_with_all_that_was_on_the_disk(tmp_path, capsys):
    process = subprocess.Popen(
        [sys.executable, "-m", "robot_rl.cli", "train", *REAL, "steps=1000000"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    kill_when(process, lambda: len(checkpoint.find(tmp_path / "run" / "checkpoints")) >= 2)
    folder = RunFolder(Path("run"))
    before = [numbers(r) for r in stored("run")]
    steps = sum(StoreReader("run/experience").newest_steps().values())
    saved = checkpoint.load(checkpoint.find(folder.checkpoints)[-1])["steps"]
    assert steps >= saved >= 10, "a checkpoint is written after what it has seen"
    folder.config_file.write_text(configuration.to_yaml(replace(folder.load_config(), steps=steps + 13)))

    assert cli.main(["resume", "run"]) == 0
    result = last_line(capsys)
    assert steps + 13 <= result["env_steps"] < steps + 13 + 12
    assert result["updates"] == (result["env_steps"] - 4) * 2
    after = stored("run")
    assert [numbers(r) for r in after[: len(before)]] == before
    assert len({(r.episode, r.step) for r in after}) == len(after)
    assert sum(r.step > 0 for r in after) == result["env_steps"]

    assert cli.main(["eval", "policy=run", "task=reach", "task.episode.step_limit=12", "episodes=2"]) == 0
    assert last_line(capsys)["episodes"] == 2
    assert cli.main(["eval", "policy=run", "episodes=1"]) == 0
    assert last_line(capsys)["task"] == "reach", "by default the task that it was trained on"
    assert cli.main(["eval", "policy=run", "task=pick_cube", "episodes=1"]) == 2
    error = capsys.readouterr().err
    assert "another task" in error
    assert len(error.splitlines()) == 1
