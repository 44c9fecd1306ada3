"""The environment over the wire is the environment: the same episodes bit for bit, and nothing lost on the way."""

import numpy as np
import pytest

from robot_rl.env.takeover import Takeover
from robot_rl.runtime.assembly import make_sim_workcell
from robot_rl.types import Button, Source
from tests.fakes import Act, TimedTeleop
from tests.ros import simulated

HELP = ("task=peg", "task.episode.step_limit=40", "teleop.human.patience_s=0.5")


def play(env, episodes=3):
    generator, steps = np.random.default_rng(0), []
    for episode in range(episodes):
        steps.append(env.reset(100 + episode))
        while not steps[-1].is_last:
            steps.append(env.step(generator.uniform(-0.7, 0.7, env.action_map.action_size)))
    return steps


def assert_same(ours, theirs):
    assert len(ours) == len(theirs)
    for index, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        assert (a.step_type, a.reward, a.discount, a.source) == (b.step_type, b.reward, b.discount, b.source), index
        np.testing.assert_array_equal(a.applied_action, b.applied_action, err_msg=str(index))
        assert a.observation.stamp_ns == b.observation.stamp_ns, index
        for kind in ("proprio", "images"):
            parts, others = getattr(a.observation, kind), getattr(b.observation, kind)
            assert list(parts) == list(others)
            for name in parts:
                np.testing.assert_array_equal(parts[name], others[name], err_msg=f"{index}: {name}")


@pytest.mark.parametrize(
    "words",
    [
        HELP,
        ("task=pick_cube", "teleop=expert", "task.episode.step_limit=40"),
        (*HELP, "robot=sim_pixels", "robot.image_size=32", "reset=scripted", "task.episode.step_limit=12"),
    ],
    ids=["person", "gripper", "pictures and scripted resets"],
)
def test_episodes_over_the_wire_are_those_in_process(words, tmp_path):
    expected = play(make_sim_workcell(simulated.load(*words)).env)
    with simulated.graph(tmp_path, *words) as (_, here):
        assert_same(play(here.cell.env), expected)
    assert any(step.source is Source.HUMAN for step in expected)


def test_nobody_helps_where_nobody_is_asked(tmp_path):
    """Evaluations use the same robot without the person."""
    expected = play(make_sim_workcell(simulated.load(*HELP, "teleop=none")).env, 2)
    with simulated.graph(tmp_path, *HELP) as (_, here):
        assert_same(play(here.cell.lonely_env, 2), expected)


def test_a_pause_over_the_wire_is_that_in_process(tmp_path):
    """Also one that ends between two policy periods of the simulator."""
    pause = frozenset({Button.PAUSE})
    acts = [Act(0.23, 0.24, buttons=pause), Act(1.04, 1.05, buttons=pause), Act(1.5, 1.7, (0, 0.5, 0, 0, 0, 0))]
    words = (*HELP, "robot=sim_pixels", "robot.image_size=32", "task.episode.step_limit=12")

    def with_pauses(env):
        env._takeover = Takeover(TimedTeleop(env.clock, acts), env.clock, 0.05, 0.3)
        return env

    expected = play(with_pauses(make_sim_workcell(simulated.load(*words)).env), 2)
    with simulated.graph(tmp_path, *words) as (_, here):
        assert_same(play(with_pauses(here.cell.env), 2), expected)
    assert sum(step.is_resumed for step in expected) == 2
    assert any(step.source is Source.HUMAN for step in expected)
