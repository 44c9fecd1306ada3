"""A person and the simulated robot: how soon a hand is obeyed, and what a pause leaves behind."""

import numpy as np
import pytest

from robot_rl.clock import to_ns
from robot_rl.env.robot_env import RobotEnv
from robot_rl.types import Button, Source
from tests import simcells
from tests.fakes import Act, TimedTeleop

PAUSE = frozenset({Button.PAUSE})
LEFT = (0.0, 0.5, 0.0, 0.0, 0.0, 0.0)
DEAD_BAND = 0.05


class Watched:
    """A simulated robot with a person who follows a plan; every command is written down with its time."""

    def __init__(self, *acts, **overrides):
        words = [f"task.episode.{name}={value}" for name, value in overrides.items()]
        cell = simcells.make("task=reach", *words)
        self.simulation, self.arm = cell.simulation, cell.env.robot.arm
        clock = cell.env.clock
        teleop = TimedTeleop(clock, acts)
        self.env = RobotEnv(cell.env.robot, cell.task, cell.reset, clock, cell.env.config, teleop)
        self.sent = []
        send = self.arm.set_equilibrium_pose

        def note(pose, stamp_ns):
            self.sent.append((clock.now_ns() - self.start_ns, pose))
            send(pose, stamp_ns)

        self.arm.set_equilibrium_pose = note
        self.first = self.env.reset(seed=3)
        self.start_ns = clock.now_ns()

    def play(self, steps):
        generator = np.random.default_rng(0)
        return [self.first, *(self.env.step(generator.uniform(-0.7, 0.7, 6)) for _ in range(steps))]


@pytest.mark.parametrize("begin_s", [0.0, 0.001, 0.013, 0.05, 0.0931, 0.199])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_the_first_motion_beyond_the_dead_band_is_commanded_within_one_tick(begin_s, sign):
    rest, push = (0.0, 0.99 * DEAD_BAND * sign, 0.0, 0.0, 0.0, 0.0), (0.0, 1.01 * DEAD_BAND * sign, 0.0, 0.0, 0.0, 0.0)
    idle, helped = Watched(Act(0.0, 9.0, rest)), Watched(Act(0.0, begin_s, rest), Act(begin_s, 9.0, push))
    idle.play(3)
    steps = helped.play(3)
    differs_ns = next(
        at_ns
        for k, (at_ns, pose) in enumerate(helped.sent)
        if k >= len(idle.sent) or idle.sent[k][0] != at_ns or (idle.sent[k][1].position != pose.position).any()
    )
    assert to_ns(begin_s) <= differs_ns < to_ns(begin_s) + 10_000_000
    assert [step.source for step in steps[1:]].index(Source.HUMAN) == int(np.ceil(begin_s * 100.0) // 10)
    assert Source.HUMAN not in [step.source for step in idle.play(1)[1:]]


def test_the_arm_stands_still_while_a_person_pauses():
    watched = Watched(Act(0.23, 0.24, buttons=PAUSE), Act(3.01, 3.02, buttons=PAUSE))
    steps = watched.play(5)
    stamps_s = [(step.observation.stamp_ns - watched.start_ns) * 1e-9 for step in steps[1:]]
    np.testing.assert_allclose(stamps_s, [0.1, 0.2, 3.01, 3.11, 3.21], atol=1e-9)
    assert [step.is_resumed for step in steps[1:]] == [False, False, True, False, False]
    before = [pose for at_ns, pose in watched.sent if at_ns <= to_ns(0.23)][-1]
    assert not [at_ns for at_ns, _ in watched.sent if to_ns(0.23) < at_ns < to_ns(3.01)]
    resumed = steps[3].observation.proprio
    assert np.abs(resumed["tcp_twist"]).max() < 1e-3
    assert watched.simulation.tcp_pose().position == pytest.approx(before.position, abs=0.03)


@pytest.mark.parametrize("resume_s", [1.0, 1.037, 4.37])
def test_a_pause_is_repeated_bit_for_bit(resume_s):
    acts = (Act(0.23, 0.24, buttons=PAUSE), Act(resume_s, resume_s + 0.4, LEFT))
    runs = [Watched(*acts).play(8) for _ in range(2)]
    for one, other in zip(*runs, strict=True):
        assert one.observation.stamp_ns == other.observation.stamp_ns
        assert one.applied_action.tobytes() == other.applied_action.tobytes()
        for name, value in one.observation.proprio.items():
            assert value.tobytes() == other.observation.proprio[name].tobytes()
    assert Source.HUMAN in [step.source for step in runs[0]]
