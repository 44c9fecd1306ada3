"""The mix of streams, counted exactly, and interventions as an index into the run.

Pinned from the peers: interventions copied into a buffer of their own, where the first of each has the image of
another moment; and twice the memory for demonstrations.
"""

from collections import Counter

import numpy as np
import pytest

from robot_rl.data.replay import SYMMETRIC, FeatureShape, Replay, ReplayConfig
from robot_rl.data.slot_array import FileArray
from robot_rl.errors import ConfigError, SpecError
from robot_rl.specs import ArraySpec, EnvironmentSpec, ObservationSpec
from robot_rl.types import Observation, Source, StepRecord, restart, running, truncation

CAMERAS = {"wrist": (2, 3, 3), "side": (4, 4, 3)}
PROPRIO = {"here": ArraySpec("here", (1,), np.float32)}
SPEC = EnvironmentSpec(ObservationSpec(PROPRIO, {}), 6, 100, 10.0)
PIXELS = EnvironmentSpec(
    ObservationSpec(PROPRIO, {name: ArraySpec(name, shape, np.uint8) for name, shape in CAMERAS.items()}), 6, 100, 10.0
)
ROBOT, HUMAN, DEMO = Source.POLICY, Source.HUMAN, Source.DEMO


def picture_of(values, camera):
    """Images that say in two bytes which value they belong to, and which camera took them."""
    values = np.asarray(values).astype(int)[:, None, None]
    picture = np.zeros((len(values), *CAMERAS[camera]), np.uint8)
    picture[..., 0], picture[..., 1] = values % 256, values // 256
    picture[..., 2] = list(CAMERAS).index(camera) + 1
    return picture


def observe(value):
    images = {camera: picture_of([value], camera)[0] for camera in CAMERAS}
    return Observation({"here": np.array([value], np.float32)}, images, 0)


def make_records(start, sources, episode=0):
    """An episode that sees start, start + 1, ..., and whose actions are what they led to."""
    steps = [restart(observe(start), 6)]
    for k, source in enumerate(sources, 1):
        build = truncation if k == len(sources) else running
        steps.append(build(observe(start + k), 0.0, np.full(6, start + k, np.float32), source))
    return [StepRecord(step, episode, k) for k, step in enumerate(steps)]


def add(replay, start, sources, episode=0, ring="online"):
    return [replay.append(record, ring) for record in make_records(start, sources, episode)]


def make_replay(spec=SPEC, stack=1, features=None, **values):
    return Replay(spec, ReplayConfig(**{"capacity": 100, "prior_capacity": 100, **values}), stack, features)


def draw(replay, count, seed=0, length=1):
    return replay.sample(np.random.default_rng(seed), count, length, 0.9)


def hundreds(sample):
    """How many windows begin in which hundred of the values."""
    return dict(Counter((sample.windows.proprio[:, 0] // 100).astype(int).tolist()))


# ---- the mix


def fill_three(replay):
    add(replay, 100, [ROBOT] * 4, 0)
    add(replay, 200, [DEMO] * 4, 0, "demonstration")
    add(replay, 300, [HUMAN] * 4, 1)


@pytest.mark.parametrize("count", [4, 8, 64, 256])
def test_half_of_a_batch_is_the_run_a_quarter_demonstrations_and_a_quarter_interventions(count):
    replay = make_replay()
    fill_three(replay)
    sample = draw(replay, count)
    first, demonstrations, interventions = np.split(sample.windows.proprio[:, 0] // 100, [count // 2, count * 3 // 4])
    assert set(first) <= {1, 3}  # the run contains its interventions
    assert demonstrations.tolist() == [2] * (count // 4)
    assert interventions.tolist() == [3] * (count // 4)
    assert len(sample.windows.rows) == count


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 63])
def test_a_batch_that_cannot_be_split_evenly_is_as_large_as_it_was_asked_for(count):
    replay = make_replay()
    fill_three(replay)
    sample = draw(replay, count)
    assert len(sample.windows.reward) == len(sample.proprio) == len(sample.next_proprio) == count
    assert abs(hundreds(sample).get(2, 0) - count / 4) < 1


@pytest.mark.parametrize(
    ("streams", "expected"),
    [
        ("demonstration", {2: 64}),
        ("run", {1: 64}),
        ("run demonstration", {1: 32, 2: 32}),  # demonstrations stand in for interventions
        ("intervention demonstration", {2: 16, 3: 48}),  # all of the run is an intervention
    ],
)
def test_people_stand_in_for_each_other_and_the_rest_of_what_is_missing_goes_to_all(streams, expected):
    replay = make_replay()
    if "run" in streams:
        add(replay, 100, [ROBOT] * 4, 0)
    if "intervention" in streams:
        add(replay, 300, [HUMAN] * 4, 1)
    if "demonstration" in streams:
        add(replay, 200, [DEMO] * 4, 0, "demonstration")
    assert hundreds(draw(replay, 64)) == expected


def test_interventions_stand_in_for_demonstrations():
    replay = make_replay()
    add(replay, 100, [ROBOT] * 4, 0)
    add(replay, 300, [HUMAN] * 4, 1)
    sample = draw(replay, 64)
    assert (sample.windows.proprio[32:, 0] // 100).tolist() == [3] * 32
    assert set(sample.windows.proprio[:32, 0] // 100) == {1, 3}


def test_anchors_have_a_ring_of_their_own_where_they_have_a_share():
    shares = {"online": 0.5, "demonstration": 0.25, "anchor": 0.25}
    replay = make_replay(shares=shares)
    fill_three(replay)
    add(replay, 400, [Source.BASE] * 4, 0, "anchor")
    counts = hundreds(draw(replay, 64))
    assert (counts[2], counts[4]) == (16, 16)
    assert "anchor" not in make_replay().rings


def test_a_share_of_nothing_draws_nothing():
    replay = make_replay(shares={"online": 0.0, "demonstration": 1.0, "intervention": 0.0})
    fill_three(replay)
    assert hundreds(draw(replay, 64)) == {2: 64}


def test_an_empty_memory_and_one_with_first_time_steps_only_say_so():
    replay = make_replay()
    with pytest.raises(SpecError, match="no transition"):
        draw(replay, 4)
    replay.append(make_records(100, [ROBOT])[0])
    with pytest.raises(SpecError, match="no transition"):
        draw(replay, 4)


@pytest.mark.parametrize("shares", [{"online": 0.5}, {"online": 1.5, "demonstration": -0.5}])
def test_shares_that_are_no_shares_are_refused(shares):
    with pytest.raises(ConfigError, match="add up to 1"):
        ReplayConfig(shares=shares)
    assert sum(SYMMETRIC.values()) == 1.0


def test_the_generator_decides():
    replay = make_replay()
    fill_three(replay)
    first, again, other = (draw(replay, 64, seed).windows.rows for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


# ---- interventions

ONLY_PEOPLE = {"online": 0.0, "demonstration": 0.0, "intervention": 1.0}


def intervened(replay):
    """Values at which an intervention begins that can be drawn."""
    return sorted(set(draw(replay, 400).windows.proprio[:, 0].astype(int).tolist()))


def test_interventions_are_the_transitions_in_which_a_person_acted():
    replay = make_replay(shares=ONLY_PEOPLE)
    add(replay, 100, [ROBOT, HUMAN, HUMAN, Source.BASE, HUMAN])
    # the person's actions led to 102, 103 and 105
    assert intervened(replay) == [101, 102, 104]
    assert replay.sizes() == {"online": 6, "demonstration": 0, "intervention": 3}
    windows = draw(replay, 50).windows
    assert np.array_equal(windows.actions[:, 0, 0], windows.proprio[:, 0] + 1)
    assert set(windows.source.tolist()) == {HUMAN}


def test_a_demonstration_is_no_intervention_of_the_run():
    replay = make_replay(shares=ONLY_PEOPLE)
    add(replay, 100, [HUMAN] * 4, ring="demonstration")
    assert replay.sizes()["intervention"] == 0


def test_an_intervention_after_a_lost_step_belongs_to_nothing():
    replay = make_replay(shares=ONLY_PEOPLE)
    records = make_records(100, [HUMAN, HUMAN, HUMAN])
    for k in (0, 1, 3):
        replay.append(records[k])
    assert intervened(replay) == [100]


def test_interventions_leave_with_the_rows_that_the_ring_overwrites():
    replay = make_replay(shares=ONLY_PEOPLE, capacity=6)
    add(replay, 100, [HUMAN, HUMAN, ROBOT], 0)  # rows 0 to 3
    assert intervened(replay) == [100, 101]
    add(replay, 200, [ROBOT, HUMAN], 1)  # rows 4 to 6: row 0 is overwritten
    assert intervened(replay) == [101, 201]
    add(replay, 300, [ROBOT] * 6, 2)
    assert replay.sizes()["intervention"] == 0
    with pytest.raises(SpecError, match="no transition"):
        draw(replay, 4)


def test_interventions_of_actors_that_interleave_leave_with_their_rows():
    replay = make_replay(shares=ONLY_PEOPLE, capacity=8)
    slow, fast = make_records(100, [HUMAN, ROBOT], 0), make_records(200, [HUMAN] * 9, 1)
    order = [slow[0], *fast[:4], slow[1], *fast[4:]]  # slow's intervention begins at row 0, and is noted late
    numbers = {}
    for record in order:
        numbers[replay.append(record)] = record.time_step.observation.proprio["here"][0]
        oldest = max(0, len(numbers) - 8)
        starts = {value - 1 for row, value in numbers.items() if value % 100}
        held = sorted(int(value) for row, value in numbers.items() if row >= oldest and value in starts)
        assert replay.sizes()["intervention"] == len(held)
        if held:
            assert intervened(replay) == held


def test_however_many_interventions_there_were_those_that_are_held_are_known():
    replay = make_replay(shares=ONLY_PEOPLE, capacity=20)
    for episode in range(60):
        first = 100 * episode
        add(replay, first, [HUMAN] * 49, episode)
        assert replay.sizes()["intervention"] == 19
        assert intervened(replay) == list(range(first + 30, first + 49))


def test_every_intervention_is_drawn_equally_often_and_in_no_order():
    replay = make_replay(shares=ONLY_PEOPLE)
    add(replay, 100, [HUMAN] * 10)
    rows = draw(replay, 5000).windows.rows
    assert np.all(np.abs(np.bincount(rows) - 500) < 6 * np.sqrt(500))
    assert abs(np.corrcoef(rows[1:], rows[:-1])[0, 1]) < 0.1


# ---- observations


def test_stacks_are_the_newest_time_steps_oldest_first_at_both_ends_and_in_all_streams():
    replay = make_replay(stack=3)
    fill_three(replay)
    sample = draw(replay, 64)
    for proprio, rows in ((sample.proprio, sample.windows.proprio), (sample.next_proprio, sample.windows.next_proprio)):
        here = rows[:, 0]
        first = here // 100 * 100  # the first time step stands in for those before it
        assert np.array_equal(proprio, np.stack([np.maximum(here - 2, first), np.maximum(here - 1, first), here], 1))


@pytest.mark.parametrize("frames", ["raw", "compressed"])
def test_images_belong_to_their_rows_in_all_streams_and_at_both_ends(frames):
    replay = make_replay(PIXELS, frames=frames, capacity=11)
    for episode in range(4):  # the ring wraps
        add(replay, 1000 + 300 * episode, [ROBOT, HUMAN, HUMAN, ROBOT, HUMAN, ROBOT], episode)
    add(replay, 200, [DEMO] * 4, 0, "demonstration")
    sample = draw(replay, 256, length=3)
    for visual, proprio in ((sample.visual, sample.proprio), (sample.next_visual, sample.next_proprio)):
        assert list(visual) == list(CAMERAS)
        for camera, images in visual.items():
            assert np.array_equal(images, picture_of(proprio[:, 0], camera))
    assert not np.array_equal(sample.proprio, sample.next_proprio)


def test_without_cameras_there_are_no_images():
    replay = make_replay()
    fill_three(replay)
    assert draw(replay, 4).visual == draw(replay, 4).next_visual == {}


@pytest.mark.parametrize(("frames", "kept"), [("raw", np.ndarray), ("disk", FileArray)])
def test_features_are_kept_where_images_would_be_and_these_are_not(tmp_path, frames, kept):
    config = ReplayConfig(capacity=20, prior_capacity=20, frames=frames)
    replay = Replay(PIXELS, config, features=FeatureShape(copies=2, tokens=1, channels=2), directory=tmp_path)
    for name, ring in replay.rings.items():
        assert ring.frame_bytes == 0
        assert all(isinstance(cache._items, kept) for cache in replay.features[name].values())


def test_cached_features_are_given_instead_of_images_those_of_their_rows():
    replay = make_replay(PIXELS, features=FeatureShape(copies=2, tokens=1, channels=2))
    fill_three(replay)
    for name, ring in replay.rings.items():
        rows = np.arange(len(ring))
        for number, cache in enumerate(replay.features[name].values()):
            value = np.stack([ring.proprio[rows, 0], np.full(len(rows), number)], -1)[:, None, None]
            cache.put(rows, np.concatenate([value, value + [0.0, 10.0]], 1).astype(np.float16))
    sample = draw(replay, 64)
    for visual, proprio in ((sample.visual, sample.proprio), (sample.next_visual, sample.next_proprio)):
        for number, (camera, features) in enumerate(visual.items()):
            assert camera == list(CAMERAS)[number]
            assert features.dtype == np.float16
            assert np.array_equal(features[:, 0, 0], proprio[:, 0])
            assert set(features[:, 0, 1].tolist()) == {number, number + 10}  # both copies are drawn


def test_files_of_a_run_are_made_only_for_images_on_the_disk(tmp_path):
    on_disk = Replay(PIXELS, ReplayConfig(capacity=20, prior_capacity=20, frames="disk"), directory=tmp_path)
    fill_three(on_disk)
    sample = draw(on_disk, 32)
    assert np.array_equal(sample.visual["side"], picture_of(sample.proprio[:, 0], "side"))
    in_memory = Replay(PIXELS, ReplayConfig(capacity=20, prior_capacity=20), directory=tmp_path)
    fill_three(in_memory)
    assert np.array_equal(draw(in_memory, 32).proprio, sample.proprio)
