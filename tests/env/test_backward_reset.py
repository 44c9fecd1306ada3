"""A policy undoes the task; where it fails, the script does."""

import numpy as np
import pytest

from robot_rl.env.backward_reset import BackwardReset, StayingReset
from robot_rl.env.robot_env import RobotEnv
from robot_rl.env.scripted_reset import ScriptedReset
from robot_rl.env.task import EpisodeConfig
from robot_rl.errors import StoppedError
from robot_rl.types import Outcome, Reason
from tests.contracts import assert_near
from tests.env.test_resets import make_safety, play
from tests.fakes import FakeTask, make_cell


class Lifting:
    """Asks for a motion against the tool's axis, and counts its episodes and actions."""

    def __init__(self, act=lambda: None):
        self.episodes = self.actions = 0
        self._act = act

    def reset(self):
        self.episodes += 1

    def __call__(self, observation):
        self.actions += 1
        self._act()
        return np.array([0.0, 0.0, -1.0, 0.0, 0.0, 0.0], np.float32)


class HeightTask(FakeTask):
    """Undone where the tool is 5 cm above where it was."""

    def arrange(self, seed):
        self.start_m = None
        return super().arrange(seed)

    def evaluate(self, reading):
        height_m = float(reading.state.tcp_pose.position[2])
        self.start_m = height_m - 0.01 if self.start_m is None else self.start_m
        return Outcome(0.0, is_terminal=True, is_success=True) if height_m - self.start_m > 0.045 else Outcome()


@pytest.fixture
def cell():
    cell = make_cell()
    cell.arm._presets = ("insertion", "precision")
    return cell


def make(cell, policy, step_limit=20):
    backward = HeightTask()
    config = EpisodeConfig(step_limit=step_limit)
    env = RobotEnv(cell.env.robot, backward, StayingReset(backward), cell.clock, config)
    return BackwardReset(env, policy, ScriptedReset(cell.task))


def run(cell, reset, seed=3):
    return play(reset.steps(cell.env.robot, cell.clock, make_safety(), seed), cell.clock)


def test_what_the_policy_has_undone_the_script_does_not(cell):
    policy = Lifting()
    phases = run(cell, make(cell, policy))
    assert list(phases) == ["undoing the task by fake", "returning", "lowering", "settling"]
    assert (policy.episodes, policy.actions) == (1, 5)
    assert_near(cell.arm.state().tcp_pose, cell.task.arrange(3), 1e-3, 1e-3)


def test_where_the_policy_fails_the_script_lifts(cell):
    policy = Lifting()
    phases = run(cell, make(cell, policy, step_limit=3))
    assert list(phases) == ["undoing the task by fake", "lifting", "returning", "lowering", "settling"]
    assert policy.actions == 3
    assert_near(cell.arm.state().tcp_pose, cell.task.arrange(3), 1e-3, 1e-3)


def test_an_arm_that_stops_on_the_way_ends_the_reset(cell):
    policy = Lifting(lambda: cell.arm.stop(Reason.WRENCH, "61 N"))
    with pytest.raises(StoppedError, match="wrench limit"):
        run(cell, make(cell, policy))
    assert policy.actions == 1
