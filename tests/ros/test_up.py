"""`robot-rl up train_peg` for real: every process of it is killed in the middle, and the run comes to its end."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from robot_rl import config as configuration
from robot_rl.cli import main
from robot_rl.data.store_reader import StoreReader
from robot_rl.runtime.assembly import make_spec
from robot_rl.runtime.config import EnvConfig, TrainConfig
from robot_rl.runtime.reporting.metrics_writer import read_metrics
from robot_rl.types import Source
from tests import base_policies
from tests.ros.test_lock_step import assert_same

ROOT = Path(__file__).parents[2]
STEPS = 200
TINY = (
    "task=reach",
    "task.episode.step_limit=20",
    "agent.hidden=[16,16]",
    "agent.batch_size=16",
    "agent.pretrain_updates=4",
    "agent.warmup_steps=4",
    "replay.capacity=5000",
    "replay.prior_capacity=500",
    "demonstrations=1",
    "checkpoint_every_steps=50",
    "evaluate_every_steps=0",
    "log_every_steps=10",
    "final_episodes=2",
    f"steps={STEPS}",
)
PATIENCE_S = 240.0


class Up:
    """`robot-rl up` as a process."""

    def __init__(self, folder, *words):
        self.run, self.log = folder / "run", folder / "up.log"
        command = [sys.executable, "-m", "robot_rl.cli", "up", "train_peg", *TINY, f"run_dir={self.run}", *words]
        with self.log.open("ab") as file:
            self.process = subprocess.Popen(command, cwd=folder, stdout=file, stderr=file, stdin=subprocess.DEVNULL)

    def output(self):
        return self.log.read_text(errors="replace")

    def wait_for(self, is_reached, what):
        end = time.monotonic() + PATIENCE_S
        while not is_reached():
            assert self.process.poll() is None, f"it has ended before {what}:\n{self.output()}"
            assert time.monotonic() < end, f"{what} was not reached:\n{self.output()}"
            time.sleep(0.2)

    def wait_for_steps(self, count):
        self.wait_for(lambda: self.steps() >= count, f"step {count}")

    def steps(self):
        path = self.run / "metrics.jsonl"
        return max((record.get("step", 0) for record in read_metrics(path)), default=0) if path.exists() else 0

    def kill(self, name):
        """SIGKILL to the process itself, which its supervisor has no part in."""
        (pid,) = find_processes(name, str(self.run))
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_for_another(self, name, old):
        self.wait_for(lambda: set(find_processes(name, str(self.run))) - {old}, f"the restart of {name}")

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)


def find_processes(name, word):
    """Ids of the processes that run the executable (or command) `name`, without leashes, with `word` in their words."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            is_it = any(Path(part).name == name for part in words[:5]) and not any("leash" in part for part in words)
            if is_it and any(word in part for part in words):
                found.append(int(entry.name))
    return found


@pytest.fixture
def up(tmp_path):
    graphs = []

    def start(*words):
        graphs.append(Up(tmp_path, *words))
        return graphs[-1]

    yield start
    for graph in graphs:
        graph.end()


def test_each_process_is_killed_in_turn_and_the_run_ends_well_with_every_row_right(up):
    graph = up()
    for count, name in ((20, "simulation"), (70, "actor"), (120, "learner")):
        graph.wait_for_steps(count)
        graph.wait_for_another(name, graph.kill(name))
    assert graph.process.wait(PATIENCE_S) == 0, graph.output()
    assert_rows_are_right(graph.run, at_least=STEPS)
    result = json.loads(graph.output().splitlines()[-1])
    assert result["episodes"] == 2
    assert result["env_steps"] >= STEPS


@pytest.mark.parametrize("corrector", [None, "edit_select"])  # the latter of all correctors sends the most
def test_a_run_over_the_graph_is_bit_for_bit_that_of_one_process(corrector, up, tmp_path):
    """The person, the learner's weights and the stamps included, and what a base policy says."""
    words = ["steps=60", "teleop.human.patience_s=0.3"]
    if corrector is not None:
        base = base_policies.write(tmp_path / "base.pt", make_spec(configuration.load(EnvConfig, "env", [TINY[0]])))
        words += [f"corrector={corrector}", f"base={base}", "agent.corrector.critic_updates=4", "agent.utd=2"]
        words += ["agent.corrector.ensemble=2", "agent.corrector.gate_steps=10"]
    graph = up(*words)
    assert graph.process.wait(PATIENCE_S) == 0, graph.output()
    alone = tmp_path / "alone"
    command = [sys.executable, "-m", "robot_rl.cli", "train", *TINY, f"run_dir={alone}", *words]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=PATIENCE_S)
    expected, rows = (list(StoreReader(folder / "experience").records()) for folder in (alone, graph.run))
    assert len(rows) == len(expected) > 60
    assert any(row.time_step.source is Source.HUMAN for row in rows)
    assert all((row.time_step.observation.base_action is None) == (corrector is None) for row in rows)
    for ours, theirs in zip(rows, expected, strict=True):
        assert (ours.episode, ours.step, ours.policy_version) == (theirs.episode, theirs.step, theirs.policy_version)
        assert_same([ours.time_step], [theirs.time_step])


def assert_rows_are_right(run, at_least):
    """Steps count from zero without a gap, stamps go on by a period, and what was cut off is no end of an episode."""
    config = configuration.load(TrainConfig, "train", list(TINY))
    period_ns = round(1e9 / config.task.episode.rate_hz)
    rows = 0
    for _, episode in StoreReader(run / "experience").episodes():
        rows += len(episode)
        np.testing.assert_array_equal(np.diff(episode.stamps_ns), period_ns)
        assert np.isfinite(episode.actions).all()
        assert np.abs(episode.actions).max() <= 1.0
    assert rows >= at_least
    records = [record for record in read_metrics(run / "metrics.jsonl") if record["kind"] == "episode"]
    assert len({record["index"] for record in records}) == len(records)


def test_ctrl_c_stops_the_robot_first_and_the_same_command_goes_on(up):
    graph = up()
    graph.wait_for_steps(20)
    graph.process.send_signal(signal.SIGINT)
    assert graph.process.wait(60) == 130, graph.output()
    output = graph.output()
    assert "the robot is stopped: the actor has ended" in output
    assert not re.search(r"Traceback", output), output
    assert find_processes("simulation", str(graph.run)) == []
    before = graph.steps()
    assert before < STEPS
    graph = up("steps=100")
    assert graph.process.wait(PATIENCE_S) == 0, graph.output()
    assert_rows_are_right(graph.run, at_least=100)


@pytest.mark.parametrize("claim", ["store.json", "pretrain.yaml"])
def test_a_folder_of_something_else_is_refused_and_left_as_it_is(tmp_path, claim, capsys):
    (tmp_path / claim).write_text("{}")
    assert main(["up", "train_peg", *TINY, f"run_dir={tmp_path}"]) == 2
    assert f"{tmp_path} holds a" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [claim]
