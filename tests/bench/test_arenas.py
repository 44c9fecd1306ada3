"""Arenas: what every sampler's comparison takes for granted, of Push-T and of the arm."""

import numpy as np
import pytest

from robot_rl.bench.arenas import ArmArena, PushTArena, make_arena
from robot_rl.errors import UnknownNameError

SEEDS = (3, 4)


@pytest.fixture(scope="module", params=["push_t", "peg", "pick_cube"])
def arena(request):
    return make_arena(request.param)


def actions(arena, count=2, value=0.0):
    return np.full((count, arena.spec.action_size), value, np.float32)


def play(arena, pushed_before=None, steps=3):
    """What is seen in each step; the scenes are pushed before one of them."""
    scenes, seen = arena.begin(SEEDS), []
    for step in range(steps):
        if step == pushed_before:
            scenes.push()
        seen.append(scenes.observe())
        scenes.step(actions(arena, value=0.1))
    return np.stack([*seen, scenes.observe()])


def test_a_scene_is_that_of_its_seed(arena):
    seen = play(arena)
    size = sum(part.shape[0] for part in arena.spec.observation.proprio.values())
    assert seen.shape == (4, 2, size)
    assert seen.dtype == np.float32
    np.testing.assert_array_equal(seen, play(arena))
    assert not np.array_equal(seen[0, 0], seen[0, 1])
    np.testing.assert_array_equal(arena.begin(SEEDS[1:]).observe()[0], seen[0, 1])


def test_a_push_is_seen_after_the_next_step(arena):
    plain, pushed = play(arena), play(arena, pushed_before=1)
    np.testing.assert_array_equal(plain[:2], pushed[:2])
    assert np.abs(plain[2] - pushed[2]).max(axis=-1).min() > 0.009  # a hundredth of a field, or 10 mm


def test_scenes_begin_unsolved(arena):
    scenes = arena.begin(SEEDS)
    scenes.step(actions(arena))
    assert not scenes.is_over.any()
    assert not scenes.is_solved.any()
    assert (scenes.scores <= 1.0).all()


def test_a_jump_is_the_distance_of_what_two_actions_ask_for(arena):
    one, other = actions(arena), actions(arena)
    other[:, 0] = 0.1
    path = arena.to_path(np.stack([one, other]))
    jumps = arena.measure_jumps(other, one)
    np.testing.assert_allclose(np.linalg.norm(path[1] - path[0], axis=-1), jumps, rtol=1e-6)
    assert (jumps > 0.0).all()


def test_units_are_those_of_the_task():
    np.testing.assert_allclose(PushTArena().measure_jumps(*(np.float32([[x, 0.0]]) for x in (0.5, 0.0))), [128.0])
    arm = ArmArena("peg")
    scale_mm = 1e3 * arm._config.task.episode.translation_scale_m
    along_y = np.eye(arm.spec.action_size, dtype=np.float32)[1:2]
    np.testing.assert_allclose(arm.measure_jumps(along_y, 0.0 * along_y), [scale_mm], rtol=1e-6)
    np.testing.assert_allclose(arm.to_path(np.stack([along_y, along_y]))[:, 0, 1], [scale_mm, 2.0 * scale_mm])


def test_an_arms_episode_that_is_over_stands_still():
    arm = ArmArena("peg")
    scenes = arm.begin(SEEDS)
    while not scenes.is_over.all():
        scenes.step(actions(arm))
    seen = scenes.observe()
    scenes.step(actions(arm, value=1.0))
    np.testing.assert_array_equal(scenes.observe(), seen)
    assert scenes.scores.tolist() == [0.0, 0.0]


def test_an_unknown_task_is_answered_with_the_known_ones():
    with pytest.raises(UnknownNameError, match="peg"):
        make_arena("pegg")
