"""The scripted human: patient, short, trembling, and only through the device."""

from itertools import pairwise

import numpy as np
import pytest

from robot_rl.env.robot_env import RobotEnv
from robot_rl.sim.expert import Deflection
from robot_rl.sim.human import HumanConfig, ScriptedHuman
from robot_rl.types import Command, Source
from tests import simcells

DEFLECTION = Deflection(0.01, 0.06)


@pytest.fixture(scope="module")
def cell():
    cell = simcells.make("task=peg")
    cell.env.reset(seed=0)
    return cell


def watch(cell, seconds, **config):
    """What a person says at each hundredth of a second in front of a robot that does not move."""
    human = ScriptedHuman(cell.task, DEFLECTION, HumanConfig(**config))
    human.reset()
    return [human.read() for _ in range(round(100 * seconds))], human


def phases(commands):
    """(start, length) of each correction [s]."""
    out, start = [], None
    for i, command in enumerate([*commands, None]):
        if command is not None and start is None:
            start = i
        elif command is None and start is not None:
            out.append((start / 100, (i - start) / 100))
            start = None
    return out


def test_help_comes_after_patience_and_reaction_and_is_short(cell):
    commands, _ = watch(cell, 30.0)
    found = phases(commands)
    assert found[0][0] == pytest.approx(2.0 + 0.3, abs=0.05)
    assert len(found) >= 5
    for (start, length), (later, _) in pairwise(found):
        assert 0.59 <= length <= 1.21
        # between corrections: pause, patience and reaction again, since nothing moves
        assert later - start - length == pytest.approx(1.0 + 2.0 + 0.3, abs=0.1)


def test_while_there_is_progress_nobody_helps():
    cell = simcells.make("task=peg", "teleop=expert")
    cell.env.reset(seed=0)
    human = ScriptedHuman(cell.task, DEFLECTION, HumanConfig(patience_s=0.8))
    human.reset()
    time_step = None
    while time_step is None or not time_step.is_last:
        for _ in range(10):
            assert human.read() is None
        time_step = cell.env.step(np.zeros(6))
    assert cell.env.outcome.is_success


def test_a_new_episode_needs_patience_anew(cell):
    _, human = watch(cell, 2.2)
    human.reset()
    assert all(human.read() is None for _ in range(215))
    assert any(human.read() is not None for _ in range(30))


def test_a_correction_in_progress_ends_with_the_episode(cell):
    commands, human = watch(cell, 2.5)
    assert commands[-1] is not None
    human.reset()
    assert human.read() is None


def test_the_tremor_has_its_standard_deviation_and_correlation(cell):
    quiet = {"patience_s": 0.01, "reaction_s": 0.01, "pause_s": 0.0, "correction_s": (400.0, 400.0), "bias": 0.0}
    still, _ = watch(cell, 30.0, **quiet, noise=0.0, gain=0.05)
    shaky, _ = watch(cell, 30.0, **quiet, noise=0.1, gain=0.05)
    tremor = np.array([b.twist_base - a.twist_base for a, b in zip(still, shaky, strict=True) if a and b])
    assert len(tremor) > 2900
    np.testing.assert_allclose(tremor[50:].std(axis=0), 0.1, rtol=0.2)
    np.testing.assert_allclose(tremor[50:].mean(axis=0), 0.0, atol=0.03)
    for axis in range(6):
        x = tremor[50:, axis]
        assert np.corrcoef(x[:-1], x[1:])[0, 1] == pytest.approx(np.exp(-0.01 / 0.1), abs=0.03)
        assert np.corrcoef(x[:-10], x[10:])[0, 1] == pytest.approx(np.exp(-1.0), abs=0.2)


def test_the_bias_is_constant_in_a_correction_and_new_in_the_next(cell):
    commands, _ = watch(cell, 12.0, noise=0.0, bias=0.1, gain=0.05)
    twists = [c.twist_base if c else None for c in commands]
    (first, length), (second, _) = phases(commands)[:2]
    i, j = round(100 * first), round(100 * second)
    np.testing.assert_array_equal(twists[i], twists[i + round(100 * length) - 1])
    assert not np.allclose(twists[i], twists[j])


def test_the_help_points_towards_the_goal(cell):
    commands, _ = watch(cell, 30.0)
    from robot_rl.sim.tasks.task import View

    wanted = DEFLECTION.towards(cell.task.find_goal(View.TRUTH).tcp_pose, cell.simulation.tcp_pose())
    mean = np.mean([c.twist_base for c in commands if c], axis=0)
    cosine = mean[:3] @ wanted[:3] / np.linalg.norm(mean[:3]) / np.linalg.norm(wanted[:3])
    assert cosine > 0.9


def test_commands_stay_in_range_even_with_a_wild_hand(cell):
    commands, _ = watch(cell, 20.0, noise=3.0, bias=2.0, gain=10.0)
    twists = np.array([c.twist_base for c in commands if c])
    assert np.abs(twists).max() <= 1.0
    assert np.abs(twists).max() > 0.99


def test_a_tired_person_is_silent(cell):
    commands, human = watch(cell, 40.0, budget_s=1.5)
    assert sum(c is not None for c in commands) == pytest.approx(150, abs=1)
    assert human.is_tired
    assert human.helped_s == pytest.approx(1.5, abs=0.011)
    human.reset()
    assert all(human.read() is None for _ in range(1000)), "rest does not help: the budget is for the whole run"


def test_equal_seeds_are_equal_people(cell):
    def twists(seed):
        return [c.twist_base.tobytes() if c else b"" for c in watch(cell, 8.0, seed=seed)[0]]

    assert twists(1) == twists(1)
    assert twists(1) != twists(2)


def test_watching_and_helping_touch_nothing_but_the_device(cell):
    before = cell.simulation.save()
    commands, _ = watch(cell, 10.0)
    after = cell.simulation.save()
    assert all(c is None or isinstance(c, Command) for c in commands)
    for name in ("physics", "torque", "wrench", "law", "tick_count", "stop"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name), err_msg=name)


def test_a_person_solves_what_an_idle_policy_cannot():
    cell = simcells.make("task=reach", "teleop=human", "task.episode.step_limit=150")
    is_success, steps = simcells.play(cell, 0)
    sources = [step.source for step in steps[1:]]
    assert is_success
    assert Source.POLICY in sources
    assert Source.HUMAN in sources
    assert 0.1 < np.mean([source is Source.HUMAN for source in sources]) < 0.7


def test_the_environment_is_the_only_one_to_listen():
    cell = simcells.make("task=reach", "teleop=human")
    assert isinstance(cell.env, RobotEnv)
    assert sum(isinstance(value, ScriptedHuman) for value in vars(cell.env).values()) == 0


def test_the_environments_seed_decides_what_a_person_does():
    def record(cell, seed):
        time_step, out = cell.env.reset(seed=seed), []
        while not time_step.is_last:
            time_step = cell.env.step(np.zeros(6))
            out.append(time_step.applied_action.tobytes())
        return out

    cell = simcells.make("task=reach", "teleop=human", "task.episode.step_limit=40")
    first = record(cell, 5)
    record(cell, 6)
    assert record(cell, 5) == first
    assert len(set(first)) > 5, "the person did something"
