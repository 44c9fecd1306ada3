"""The ring of time steps, filled with identifiable values.

Pinned from the peers: a ring that never reports its last slot; a time limit whose next observation is the next
episode's first; a wrong pair where the ring wraps; a wrong first frame where an intervention begins.
"""

import numpy as np
import pytest

from robot_rl.data.step_ring import StepRing
from robot_rl.errors import SpecError
from robot_rl.specs import ArraySpec, EnvironmentSpec, ObservationSpec
from robot_rl.types import Observation, Source, restart, running, termination, truncation

SPEC = EnvironmentSpec(
    ObservationSpec({"here": ArraySpec("here", (1,), np.float32), "twice": ArraySpec("twice", (1,), np.float32)}, {}),
    action_size=6,
    step_limit=100,
    rate_hz=10.0,
)
GAMMA = 0.5


def observe(value):
    value = np.float32(value)
    return Observation({"here": np.array([value]), "twice": np.array([2 * value])}, {}, 0)


def make_steps(start, length, end=truncation, sources=None):
    """An episode whose observations are start, start + 1, ..., and whose actions are what they led to."""
    sources = sources or [Source.POLICY] * length
    steps = [restart(observe(start), 6)]
    for k in range(1, length + 1):
        build = end if k == length else running
        steps.append(build(observe(start + k), float(k), np.full(6, start + k, np.float32), sources[k - 1]))
    return steps


def fill(ring, steps, episode):
    return [ring.append(step, episode, k) for k, step in enumerate(steps)]


def all_starts(ring):
    rows = np.arange(ring.count - len(ring), ring.count)
    return rows[ring.has_successor(rows)]


def test_every_transition_is_there_once_and_pairs_what_belongs_together():
    ring = StepRing(SPEC, 100)
    fill(ring, make_steps(100, 3), 0)
    fill(ring, make_steps(200, 2, termination), 1)
    windows = ring.windows(all_starts(ring), 1, GAMMA)
    pairs = list(zip(windows.proprio[:, 0], windows.next_proprio[:, 0], windows.actions[:, 0, 0], strict=True))
    assert pairs == [(100, 101, 101), (101, 102, 102), (102, 103, 103), (200, 201, 201), (201, 202, 202)]
    assert windows.proprio[0].tolist() == [100, 200]


def test_a_time_limit_bootstraps_on_its_own_last_observation_and_a_termination_not_at_all():
    ring = StepRing(SPEC, 100)
    fill(ring, make_steps(0, 2, truncation), 0)
    fill(ring, make_steps(50, 2, termination), 1)
    windows = ring.windows(all_starts(ring), 1, GAMMA)
    assert windows.discount.tolist() == [0.5, 0.5, 0.5, 0.0]
    assert windows.next_proprio[1, 0] == 2


def test_windows_of_several_steps_sum_by_hand():
    ring = StepRing(SPEC, 100)
    fill(ring, make_steps(0, 4, termination), 0)
    windows = ring.windows(all_starts(ring), 3, GAMMA)
    # rewards of the steps are 1, 2, 3, 4
    assert windows.reward.tolist() == [1 + 0.5 * 2 + 0.25 * 3, 2 + 0.5 * 3 + 0.25 * 4, 3 + 0.5 * 4, 4]
    assert windows.discount.tolist() == [0.125, 0.0, 0.0, 0.0]
    assert windows.next_proprio[:, 0].tolist() == [3, 4, 4, 4]
    assert windows.mask.sum(1).tolist() == [3, 3, 2, 1]
    assert windows.actions[2, :, 0].tolist() == [3, 4, 0]


def test_a_short_window_at_a_time_limit_is_discounted_by_its_own_length():
    ring = StepRing(SPEC, 100)
    fill(ring, make_steps(0, 2, truncation), 0)
    windows = ring.windows(all_starts(ring), 3, GAMMA)
    assert windows.discount.tolist() == [0.25, 0.5]


def test_windows_end_where_the_robot_changes_hands():
    ring = StepRing(SPEC, 100)
    sources = [Source.POLICY, Source.POLICY, Source.HUMAN, Source.HUMAN, Source.POLICY]
    fill(ring, make_steps(0, 5, truncation, sources), 0)
    windows = ring.windows(all_starts(ring), 3, GAMMA)
    assert windows.mask.sum(1).tolist() == [2, 1, 2, 1, 1]
    assert windows.next_proprio[:, 0].tolist() == [2, 2, 4, 4, 5]
    assert windows.source.tolist() == [0, 0, 2, 2, 0]


def test_a_lost_step_leaves_a_gap_that_no_window_crosses():
    ring = StepRing(SPEC, 100)
    steps = make_steps(0, 4)
    for k in (0, 1, 3, 4):
        ring.append(steps[k], 0, k)
    windows = ring.windows(all_starts(ring), 4, GAMMA)
    assert windows.proprio[:, 0].tolist() == [0, 3]
    assert windows.next_proprio[:, 0].tolist() == [1, 4]


def test_actors_that_interleave_keep_their_episodes_apart():
    ring = StepRing(SPEC, 100)
    for k, (a, b) in enumerate(zip(make_steps(0, 3), make_steps(100, 3), strict=True)):
        ring.append(a, 0, k)
        ring.append(b, 1, k)
    windows = ring.windows(all_starts(ring), 2, GAMMA)
    assert np.all(windows.next_proprio[:, 0] - windows.proprio[:, 0] == windows.mask.sum(1))


@pytest.mark.parametrize("capacity", [7, 10, 13])
def test_after_wrapping_every_slot_is_used_and_every_pair_is_right(capacity):
    ring = StepRing(SPEC, capacity)
    for episode in range(20):
        fill(ring, make_steps(100 * episode, 4), episode)
        assert len(ring) == min(ring.count, capacity)
    windows = ring.windows(all_starts(ring), 3, GAMMA)
    steps = windows.next_proprio[:, 0] - windows.proprio[:, 0]
    np.testing.assert_array_equal(steps, windows.mask.sum(1))
    held = {float(x) for x in ring.proprio[:, 0]}
    assert len(held) == capacity


def test_sampling_reaches_every_transition_about_equally_and_nothing_else():
    ring = StepRing(SPEC, 30)
    for episode in range(9):
        fill(ring, make_steps(100 * episode, 4), episode)
    starts = all_starts(ring)
    drawn = ring.sample_starts(np.random.default_rng(0), 20_000)
    numbers, counts = np.unique(drawn, return_counts=True)
    assert numbers.tolist() == starts.tolist()
    expected = 20_000 / len(starts)
    assert np.all(np.abs(counts - expected) < 6 * np.sqrt(expected))


def test_sampling_a_ring_without_a_transition_is_an_error():
    ring = StepRing(SPEC, 10)
    with pytest.raises(SpecError, match="no transition"):
        ring.sample_starts(np.random.default_rng(0), 1)
    ring.append(restart(observe(0), 6), 0, 0)
    with pytest.raises(SpecError, match="no transition"):
        ring.sample_starts(np.random.default_rng(0), 1)


def test_frame_stacks_repeat_the_first_frame_and_stay_in_their_episode():
    ring = StepRing(SPEC, 100)
    fill(ring, make_steps(0, 2), 0)
    rows = fill(ring, make_steps(50, 3), 1)
    stacks = ring.stacked(np.array(rows), 3)
    assert stacks[:, :, 0].tolist() == [[50, 50, 50], [50, 50, 51], [50, 51, 52], [51, 52, 53]]


def test_a_ring_needs_room_for_a_transition():
    with pytest.raises(SpecError, match="at least 2"):
        StepRing(SPEC, 1)
