"""A person pauses in a run: rows leave a gap, which nothing that is learned or exported reaches across."""

import numpy as np
import pytest

from robot_rl.data.step_ring import StepRing
from robot_rl.data.store_reader import StoreReader
from robot_rl.runtime.acting.policies import ZeroPolicy
from robot_rl.runtime.channels.channel import make_local_channels
from robot_rl.runtime.recorder import record_demonstrations
from robot_rl.runtime.reporting.evaluation import evaluate
from robot_rl.types import Button, Source
from tests.fakes import Act, Notes, make_cell
from tests.runs import ConstantRunner, act

PAUSE, GO_ON = (Act(at_s, at_s + 0.01, buttons=frozenset({Button.PAUSE})) for at_s in (0.23, 5.0))
PUSH = Act(0.0, 0.2, (0.6, -0.3, 0.2, 0.0, 0.0, 0.0))
FINISH = Act(5.15, 5.16, buttons=frozenset({Button.SUCCESS}))
STEPS = [0, 1, 2, 4, 5, 6]
"""Of the time steps in their episode: the pause is in the third step, which leaves out an index."""


def make_paused_cell(*acts, **episode):
    return make_cell([PAUSE, GO_ON, *acts], takeover_hold_s=0.05, **episode)


def play():
    actor, learner = make_local_channels((cell := make_paused_cell(step_limit=5)).env.spec)
    notes = Notes()
    act(cell.env, actor, 1, observers=[notes])
    return cell, learner.drain(), notes


def test_the_records_of_a_run_leave_an_index_out():
    _, records, notes = play()
    assert [record.step for record in records] == STEPS
    assert [record.time_step.is_resumed for record in records] == [False, False, False, True, False, False]
    (result,) = notes.results
    assert (result.steps, result.duration_s) == (5, pytest.approx(0.5))


@pytest.mark.parametrize("length", [1, 3, 5])
def test_no_window_reaches_across_a_pause(length):
    cell, records, _ = play()
    ring = StepRing(cell.env.spec, 100)
    for record in records:
        ring.append(record.time_step, record.episode, record.step)
    rows = np.arange(len(records))
    starts = rows[ring.has_successor(rows)]
    assert starts.tolist() == [0, 1, 3, 4], "from the time step before the pause, nothing follows"
    windows = ring.windows(starts, length, 0.97)
    assert not ((windows.rows <= 2) & (windows.next_rows >= 3)).any()
    stamps_s = np.array([record.time_step.observation.stamp_ns for record in records]) * 1e-9
    duration_s = stamps_s[windows.next_rows] - stamps_s[windows.rows]
    np.testing.assert_allclose(duration_s, 0.1 * windows.mask.sum(1), atol=1e-9)
    np.testing.assert_array_equal(ring.stacked(np.array([3]), 2)[0, 0], ring.proprio[3])


def test_a_policy_that_sees_several_steps_forgets_those_before_the_pause():
    cell, forgotten = make_paused_cell(step_limit=5), []
    runner = ConstantRunner()
    runner.forget_past = lambda: forgotten.append(cell.clock.now_ns() - 1_000_000_000)
    actor, _ = make_local_channels(cell.env.spec)
    act(cell.env, actor, 1, runner=runner)
    assert forgotten == [5_000_000_000]


def test_so_does_one_that_is_evaluated():
    cell, forgotten = make_paused_cell(step_limit=5), []
    policy = ZeroPolicy(cell.env.spec)
    policy.reset = policy.forget_past = lambda: forgotten.append(cell.clock.now_ns() - 1_000_000_000)
    evaluate(cell.env, policy, 1, 0)
    assert forgotten == [0, 5_000_000_000]


def test_a_demonstration_with_a_pause_is_kept_as_its_two_parts(tmp_path):
    cell = make_paused_cell(PUSH, FINISH)
    kept = record_demonstrations(
        cell.env, tmp_path, {}, 1, 0, is_success_only=True, on_episode=lambda kept, is_success: True
    )
    assert kept == 1
    reader = StoreReader(tmp_path)
    assert [record.step for record in reader.records()] == STEPS
    assert reader.count_steps() == 5
    before, after = (episode for _, episode in reader.episodes())
    assert (len(before), before.is_complete, before.sources.tolist()) == (2, False, [Source.DEMO] * 2)
    assert (len(after), after.is_complete, after.is_success) == (2, True, True)
    assert after.stamps_ns[0] - before.stamps_ns[-1] == pytest.approx(4.8e9)
