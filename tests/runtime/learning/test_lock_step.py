"""Actor and learner in step: the order of things depends on nobody's speed, and no error is lost."""

import threading
import time

import numpy as np
import pytest

from robot_rl.runtime.acting.policy_runner import PolicyRunner
from robot_rl.runtime.channels.channel import make_local_channels
from robot_rl.runtime.learning.lock_step import LockStep
from tests.runs import act, differing, make_learner, make_people_cell, numbers


def run(seed=0, learner_delay_s=0.0, env_delay_s=0.0, episodes=4):
    """(records, learner, cell) of a run with random delays."""
    cell = make_people_cell()
    actor, channel = make_local_channels(cell.env.spec)
    learner = make_learner(cell.env, channel, publish_every_steps=3, seed=seed)
    twin = make_learner(cell.env, channel, seed=seed)
    records, delays = [], np.random.default_rng()
    update, drain, step = learner.agent.update, channel.drain, cell.env.step

    def slow_update(batch, *, is_actor_due):
        time.sleep(learner_delay_s * delays.random())
        return update(batch, is_actor_due=is_actor_due)

    def slow_step(action):
        time.sleep(env_delay_s * delays.random())
        return step(action)

    def noted_drain():
        drained = drain()
        records.extend(drained)
        return drained

    learner.agent.update, channel.drain, cell.env.step = slow_update, noted_drain, slow_step
    learner.publish(is_forced=True)
    with LockStep(learner) as lock_step:
        act(cell.env, actor, episodes, PolicyRunner(twin.agent.policy, 1), seed, pace=lock_step)
        lock_step.wait()
    return records, learner, cell


def test_two_runs_are_the_same_bit_for_bit_however_slow_either_side_is():
    records, learner, _ = run()
    assert learner.budget.updates == (4 * 6 - 4) * 2
    for learner_delay_s, env_delay_s in ((0.004, 0.0), (0.0, 0.004)):
        others, other, _ = run(0, learner_delay_s, env_delay_s)
        assert [numbers(r) for r in others] == [numbers(r) for r in records]
        assert [r.policy_version for r in others] == [r.policy_version for r in records]
        assert differing(other.state(), learner.state()) == []


def test_another_seed_is_another_run():
    (records, learner, _), (others, other, _) = run(0), run(1)
    assert [numbers(r) for r in others] != [numbers(r) for r in records]
    assert "/agent/policy/features.mean" in differing(other.state(), learner.state())


def test_new_weights_act_and_are_those_after_the_updates_of_the_steps_before():
    records, _, _ = run()
    versions = [record.policy_version for record in records if record.step]
    assert versions == sorted(versions)
    # published after the steps 3, 6, ... of the run; the next step acts with them
    assert versions == [0] * 3 + [k for k in range(1, 8) for _ in range(3)]


class FakeLearner:
    """Writes down what is asked of it, and that never two things are asked at once."""

    def __init__(self):
        self.events, self._busy = [], threading.Lock()

    def _note(self, event, seconds=0.0):
        assert self._busy.acquire(blocking=False), f"{event} while something else runs"
        self.events.append(event)
        time.sleep(seconds)
        self._busy.release()

    def ingest(self):
        self._note("ingest")

    def publish(self):
        self._note("publish")

    def catch_up(self):
        self._note("catch up", 0.005)


def test_a_step_waits_for_the_updates_before_and_starts_its_own():
    learner = FakeLearner()
    with LockStep(learner, lambda: learner.events.append("on step")) as lock_step:
        for _ in range(3):
            lock_step()
        lock_step.wait()
    assert learner.events == ["ingest", "publish", "on step", "catch up"] * 3


def test_updates_run_while_the_environment_makes_the_next_step():
    learner, may_end, ended = FakeLearner(), threading.Event(), []
    learner.catch_up = lambda: ended.append(may_end.wait(5.0))
    with LockStep(learner) as lock_step:
        lock_step()
        assert ended == [], "the call returned before the updates did"
        may_end.set()
        lock_step.wait()
        assert ended == [True]


def test_the_end_waits_for_the_running_updates_and_leaves_no_thread():
    learner, begun, ended = FakeLearner(), threading.Event(), []
    before = threading.active_count()
    learner.catch_up = lambda: (begun.set(), time.sleep(0.05), ended.append(True))
    with LockStep(learner) as lock_step:
        lock_step()
        assert begun.wait(5.0)
    assert ended == [True]
    assert threading.active_count() == before


def test_an_error_of_the_learner_surfaces_in_the_actor_which_stops_the_robot():
    cell = make_people_cell()
    actor, channel = make_local_channels(cell.env.spec)
    learner = make_learner(cell.env, channel)

    def break_down(batch, *, is_actor_due):
        raise ArithmeticError("the loss is not finite")

    learner.agent.update = break_down
    sent = []
    with pytest.raises(ArithmeticError, match="not finite"), LockStep(learner) as lock_step:
        act(cell.env, actor, 100, pace=lambda: (sent.append(1), lock_step()))
    assert len(sent) == 7, "the fifth step is the first that brings an update, the next hears of its error"
    assert "the loss is not finite" in cell.arm.state().stop.detail
    assert "learner" not in {thread.name.split("_")[0] for thread in threading.enumerate()}


def test_an_error_is_raised_once():
    learner = FakeLearner()
    learner.catch_up = lambda: 1 / 0
    with LockStep(learner) as lock_step:
        lock_step()
        with pytest.raises(ZeroDivisionError):
            lock_step.wait()
        lock_step.wait()
