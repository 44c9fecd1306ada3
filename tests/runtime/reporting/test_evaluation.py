"""An evaluation counts what happened, tells its observers everything, and leaves the robot at rest."""

import numpy as np
import pytest

from robot_rl.errors import StoppedError, UnknownNameError
from robot_rl.runtime.acting.policies import RandomPolicy, ZeroPolicy, make_policy
from robot_rl.runtime.reporting.evaluation import EpisodeResult, Evaluation, evaluate
from robot_rl.types import Button, Reason
from tests.fakes import Act, Notes, make_cell


class CountingPolicy(ZeroPolicy):
    resets = asked = 0

    def reset(self):
        self.resets += 1

    def __call__(self, observation):
        self.asked += 1
        return super().__call__(observation)


SUCCESS = frozenset({Button.SUCCESS})


def test_it_counts_steps_successes_and_time():
    cell = make_cell([Act(0.25, 0.27, buttons=SUCCESS)], step_limit=5)
    notes, policy = Notes(), CountingPolicy(cell.env.spec)
    evaluation = evaluate(cell.env, policy, 2, 0, [notes])
    cell.teleop.acts.clear()
    assert evaluation.episodes == notes.results
    assert evaluation.episodes == [
        EpisodeResult(0, True, 3, 0, pytest.approx(0.3)),
        EpisodeResult(1, True, 3, 0, pytest.approx(0.3)),
    ]
    assert evaluation.cycle_time_s == pytest.approx(0.3)
    assert (policy.resets, policy.asked) == (2, 6)
    assert [step.step_type.value for step in notes.steps] == [0, 1, 1, 2] * 2


def test_a_failure_is_no_success_and_has_no_cycle_time():
    cell = make_cell(step_limit=3)
    evaluation = evaluate(cell.env, ZeroPolicy(cell.env.spec), 2, 0)
    assert [(e.is_success, e.steps) for e in evaluation.episodes] == [(False, 3)] * 2
    assert evaluation.success_rate == 0.0
    assert evaluation.cycle_time_s is None
    assert evaluation.to_json() == {
        "success_rate": 0.0, "ci95": [0.0, 0.6576], "episodes": 2, "cycle_time_s": None
    }  # fmt: skip


def test_steps_of_a_person_are_counted():
    cell = make_cell([Act(0.1, 0.2, (1, 0, 0, 0, 0, 0))], step_limit=5, takeover_hold_s=0.05)
    evaluation = evaluate(cell.env, ZeroPolicy(cell.env.spec), 1, 0)
    assert evaluation.episodes[0].human_steps == 2  # the motion, and the hold's first half of a step


def test_the_seed_is_that_of_the_first_episode_and_the_others_differ():
    def starts(seed):
        cell, notes = make_cell(step_limit=1), Notes()
        evaluate(cell.env, ZeroPolicy(cell.env.spec), 3, seed, [notes])
        return [step.observation.proprio["task"].tobytes() for step in notes.steps if step.is_first]

    assert starts(1) == starts(1)
    assert starts(1) != starts(2)
    assert len(set(starts(1))) == 3


def test_an_interruption_ends_after_the_episode():
    cell, seen = make_cell(step_limit=2), []
    evaluation = evaluate(
        cell.env, ZeroPolicy(cell.env.spec), 10, 0, is_interrupted=lambda: seen.append(1) or len(seen) == 3
    )
    assert len(evaluation.episodes) == 3
    assert all(episode.steps == 2 for episode in evaluation.episodes)


class FailingPolicy(ZeroPolicy):
    def __call__(self, observation):
        raise RuntimeError("out of memory")


def test_a_policy_that_fails_leaves_a_stopped_robot_that_says_why():
    cell = make_cell()
    with pytest.raises(RuntimeError, match="out of memory"):
        evaluate(cell.env, FailingPolicy(cell.env.spec), 1, 0)
    assert cell.arm.state().stop is not None
    assert "out of memory" in cell.arm.state().stop.detail


def test_an_interrupt_in_the_middle_leaves_a_stopped_robot():
    cell = make_cell()

    class Interrupted(ZeroPolicy):
        def __call__(self, observation):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(cell.env, Interrupted(cell.env.spec), 1, 0)
    assert cell.arm.state().stop is not None


def test_an_evaluation_that_ends_well_leaves_the_arm_usable():
    cell = make_cell(step_limit=2)
    evaluate(cell.env, ZeroPolicy(cell.env.spec), 1, 0)
    assert cell.arm.state().stop is None
    assert cell.env.reset().is_first


def test_a_stop_during_an_episode_is_not_cleared_by_the_next():
    cell = make_cell(step_limit=3)

    class Stopping(ZeroPolicy):
        def __call__(self, observation):
            cell.arm.stop(Reason.WRENCH, "61 N")
            return super().__call__(observation)

    notes = Notes()
    with pytest.raises(StoppedError, match="61 N"):
        evaluate(cell.env, Stopping(cell.env.spec), 3, 0, [notes])
    assert [result.is_success for result in notes.results] == [False]
    assert cell.arm.state().stop.reason is Reason.WRENCH


def test_nothing_done_is_nothing_known():
    assert Evaluation().success_rate == 0.0
    assert Evaluation().interval == (0.0, 1.0)


def test_the_simple_policies_are_what_they_say():
    spec = make_cell(has_gripper=True).env.spec
    np.testing.assert_array_equal(ZeroPolicy(spec)(None), np.zeros(7, np.float32))
    one, same, other = RandomPolicy(spec, 0), RandomPolicy(spec, 0), RandomPolicy(spec, 1)
    draws = np.array([one(None) for _ in range(200)])
    assert draws.dtype == np.float32
    assert draws.min() < -0.9
    assert draws.max() > 0.9
    assert np.abs(draws).max() <= 1.0
    np.testing.assert_array_equal(draws[0], same(None))
    assert not np.array_equal(draws[0], other(None))


@pytest.mark.parametrize(("name", "kind"), [("zero", ZeroPolicy), ("expert", ZeroPolicy), ("random", RandomPolicy)])
def test_policies_by_name(name, kind):
    assert isinstance(make_policy(name, make_cell().env.spec, 0), kind)


def test_an_unknown_policy_is_answered_with_the_known_ones():
    with pytest.raises(UnknownNameError, match="blind, expert, random, zero"):
        make_policy("dance", make_cell().env.spec, 0)
