"""The planner solves the task, in several ways, and the store keeps what it showed."""

from itertools import pairwise

import numpy as np
import pytest

from robot_rl.data.store_reader import StoreReader
from robot_rl.errors import ConfigError
from robot_rl.sim.push_t.demonstrations import demonstrate, record
from robot_rl.sim.push_t.push_t import PushT, to_observation
from robot_rl.sim.push_t.routes import MAX_POINTS, find_exit, find_route, is_free, measure_ways
from robot_rl.sim.push_t.shapes import RECTANGLES
from robot_rl.types import Source, StepType

MIDDLE = np.array([256.0, 256.0, 0.0])


def first_contact(time_steps):
    """Place of the disc in block axes when the block first moved."""
    rows = np.array([np.concatenate(list(one.observation.proprio.values())) for one in time_steps])
    moved = int(np.argmax(np.abs(rows[1:, 2:] - rows[:1, 2:]).sum(axis=1) > 1e-3)) + 1
    x, y = 256.0 * (rows[moved, :2] - rows[moved, 2:4])
    cosine, sine = rows[moved, 4:6]
    return np.array([cosine * x + sine * y, cosine * y - sine * x])


def test_ways_keep_clear_of_the_block():
    generator = np.random.default_rng(0)
    lengths, previous = np.empty(MAX_POINTS), np.empty(MAX_POINTS, np.int64)
    route = np.empty((MAX_POINTS, 2))
    routes = 0
    for _ in range(200):
        start, goal = generator.uniform((-120.0, -60.0), (120.0, 180.0), (2, 2))
        if not (is_free(*start) and is_free(*goal)):
            continue
        measure_ways(MIDDLE, start, lengths, previous)
        count = find_route(start, goal, lengths, previous, route)
        assert count > 0
        np.testing.assert_array_equal(route[count - 1], goal)
        way = np.vstack([start, route[:count]])
        for a, b in pairwise(way):
            for part in np.linspace(0.0, 1.0, 50):
                x, y = a + part * (b - a)
                gaps = [np.hypot(x - np.clip(x, a0, a1), y - np.clip(y, b0, b1)) for a0, b0, a1, b1 in RECTANGLES]
                assert min(gaps) > 15.0 + 7.9
        routes += 1
    assert routes > 50


def test_a_way_does_not_leave_the_field():
    # the bar is along the upper edge, so that the way leads around the stem
    pose = np.array([256.0, 10.0, 0.0])
    start, goal = np.array([-100.0, 10.0]), np.array([100.0, 10.0])
    lengths, previous = np.empty(MAX_POINTS), np.empty(MAX_POINTS, np.int64)
    route = np.empty((MAX_POINTS, 2))
    measure_ways(pose, start, lengths, previous)
    count = find_route(start, goal, lengths, previous, route)
    assert route[:count, 1].max() > 120.0
    assert route[:count, 1].min() > -10.0


def test_the_way_out_is_short_and_free():
    place = np.array([40.0, -10.0])
    assert find_exit(MIDDLE, place)
    assert is_free(*place)
    np.testing.assert_allclose(place, (40.0, -23.5))
    place = np.array([40.0, -10.0])
    assert find_exit(np.array([256.0, 20.0, 0.0]), place)  # upwards is the edge of the field
    assert place[1] > -10.0 or place[0] > 60.0


def test_most_scenes_are_solved_without_haste_or_rest():
    env = PushT()
    lengths = []
    for seed in range(8):
        time_steps = demonstrate(env, seed, np.random.default_rng(seed))
        if time_steps is None:
            continue
        lengths.append(len(time_steps) - 1)
        targets = 256.0 * np.array([one.applied_action for one in time_steps[1:]])
        speeds = np.linalg.norm(np.diff(targets, axis=0), axis=1)
        assert speeds.max() < 25.0
        places = 256.0 * np.array([one.observation.proprio["agent"] for one in time_steps])
        assert np.mean(np.linalg.norm(np.diff(places, axis=0), axis=1) < 0.5) < 0.05
    assert len(lengths) >= 7
    assert np.median(lengths) <= 150


def test_the_actions_alone_solve_the_scene():
    env = PushT()
    time_steps = demonstrate(env, 3, np.random.default_rng(0))
    rows = env.reset([3])
    for one in time_steps[1:]:
        rows, _, covered = env.step(one.applied_action[None])
        again = to_observation(rows[0])
        for name, values in one.observation.proprio.items():
            np.testing.assert_array_equal(values, again.proprio[name])
    assert covered[0] > 0.95
    assert len(time_steps) <= env.spec.step_limit + 1


def test_a_scene_is_solved_in_several_ways():
    env = PushT()
    shown = [demonstrate(env, 12, np.random.default_rng(100 + k)) for k in range(6)]
    solved = [one for one in shown if one is not None]
    assert len(solved) >= 5
    places = np.array([first_contact(one) for one in solved])
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    assert apart.max() > 40.0  # px: not the same place of the outline
    assert len({len(one) for one in solved}) > 2


def test_the_same_seed_shows_the_same():
    one, other = (demonstrate(PushT(), 4, np.random.default_rng(9)) for _ in range(2))
    np.testing.assert_array_equal([a.applied_action for a in one], [b.applied_action for b in other])


def test_a_demonstration_is_of_one_scene():
    with pytest.raises(ConfigError, match="1 scene"):
        demonstrate(PushT(2), 0, np.random.default_rng(0))


def test_the_store_keeps_solved_episodes(tmp_path):
    path = tmp_path / "store"
    told = []
    assert record(path, 2, 0, lambda kept, is_solved: told.append((kept, is_solved)) or True) == 2
    assert record(path, 1, 0, lambda kept, is_solved: True) == 1  # goes on with other scenes
    assert told[-1] == (2, True)
    reader = StoreReader(path)
    assert reader.attributes["task"] == "push_t"
    episodes = [episode for _, episode in reader.episodes()]
    assert len(episodes) == 3
    starts = {tuple(episode.proprio["block"][0]) for episode in episodes}
    assert len(starts) == 3
    for episode in episodes:
        assert episode.is_success
        assert episode.is_terminal
        assert episode.rewards.tolist() == [0.0] * (len(episode) - 1) + [1.0]
        assert set(episode.sources.tolist()) == {int(Source.DEMO)}
        assert episode.actions.shape == (len(episode), 2)
        assert {name: part.shape[1] for name, part in episode.proprio.items()} == {"agent": 2, "block": 2, "heading": 2}
        np.testing.assert_array_equal(episode.stamps_ns, np.arange(len(episode) + 1) * 10**8)
    first = next(iter(reader.records()))
    assert first.time_step.step_type is StepType.FIRST


def test_recording_ends_when_told(tmp_path):
    assert record(tmp_path / "store", 5, 1, lambda kept, is_solved: False) == 1
