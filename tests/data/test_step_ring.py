"""The ring of time steps, filled with identifiable values.

Pinned from the peers: a ring that never reports its last slot; a time limit whose next observation is the next
episode's first; a wrong pair where the ring wraps; a wrong first frame where an intervention begins.
"""

from dataclasses import replace

import numpy as np
import pytest

from robot_rl.data.step_ring import NOBODY, StepRing
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


# ---- images

CAMERAS = {"wrist": (2, 3, 3), "side": (4, 5, 3)}
PIXEL_SPEC = EnvironmentSpec(
    ObservationSpec(
        SPEC.observation.proprio, {name: ArraySpec(name, shape, np.uint8) for name, shape in CAMERAS.items()}
    ),
    action_size=6,
    step_limit=100,
    rate_hz=10.0,
)
STORES = ["raw", "compressed", "disk"]


def picture_of(values, camera):
    """An image that says which proprio value it belongs to, in two bytes, and which camera took it."""
    values = np.asarray(values).astype(int)[..., None, None, None]
    picture = np.broadcast_to(values % 256, (*values.shape[:-3], *CAMERAS[camera])).astype(np.uint8)
    picture[..., 1] = (values // 256)[..., 0]
    picture[..., 2] = list(CAMERAS).index(camera) + 1
    return picture


def with_pictures(steps):
    pictured = []
    for step in steps:
        value = step.observation.proprio["here"][0]
        images = {camera: picture_of(value, camera) for camera in CAMERAS}
        pictured.append(replace(step, observation=replace(step.observation, images=images)))
    return pictured


def make_pixel_ring(frames, capacity, tmp_path):
    return StepRing(PIXEL_SPEC, capacity, frames, tmp_path if frames == "disk" else None)


def assert_images_belong_to_their_rows(ring, length):
    """Start and end of every window show what their proprio says."""
    windows = ring.windows(all_starts(ring), length, GAMMA)
    assert len(windows.rows)
    for rows, proprio in ((windows.rows, windows.proprio), (windows.next_rows, windows.next_proprio)):
        images = ring.images(rows)
        assert list(images) == list(CAMERAS)
        for camera, got in images.items():
            assert np.array_equal(got, picture_of(proprio[:, 0], camera)), camera


@pytest.mark.parametrize("frames", STORES)
@pytest.mark.parametrize("length", [1, 3])
def test_images_of_interleaved_episodes_with_interventions_are_right_wherever_the_ring_wraps(frames, length, tmp_path):
    ring = make_pixel_ring(frames, 13, tmp_path)
    sources = [Source.POLICY, Source.HUMAN, Source.HUMAN, Source.POLICY, Source.HUMAN]
    for pair in range(6):
        one = with_pictures(make_steps(200 * pair, 5, truncation, sources))
        other = with_pictures(make_steps(200 * pair + 100, 5, termination, sources[::-1]))
        for k, steps in enumerate(zip(one, other, strict=True)):
            for which, step in enumerate(steps):
                ring.append(step, 2 * pair + which, k)
                if ring.has_transition and len(all_starts(ring)):
                    assert_images_belong_to_their_rows(ring, length)
    assert ring.count == 6 * 12


@pytest.mark.parametrize("frames", STORES)
def test_the_first_transition_of_an_intervention_begins_with_what_the_person_saw(frames, tmp_path):
    ring = make_pixel_ring(frames, 100, tmp_path)
    sources = [Source.POLICY, Source.POLICY, Source.HUMAN, Source.HUMAN, Source.POLICY]
    fill(ring, with_pictures(make_steps(0, 5, truncation, sources)), 0)
    windows = ring.windows(all_starts(ring), 1, GAMMA)
    of_person = windows.source == Source.HUMAN
    # the person acted in steps 3 and 4, which lead from observation 2 to 3 and from 3 to 4
    assert ring.images(windows.rows[of_person])["wrist"][:, 0, 0, 0].tolist() == [2, 3]
    assert ring.images(windows.next_rows[of_person])["wrist"][:, 0, 0, 0].tolist() == [3, 4]


def test_each_image_is_kept_once():
    ring = StepRing(PIXEL_SPEC, 50)
    fill(ring, with_pictures(make_steps(0, 30)), 0)
    assert ring.frame_bytes == 50 * (2 * 3 * 3 + 4 * 5 * 3)


def test_images_of_rows_that_the_ring_does_not_hold_are_an_error():
    ring = StepRing(PIXEL_SPEC, 4)
    fill(ring, with_pictures(make_steps(0, 5)), 0)  # rows 0 and 1 are overwritten
    assert ring.images(np.array([2, 5]))["side"][:, 0, 0, 0].tolist() == [2, 5]
    for row in (-1, 1, 6):
        with pytest.raises(SpecError, match=rf"\[{row}\]"):
            ring.images(np.array([2, row]))
    with pytest.raises(SpecError, match=r"\[-1\]"):
        StepRing(PIXEL_SPEC, 4).images(np.array([NOBODY]))  # whose last slot is still nobody's


def test_a_ring_whose_observations_have_no_images_gives_none():
    ring = StepRing(SPEC, 4)
    assert ring.images(np.array(fill(ring, make_steps(0, 2), 0))) == {}


def test_an_image_of_another_size_is_refused_before_anything_is_counted():
    ring = StepRing(PIXEL_SPEC, 4)
    step = with_pictures(make_steps(0, 1))[0]
    images = {**step.observation.images, "side": np.zeros((4, 4, 3), np.uint8)}
    with pytest.raises(SpecError, match=r"\(4, 5, 3\), got uint8 \(4, 4, 3\)"):
        ring.append(replace(step, observation=replace(step.observation, images=images)), 0, 0)
    assert len(ring) == 0


def with_base(step, value):
    return replace(step, observation=replace(step.observation, base_action=np.full(6, value, np.float32)))


def test_the_base_policys_action_at_the_end_of_a_window_is_the_one_that_came_next():
    ring = StepRing(SPEC, 8, has_base=True)
    fill(ring, [with_base(step, 0.1 * k) for k, step in enumerate(make_steps(100, 6))], 0)
    fill(ring, [with_base(step, 0.5 + 0.1 * k) for k, step in enumerate(make_steps(200, 3))], 1)
    windows = ring.windows(all_starts(ring), 2, GAMMA)
    ours, following = windows.base_actions[:, 0], windows.next_base_actions[:, 0]
    assert ours == pytest.approx([0.3, 0.4, 0.5, 0.5, 0.6, 0.7])  # the ring has wrapped
    assert following == pytest.approx([0.5, 0.6, 0.6, 0.7, 0.8, 0.8])  # also that of an episode's last observation
    assert StepRing(SPEC, 8).windows(np.zeros(0, np.int64), 1, GAMMA).base_actions.shape == (0, 0)


def test_a_row_without_its_base_action_is_refused():
    ring = StepRing(SPEC, 8, has_base=True)
    with pytest.raises(SpecError, match="step 0 of episode 3"):
        ring.append(make_steps(0, 2)[0], 3, 0)


def test_a_return_is_what_the_episode_paid_from_there_on_until_its_end_or_a_gap():
    ring = StepRing(SPEC, 100)
    steps = make_steps(0, 4, termination)  # rewards 1, 2, 3, 4
    first = fill(ring, steps, 0)
    for k, step in enumerate(steps):
        if k != 3:
            ring.append(step, 1, k)
    gapped = [first[-1] + 1, first[-1] + 2]
    returns = ring.returns(np.array([first[0], first[2], *gapped]), GAMMA)
    assert returns.tolist() == [1 + 2 / 2 + 3 / 4 + 4 / 8, 3 + 4 / 2, 1 + 2 / 2, 2]


def test_what_comes_after_a_takeover_counts_for_the_share_that_is_asked_for():
    ring = StepRing(SPEC, 100)
    sources = [Source.POLICY, Source.POLICY, Source.HUMAN, Source.HUMAN, Source.POLICY]
    rows = np.array(fill(ring, make_steps(0, 5, termination, sources), 0))  # rewards 1, 2, 3, 4, 5
    by_person, by_policy = 3 + 4 / 2 + 5 / 4, 5
    expected = [1 + 2 / 2 + 0.5 * by_person / 4, 2 + 0.5 * by_person / 2, by_person, 4 + 5 / 2, by_policy]
    assert ring.returns(rows[:-1], GAMMA, 0.5).tolist() == expected
    assert ring.returns(rows[:-1], GAMMA, 0.0)[:3].tolist() == [1 + 2 / 2, 2, by_person]
    assert ring.windows(rows[:-1], 3, GAMMA, 0.5).discount.tolist() == [0.125, 0.25, 0.25, 0.5, 0.0]


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_within_a_window_that_crosses_hands_it_does_so_too(share):
    ring = StepRing(SPEC, 100)
    sources = [Source.POLICY, Source.POLICY, Source.HUMAN, Source.HUMAN, Source.POLICY]
    rows = np.array(fill(ring, make_steps(0, 5, termination, sources), 0))[:-1]
    whole = ring.windows(rows, 6, GAMMA, share, crosses_hands=True)
    np.testing.assert_array_equal(whole.reward, ring.returns(rows, GAMMA, share))
    cut = ring.windows(rows, 3, GAMMA, share, crosses_hands=True)
    assert cut.discount.tolist() == [share / 8, share / 8, 0.0, 0.0, 0.0]


def test_a_takeover_that_is_not_kept_ends_what_led_to_it_as_one_that_is():
    kept, alone = StepRing(SPEC, 100), StepRing(SPEC, 100)
    sources = [Source.POLICY, Source.POLICY, Source.HUMAN, Source.HUMAN, Source.POLICY, Source.POLICY]
    steps = make_steps(0, 6, termination, sources)
    rows = fill(kept, steps, 0)
    for index, step in enumerate(steps):
        if index and sources[index - 1] is Source.HUMAN:
            alone.end_at_takeover(0, index, 0.5)
        else:
            alone.append(step, 0, index)
    for start in (0, 1):
        expected = kept.windows(np.array([rows[start]]), 3, GAMMA, 0.5)
        found = alone.windows(np.array([start]), 3, GAMMA, 0.5)
        assert (found.reward, found.discount) == (expected.reward, expected.discount)
        assert found.discount[0] < 0.3
    alone.end_at_takeover(0, 9, 0.0)  # of a step whose predecessor is not there, nothing is known
    alone.end_at_takeover(7, 1, 0.0)
    assert alone.discount[:5].tolist() == [1.0, 1.0, 0.5, 1.0, 0.0]
