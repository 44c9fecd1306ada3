"""Compiled motion of the disc and the T it pushes.

The law of the published environment and of its engine, Chipmunk 7 (impulses by sequential iteration, overlap removed
by separate pseudo-velocities; Catto, "Iterative dynamics with temporal coherence", 2005):

* The disc has infinite mass; a PD law drives it to the target, and it passes through walls.
* Contacts are without friction and without bounce: the published code sets a friction that the engine does not read.
* Damping takes all of the block's velocity away in each tick, so the block moves only while it is touched.
* In a tick, positions move by the velocities found in the tick before; then contacts are found, and new velocities.

A scene is a row of ten numbers; the constants below name its columns.
"""

from __future__ import annotations

import math

import numpy as np

from robot_rl.control.kernels import compiled
from robot_rl.geometry import Array
from robot_rl.sim.push_t.shapes import (
    CENTRE_Y_PX,
    DISC_RADIUS_PX,
    MASS,
    MOMENT_PX2,
    REACH_PX,
    RECTANGLES,
    WALL_HIGH_PX,
    WALL_LOW_PX,
)

DISC, DISC_VELOCITY, BLOCK, BLOCK_VELOCITY = 0, 2, 4, 7  # first columns of (x, y), (x, y), pose and its velocity
STATE_SIZE = 10

TICK_S = 0.01
TICKS_PER_STEP = 10
_STIFFNESS, _DAMPING = 100.0, 20.0  # [1/s^2], [1/s]: critically damped, time constant 0.1 s

_ITERATIONS = 10
_SLOP_PX = 0.1  # overlap that is left alone
_OVERLAP_RATE = 1.0 - 0.9 ** (60.0 * TICK_S)  # part of the other overlap that is removed in a tick
_MAX_CONTACTS = 2 + 2 * 4 * 2  # both rectangles on the disc, all corners in a corner of the field

# columns of a contact: unit normal into the block, its lever about the centre of gravity, effective mass, speed of the
# other body along the normal, speed that removes the overlap, and the impulses of both
_NORMAL_X, _NORMAL_Y, _LEVER, _INERTIA, _SPEED, _BIAS, _IMPULSE, _BIAS_IMPULSE = range(8)


@compiled
def step_scenes(states: Array, targets: Array) -> None:
    """One control step of 0.1 s for each scene, in place: states (N, 10), targets (N, 2) [px]."""
    for scene in range(states.shape[0]):
        step_scene(states[scene], targets[scene, 0], targets[scene, 1])


@compiled
def step_scene(state: Array, target_x: float, target_y: float) -> None:
    """One control step of 0.1 s of a scene (10,), in place, towards a target of the disc [px]."""
    contacts = np.empty((_MAX_CONTACTS, 8))
    disc, velocity, block = state[DISC:], state[DISC_VELOCITY:], state[BLOCK:]
    block_velocity = state[BLOCK_VELOCITY:]
    block[0] -= CENTRE_Y_PX * math.sin(block[2])  # to the centre of gravity, about which it turns
    block[1] += CENTRE_Y_PX * math.cos(block[2])
    for _ in range(TICKS_PER_STEP):
        velocity[0] += (_STIFFNESS * (target_x - disc[0]) - _DAMPING * velocity[0]) * TICK_S
        velocity[1] += (_STIFFNESS * (target_y - disc[1]) - _DAMPING * velocity[1]) * TICK_S
        disc[0] += velocity[0] * TICK_S
        disc[1] += velocity[1] * TICK_S
        for axis in range(3):
            block[axis] += block_velocity[axis] * TICK_S
        cosine, sine = math.cos(block[2]), math.sin(block[2])
        count = _touch_disc(state, cosine, sine, contacts)
        count = _touch_walls(block, cosine, sine, contacts, count)
        _solve(contacts, count, block_velocity)
    block[0] += CENTRE_Y_PX * math.sin(block[2])
    block[1] -= CENTRE_Y_PX * math.cos(block[2])


@compiled
def _touch_disc(state: Array, cosine: float, sine: float, contacts: Array) -> int:
    """Find where the disc touches the bar and the stem; returns the number of contacts."""
    count = 0
    from_x, from_y = state[DISC] - state[BLOCK], state[DISC + 1] - state[BLOCK + 1]
    if from_x * from_x + from_y * from_y > (REACH_PX + DISC_RADIUS_PX) ** 2:
        return count
    x, y = cosine * from_x + sine * from_y, cosine * from_y - sine * from_x + CENTRE_Y_PX  # in block axes
    for low_x, low_y, high_x, high_y in RECTANGLES:
        near_x, near_y = min(max(x, low_x), high_x), min(max(y, low_y), high_y)
        normal_x, normal_y = near_x - x, near_y - y
        gap = math.sqrt(normal_x * normal_x + normal_y * normal_y)
        if gap > DISC_RADIUS_PX:
            continue
        if gap > 0.0:
            normal_x, normal_y = normal_x / gap, normal_y / gap
        else:  # the disc's centre is inside: out through the nearest side
            gap = -min(x - low_x, high_x - x, y - low_y, high_y - y)
            normal_x, normal_y = 0.0, 0.0
            if x - low_x == -gap:
                normal_x, near_x = 1.0, low_x
            elif high_x - x == -gap:
                normal_x, near_x = -1.0, high_x
            elif y - low_y == -gap:
                normal_y, near_y = 1.0, low_y
            else:
                normal_y, near_y = -1.0, high_y
        lever = near_x * normal_y - (near_y - CENTRE_Y_PX) * normal_x
        contact = contacts[count]
        contact[_NORMAL_X] = cosine * normal_x - sine * normal_y
        contact[_NORMAL_Y] = sine * normal_x + cosine * normal_y
        contact[_SPEED] = state[DISC_VELOCITY] * contact[_NORMAL_X] + state[DISC_VELOCITY + 1] * contact[_NORMAL_Y]
        _prepare(contact, lever, DISC_RADIUS_PX - gap)
        count += 1
    return count


@compiled
def _touch_walls(block: Array, cosine: float, sine: float, contacts: Array, count: int) -> int:
    """Find the corners that are behind a wall's face, after `count` other contacts; returns the number of all."""
    if (
        min(block[0], block[1]) - REACH_PX > WALL_LOW_PX and max(block[0], block[1]) + REACH_PX < WALL_HIGH_PX
    ):  # most of the time
        return count
    for low_x, low_y, high_x, high_y in RECTANGLES:
        for x in (low_x, high_x):
            for y in (low_y, high_y):
                arm_x = cosine * x - sine * (y - CENTRE_Y_PX)
                arm_y = sine * x + cosine * (y - CENTRE_Y_PX)
                for axis in range(2):
                    at = block[axis] + (arm_x if axis == 0 else arm_y)
                    overlap, side = WALL_LOW_PX - at, 1.0
                    if at - WALL_HIGH_PX > overlap:
                        overlap, side = at - WALL_HIGH_PX, -1.0
                    if overlap < 0.0:
                        continue
                    contact = contacts[count]
                    contact[_NORMAL_X], contact[_NORMAL_Y] = (side, 0.0) if axis == 0 else (0.0, side)
                    contact[_SPEED] = 0.0
                    _prepare(contact, -arm_y * side if axis == 0 else arm_x * side, overlap)
                    count += 1
    return count


@compiled
def _prepare(contact: Array, lever: float, overlap: float) -> None:
    """Fill in what follows from the lever [px] and the overlap [px]."""
    contact[_LEVER] = lever
    contact[_INERTIA] = 1.0 / (1.0 / MASS + lever * lever / MOMENT_PX2)
    contact[_BIAS] = _OVERLAP_RATE * max(0.0, overlap - _SLOP_PX) / TICK_S
    contact[_IMPULSE] = contact[_BIAS_IMPULSE] = 0.0


@compiled
def _solve(contacts: Array, count: int, velocity: Array) -> None:
    """Find the block's velocity (3,) of the next tick from rest: what the contacts ask for, and nothing else.

    The velocities that follow the disc and those that remove overlap are found apart and added.
    """
    x = y = turn = bias_x = bias_y = bias_turn = 0.0
    for _ in range(_ITERATIONS if count > 1 else 1):  # one contact is solved exactly
        for k in range(count):
            c = contacts[k]
            speed = x * c[_NORMAL_X] + y * c[_NORMAL_Y] + turn * c[_LEVER]
            change = max(-c[_IMPULSE], (c[_SPEED] - speed) * c[_INERTIA])  # contacts push and never pull
            c[_IMPULSE] += change
            x += change * c[_NORMAL_X] / MASS
            y += change * c[_NORMAL_Y] / MASS
            turn += change * c[_LEVER] / MOMENT_PX2
            speed = bias_x * c[_NORMAL_X] + bias_y * c[_NORMAL_Y] + bias_turn * c[_LEVER]
            change = max(-c[_BIAS_IMPULSE], (c[_BIAS] - speed) * c[_INERTIA])
            c[_BIAS_IMPULSE] += change
            bias_x += change * c[_NORMAL_X] / MASS
            bias_y += change * c[_NORMAL_Y] / MASS
            bias_turn += change * c[_LEVER] / MOMENT_PX2
    velocity[0], velocity[1], velocity[2] = x + bias_x, y + bias_y, turn + bias_turn
