"""`robot-rl learner` and `robot-rl actor`: with fakes, and once with real processes that are killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from robot_rl import cli
from robot_rl import config as configuration
from robot_rl.data.store_reader import StoreReader
from robot_rl.errors import ConfigError
from robot_rl.runtime import run_folder
from robot_rl.runtime.channels.agreement import to_agreement
from robot_rl.runtime.commands import learner
from robot_rl.runtime.config import TrainConfig
from robot_rl.runtime.learning import checkpoint
from robot_rl.runtime.reporting.metrics_writer import read_metrics
from robot_rl.runtime.run_folder import RunFolder
from tests.runs import use_fake_envs
from tests.runtime.acting.test_remote_run import Notes, act
from tests.runtime.served import Served

ROOT = Path(__file__).parents[2]
TINY = (
    "agent.hidden=[16,16]",
    "agent.batch_size=16",
    "agent.pretrain_updates=4",
    "agent.warmup_steps=4",
    "agent.rlpd.ensemble=2",
    "replay.capacity=2000",
    "replay.prior_capacity=200",
    "demonstrations=1",
    "evaluate_every_steps=0",
    "final_episodes=2",
    "device=cpu",
    "run_dir=run",
    "channel.patience_s=5",
)
FREE = "channel.address=tcp://127.0.0.1:0"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_folder, "find_revision", lambda: "abc123")


@pytest.fixture
def _fakes(monkeypatch):
    use_fake_envs(monkeypatch)


def load(*words):
    return configuration.load(TrainConfig, "train", [*TINY, *words])


def last_line(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def error_of(capsys, *words):
    assert cli.main(list(words)) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    return error


@pytest.mark.parametrize("command", ["learner", "actor"])
def test_both_must_be_told_the_folder(capsys, command):
    assert f"robot-rl {command} must be told the folder" in error_of(capsys, command, "task=reach")


def test_a_folder_with_another_run_in_it_is_refused_and_the_keys_are_named(capsys):
    RunFolder(Path("run")).create(load())
    error = error_of(capsys, "learner", *TINY, "seed=3", "agent.utd=7", "device=auto", "log_every_steps=7")
    assert "agent.utd (the run has 2, the command 7), seed (the run has 0, the command 3)." in error
    assert RunFolder(Path("run")).load_config() == load()


def test_a_finished_run_is_said_to_be_finished_unless_it_shall_become_longer(capsys):
    folder = RunFolder(Path("run"))
    folder.create(load("steps=50"))
    folder.mark_finished(53)
    assert cli.main(["learner", *TINY, "steps=50"]) == 0
    assert "is finished: it has its 53 steps" in capsys.readouterr().out
    assert not folder.experience.exists()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"channel.address=tcp://127.0.0.1:{taken.getsockname()[1]}"
        assert "Cannot bind" in error_of(capsys, "learner", *TINY, "steps=60", address), "it would go on"


@pytest.mark.usefixtures("_fakes")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_learner_with_a_checkpoint(capsys, monkeypatch, number):
    def send_signal():
        while not checkpoint.find(Path("run/checkpoints")):
            time.sleep(0.02)
        time.sleep(0.2)
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=send_signal)
    sender.start()
    assert cli.main(["learner", *TINY, FREE]) == 130
    sender.join()
    out = capsys.readouterr().out
    assert "learner ready at tcp://127.0.0.1:" in out
    assert "Interrupted after 0 steps; the same command goes on" in out
    assert len(checkpoint.find(Path("run/checkpoints"))) == 1


@pytest.mark.usefixtures("_fakes")
def test_a_set_up_that_fails_can_be_mended_under_the_same_name(capsys):
    assert "nowhere" in error_of(capsys, "learner", *TINY, FREE, "demonstrations_from=nowhere", "seed=4")
    assert not RunFolder(Path("run")).config_file.exists()


def test_a_run_that_was_begun_with_relative_paths_goes_on_with_the_same_words(capsys):
    RunFolder(Path("run")).create(load("base=somewhere"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = (*TINY, f"channel.address=tcp://127.0.0.1:{taken.getsockname()[1]}")
        assert "Cannot bind" in error_of(capsys, "learner", *words, "base=somewhere"), "it would go on"
    assert RunFolder(Path("run")).load_config().base == str(Path("somewhere").resolve())
    assert "holds a run of another configuration: base" in error_of(capsys, "learner", *TINY, "base=elsewhere")


def test_a_learner_agrees_with_an_actor_that_is_told_the_same_wherever_it_is(capsys, monkeypatch):
    said = []

    def refuse(config, spec):
        said.append(to_agreement(config))
        raise ConfigError("enough is known")

    monkeypatch.setattr(learner, "make_learner_channel", refuse)
    assert "enough is known" in error_of(capsys, "learner", *TINY, FREE, "base=runs/base")
    assert said == [to_agreement(load(FREE, "base=runs/base"))]


def test_a_second_learner_of_a_run_leaves_the_run_of_the_first_alone(capsys):
    folder = RunFolder(Path("run"))
    folder.create(load())
    (folder.demonstrations / "rows").mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"channel.address=tcp://127.0.0.1:{taken.getsockname()[1]}"
        assert "Cannot bind" in error_of(capsys, "learner", *TINY, address)
    assert folder.load_config().seed == 0
    assert (folder.demonstrations / "rows").is_dir()


@pytest.mark.usefixtures("_fakes")
def test_the_actor_says_what_came_of_the_run(capsys):
    served = Served(Path("run"), load("steps=20", "seed=5", FREE))
    words = (*TINY, "steps=20", "seed=5", f"channel.address={served.channel.address}")
    assert cli.main(["actor", *words]) == 0
    assert served.join() is True
    out = capsys.readouterr().out
    assert "the run lies in run" in out
    assert "evaluate it again with: robot-rl eval policy=run" in out
    assert "interventions an episode" in out
    result = json.loads(out.splitlines()[-1])
    assert (result["run"], result["task"], result["agent"], result["seed"]) == ("run", "peg", "rlpd", 5)
    assert (result["env_steps"], result["episodes"], result["success_rate"]) == (24, 2, 0.0)
    assert result["interventions_per_episode_first"] == result["interventions_per_episode_last"] == 1.0
    assert Path("run/learning_curve.png").stat().st_size > 1000
    kinds = [record["kind"] for record in read_metrics(Path("run/metrics.jsonl"))]
    assert kinds == ["episode"] * 4 + ["evaluation"]
    assert cli.main(["compare", "ours=run"]) == 0
    assert "0.00 (2)" in capsys.readouterr().out
    RunFolder(Path("run")).mark_finished(24)
    assert cli.main(["actor", *words]) == 0
    assert last_line(capsys) == result, "a finished run is said again, without a learner"
    RunFolder(Path("run")).config_file.unlink()  # as on a machine without the learner
    assert cli.main(["actor", *words]) == 0
    assert f"the policy lies in the learner's folder, at {served.channel.address}" in capsys.readouterr().out


@pytest.mark.usefixtures("_fakes")
def test_actors_that_leave_before_the_last_evaluation_are_waited_for_by_the_next_learner(capsys):
    """The status says that somebody is to start it again; a good end would leave an actor that comes back alone."""
    words = (*TINY, "steps=20", f"channel.address=tcp://127.0.0.1:{find_port()}", "channel.patience_s=0.5")
    config = load(*words)

    def leave_after(steps):
        notes = Notes()
        act(config, notes, is_interrupted=lambda: notes.steps >= steps)

    for steps, status in ((20, 3), (1000, 0)):
        actor = threading.Thread(target=leave_after, args=(steps,))
        actor.start()
        assert cli.main(["learner", *words]) == status
        actor.join()
        error = capsys.readouterr().err
        assert ("All 24 steps are made and saved, but the actors have gone without the last" in error) == bool(status)
    assert RunFolder(Path("run")).finished_steps() == 24


# One real run: the learner is a process that is killed in the middle of it.

REAL = (*TINY, "task=reach", "task.episode.step_limit=12", "checkpoint_every_steps=10", "steps=60")


class Program:
    """The learner in a process, and what it complained of."""

    def __init__(self, words, name):
        self._log = Path(f"{name}.log").resolve()
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "robot_rl.cli", "learner", *words],
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    @property
    def complaints(self):
        return self._log.read_text()

    def kill(self):
        self.process.kill()
        self.process.wait()


def count_steps():
    folder = Path("run/experience")
    return sum(StoreReader(folder).newest_steps().values()) if (folder / "store.json").exists() else 0


def find_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_real_learner_that_is_killed_and_started_again_finishes_the_run(capfd, caplog):
    words = (*REAL, f"channel.address=tcp://127.0.0.1:{find_port()}")
    programs, killed_at = [Program(words, "first")], []

    def replace_learner():
        while count_steps() < 15 and programs[0].process.poll() is None:
            time.sleep(0.02)
        programs[0].kill()
        killed_at.append(count_steps())
        programs.append(Program(words, "second"))

    killer = threading.Thread(target=replace_learner)
    killer.start()
    try:
        assert cli.main(["actor", *words]) == 0
        killer.join()
        assert programs[1].process.wait(60) == 0, programs[1].complaints
    finally:
        for program in programs:
            program.kill()
    result = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert 15 <= killed_at[0] < 60, "it was killed in the middle"
    assert "the learner is not there; the robot holds" in caplog.text
    assert "the learner is back" in caplog.text
    records = list(StoreReader("run/experience").records())
    found = [(record.episode, record.step) for record in records]
    assert len(set(found)) == len(found), "nothing twice"
    for episode in range(found[-1][0] + 1):
        steps = [step for number, step in found if number == episode]
        assert steps == list(range(len(steps))), "nothing lost"
        assert [record for record in records if record.episode == episode][-1].time_step.is_last
    steps = sum(step > 0 for _, step in found)
    state = checkpoint.load(checkpoint.find(Path("run/checkpoints"))[-1])
    assert (state["steps"], state["updates"]) == (steps, (steps - 4) * 2)
    assert RunFolder(Path("run")).finished_steps() == result["env_steps"] == steps >= 60
    for command in ("learner", "actor"):
        assert cli.main([command, *words]) == 0
        assert "is finished" in capfd.readouterr().out
