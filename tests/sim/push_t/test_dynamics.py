"""The dynamics of Push-T against cases that can be worked out by hand."""

import math

import numpy as np
import pytest

from robot_rl.sim.push_t.dynamics import BLOCK, BLOCK_VELOCITY, DISC, DISC_VELOCITY, STATE_SIZE, step_scene, step_scenes
from robot_rl.sim.push_t.shapes import (
    CENTRE_Y_PX,
    DISC_RADIUS_PX,
    MOMENT_PX2,
    WALL_HIGH_PX,
    WALL_LOW_PX,
    corners,
)

LEFT_PER_TICK = 0.9**0.6  # part of an overlap, beyond 0.1 px, that a tick leaves


def scene(disc, pose) -> np.ndarray:
    state = np.zeros(STATE_SIZE)
    state[DISC : DISC + 2], state[BLOCK : BLOCK + 3] = disc, pose
    return state


def in_field(pose, x, y):
    """A place in block axes, in the field."""
    cosine, sine = math.cos(pose[2]), math.sin(pose[2])
    return np.array([pose[0] + cosine * x - sine * y, pose[1] + sine * x + cosine * y])


def stand(state, steps=1):
    """The disc stays where it is."""
    target = state[DISC : DISC + 2].copy()
    for _ in range(steps):
        step_scene(state, *target)


def test_a_free_disc_follows_the_pd_law():
    state = scene((100.0, 400.0), (400.0, 100.0, 0.0))
    state[DISC_VELOCITY : DISC_VELOCITY + 2] = (30.0, -50.0)
    # of (error, velocity) in a tick of 0.01 s: v' = v + 0.01 (-100 e - 20 v), e' = e + 0.01 v'
    tick = np.array([[1.0 - 0.01, 0.01 * 0.8], [-1.0, 0.8]])
    expected = np.linalg.matrix_power(tick, 30) @ np.array([[100.0 - 160.0, 400.0 - 320.0], [30.0, -50.0]])
    for _ in range(3):
        step_scene(state, 160.0, 320.0)
    np.testing.assert_allclose(state[DISC : DISC + 2], (160.0, 320.0) + expected[0], rtol=1e-12)
    np.testing.assert_allclose(state[DISC_VELOCITY : DISC_VELOCITY + 2], expected[1], rtol=1e-12)


def test_a_block_that_is_not_touched_stays():
    pose = (256.0, 256.0, 1.0)
    disc = in_field(pose, 0.0, 120.0 + DISC_RADIUS_PX + 0.01)
    state = scene(disc, pose)
    stand(state, 20)
    np.testing.assert_allclose(state[BLOCK : BLOCK + 3], pose, rtol=1e-13)
    assert not state[BLOCK_VELOCITY:].any()


@pytest.mark.parametrize("angle", [0.0, 0.7, -2.5])
def test_a_centred_push_moves_the_block_straight_by_the_overlap(angle):
    pose = np.array([256.0, 256.0, angle])
    overlap = 5.0
    state = scene(in_field(pose, 0.0, 120.0 + DISC_RADIUS_PX - overlap), pose)
    stand(state)
    # velocities act in the tick after the one that finds them: nine moves in ten ticks
    moved = (overlap - 0.1) * (1.0 - LEFT_PER_TICK**9)
    np.testing.assert_allclose(state[BLOCK : BLOCK + 2], in_field(pose, 0.0, -moved), rtol=1e-12)
    assert state[BLOCK + 2] == pytest.approx(angle, abs=1e-12)
    stand(state, 20)
    np.testing.assert_allclose(state[BLOCK : BLOCK + 2], in_field(pose, 0.0, 0.1 - overlap), atol=1e-3)


def test_a_moving_disc_takes_the_block_along():
    pose = np.array([256.0, 150.0, 0.0])
    state = scene((256.0, 100.0), pose)
    for k in range(10):
        step_scene(state, 256.0, 110.0 + 10.0 * k)
    for _ in range(20):
        step_scene(state, 256.0, 200.0)
    np.testing.assert_allclose(state[BLOCK : BLOCK + 3], (256.0, 200.0 + DISC_RADIUS_PX - 0.05, 0.0), atol=0.06)


@pytest.mark.parametrize(("x", "sense"), [(40.0, 1.0), (-40.0, -1.0)])
def test_an_off_centre_push_turns_the_block(x, sense):
    state = scene((256.0 + x, 256.0 - DISC_RADIUS_PX + 3.0), (256.0, 256.0, 0.0))
    stand(state)
    assert sense * state[BLOCK + 2] > 0.005
    assert state[BLOCK + 1] > 256.0


def test_an_impulse_moves_and_turns_as_mass_and_moment_say():
    lever, overlap = 40.0, 0.1001  # so little that the geometry does not change
    state = scene((256.0 + lever, 256.0 - DISC_RADIUS_PX + overlap), (256.0, 256.0, 0.0))
    stand(state)
    turn = state[BLOCK + 2]
    centre_y = state[BLOCK + 1] + CENTRE_Y_PX * math.cos(turn)
    assert turn / (centre_y - 256.0 - CENTRE_Y_PX) == pytest.approx(lever / MOMENT_PX2, rel=1e-3)


def test_a_disc_that_slides_along_a_side_does_not_drag():
    state = scene((230.0, 256.0 - DISC_RADIUS_PX + 0.05), (256.0, 256.0, 0.0))
    for _ in range(3):
        step_scene(state, 290.0, 256.0 - DISC_RADIUS_PX + 0.05)
    assert state[DISC] > 240.0
    np.testing.assert_allclose(state[BLOCK : BLOCK + 3], (256.0, 256.0, 0.0), atol=1e-9)


def test_a_disc_in_the_inner_corner_pushes_bar_and_stem():
    overlap = 2.0
    disc = (256.0 + 15.0 + DISC_RADIUS_PX - overlap, 256.0 + 30.0 + DISC_RADIUS_PX - overlap)
    state = scene(disc, (256.0, 256.0, 0.0))
    stand(state, 30)
    x, y, angle = state[BLOCK : BLOCK + 3]
    local = np.array([disc[0] - x, disc[1] - y])
    local = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]) @ local
    assert local[0] - 15.0 > DISC_RADIUS_PX - 0.15
    assert local[1] - 30.0 > DISC_RADIUS_PX - 0.15


def test_a_disc_that_starts_inside_gets_out():
    state = scene((256.0, 340.0), (256.0, 256.0, 0.3))
    stand(state, 40)
    x, y, angle = state[BLOCK : BLOCK + 3]
    for rectangle in corners(np.array([x, y, angle])):
        edges = np.roll(rectangle, -1, axis=0) - rectangle
        to_disc = state[DISC : DISC + 2] - rectangle
        outside = (edges[:, 1] * to_disc[:, 0] - edges[:, 0] * to_disc[:, 1]) / np.linalg.norm(edges, axis=1)
        assert outside.max() > DISC_RADIUS_PX - 0.2


@pytest.mark.parametrize("angle", [0.0, 0.4, 1.9, -2.2])
@pytest.mark.parametrize("shift", [(-30.0, 0.0), (0.0, 40.0), (30.0, -30.0)])
def test_walls_drive_the_block_back_into_the_field(angle, shift):
    corner = np.array([[-1.0, 0.0], [0.0, 1.0], [1.0, -1.0]])[[(-30.0, 0.0), (0.0, 40.0), (30.0, -30.0)].index(shift)]
    pose = np.array([256.0, 256.0, angle])
    extent = corners(pose).reshape(-1, 2)
    for axis in range(2):
        if corner[axis] < 0:
            pose[axis] += WALL_LOW_PX - extent[:, axis].min()
        elif corner[axis] > 0:
            pose[axis] += WALL_HIGH_PX - extent[:, axis].max()
    pose[:2] += shift
    state = scene((256.0, 256.0), pose)
    stand(state, 60)
    places = corners(state[BLOCK : BLOCK + 3])
    assert places.min() > WALL_LOW_PX - 0.3
    assert places.max() < WALL_HIGH_PX + 0.3


def test_a_block_is_not_pushed_through_a_wall():
    state = scene((256.0, 300.0), (256.0, 430.0, math.pi))
    for _ in range(40):
        step_scene(state, 256.0, 470.0)
    assert corners(state[BLOCK : BLOCK + 3]).max() < WALL_HIGH_PX + 25.0  # squeezed between a disc of infinite mass


def test_a_batch_is_its_scenes():
    generator = np.random.default_rng(0)
    states = np.zeros((8, STATE_SIZE))
    states[:, DISC : DISC + 2] = generator.uniform(200.0, 300.0, (8, 2))
    states[:, BLOCK : BLOCK + 2] = generator.uniform(200.0, 300.0, (8, 2))
    states[:, BLOCK + 2] = generator.uniform(-3.0, 3.0, 8)
    single = states.copy()
    for targets in generator.uniform(0.0, 512.0, (30, 8, 2)):
        step_scenes(states, targets)
        for row, target in zip(single, targets, strict=True):
            step_scene(row, *target)
    np.testing.assert_array_equal(states, single)
