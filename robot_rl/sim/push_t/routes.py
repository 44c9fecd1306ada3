"""Compiled search for the disc's way around the T.

The T grown by the disc's radius and a clearance is a union of two rectangles, so that a shortest way round consists of
straight legs between its corners. All is in block axes, where those corners stand still.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from robot_rl.control.kernels import compiled
from robot_rl.geometry import Array
from robot_rl.sim.push_t.shapes import DISC_RADIUS_PX, FIELD_PX, RECTANGLES

CLEARANCE_PX = 8.0
_GROWN_PX = DISC_RADIUS_PX + CLEARANCE_PX
_OUTSIDE_PX = 0.5  # how far outside of the grown T the corners of the ways lie, so that they count as free
_EDGE_PX = 4.0  # how near to the edge of the field the disc may go

_BAR, _STEM = RECTANGLES
_WIDE, _NARROW = _BAR[2] + _GROWN_PX + _OUTSIDE_PX, _STEM[2] + _GROWN_PX + _OUTSIDE_PX
_TOP, _STEP, _END = _BAR[1] - _GROWN_PX - _OUTSIDE_PX, _BAR[3] + _GROWN_PX + _OUTSIDE_PX, _STEM[3] + _GROWN_PX
# corners of the grown T, in order around it; and the pairs between which the straight leg is free
_CORNERS: Array = np.array(
    [
        [-_WIDE, _TOP],
        [_WIDE, _TOP],
        [_WIDE, _STEP],
        [_NARROW, _STEP],
        [_NARROW, _END + _OUTSIDE_PX],
        [-_NARROW, _END + _OUTSIDE_PX],
        [-_NARROW, _STEP],
        [-_WIDE, _STEP],
    ]
)
_LEGS = ((0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7), (7, 0), (2, 4), (5, 7))
MAX_POINTS = len(_CORNERS) + 2


@compiled
def is_free(x: float, y: float) -> bool:
    """Whether a disc at a place in block axes keeps its clearance from the T."""
    for low_x, low_y, high_x, high_y in RECTANGLES:
        if low_x - _GROWN_PX < x < high_x + _GROWN_PX and low_y - _GROWN_PX < y < high_y + _GROWN_PX:
            return False
    return True


@compiled
def is_in_field(pose: Array, x: float, y: float) -> bool:
    """Whether a place in the axes of a block at `pose` (3,) is in the field."""
    cosine, sine = math.cos(pose[2]), math.sin(pose[2])
    field_x, field_y = pose[0] + cosine * x - sine * y, pose[1] + sine * x + cosine * y
    return bool(min(field_x, field_y) >= _EDGE_PX and max(field_x, field_y) <= FIELD_PX - _EDGE_PX)


@compiled
def find_exit(pose: Array, place: Array) -> bool:
    """Move a place (2,) in block axes to the nearest free one, in place; False if that is not in the field."""
    x, y = place[0], place[1]
    if is_free(x, y):
        return True
    nearest = math.inf
    reach = _GROWN_PX + _OUTSIDE_PX
    for low_x, low_y, high_x, high_y in RECTANGLES:
        for side in range(4):
            exit_x, exit_y = x, y
            if side == 0:
                exit_x = low_x - reach
            elif side == 1:
                exit_x = high_x + reach
            elif side == 2:
                exit_y = low_y - reach
            else:
                exit_y = high_y + reach
            distance = abs(exit_x - x) + abs(exit_y - y)
            if distance < nearest and is_free(exit_x, exit_y) and is_in_field(pose, exit_x, exit_y):
                nearest = distance
                place[0], place[1] = exit_x, exit_y
    return nearest < math.inf


@compiled
def _is_leg_free(ax: float, ay: float, bx: float, by: float) -> bool:
    """Whether the straight leg from a to b stays outside of the grown T."""
    for low_x, low_y, high_x, high_y in RECTANGLES:
        first, last = 0.0, 1.0  # the part of the leg that is inside of both pairs of sides
        for axis in range(2):
            start, along = (ax, bx - ax) if axis == 0 else (ay, by - ay)
            low, high = (low_x, high_x) if axis == 0 else (low_y, high_y)
            low, high = low - _GROWN_PX - start, high + _GROWN_PX - start
            if abs(along) < 1e-9:
                if low >= 0.0 or high <= 0.0:
                    last = -1.0
            else:
                enter, leave = low / along, high / along
                first, last = max(first, min(enter, leave)), min(last, max(enter, leave))
        if first < last:
            return False
    return True


@compiled
def measure_ways(pose: Array, start: Array, lengths: Array, previous: NDArray[np.int64]) -> None:
    """Shortest ways from a free place (2,) to the corners, in the axes of a block at `pose` (3,).

    Writes the lengths [px] (8,), infinite where there is none, and the corner before each (8,), -1 for the start.
    """
    for k in range(len(_CORNERS)):
        lengths[k], previous[k] = math.inf, -1
        x, y = _CORNERS[k]
        if is_in_field(pose, x, y) and _is_leg_free(start[0], start[1], x, y):
            lengths[k] = math.hypot(x - start[0], y - start[1])
    for _ in range(len(_CORNERS)):
        for one, other in _LEGS:
            leg_px = math.hypot(_CORNERS[one, 0] - _CORNERS[other, 0], _CORNERS[one, 1] - _CORNERS[other, 1])
            for a, b in ((one, other), (other, one)):
                if lengths[a] + leg_px < lengths[b] and is_in_field(pose, _CORNERS[b, 0], _CORNERS[b, 1]):
                    lengths[b], previous[b] = lengths[a] + leg_px, a


@compiled
def find_route(start: Array, goal: Array, lengths: Array, previous: NDArray[np.int64], route: Array) -> int:
    """Shortest way between free places (2,), given what `measure_ways` wrote for the start.

    Writes the points after the start, the goal being the last, to `route` (MAX_POINTS, 2); returns how many, or 0 when
    there is no way.
    """
    if _is_leg_free(start[0], start[1], goal[0], goal[1]):
        route[0, 0], route[0, 1] = goal[0], goal[1]
        return 1
    shortest, corner = math.inf, -1
    for k in range(len(_CORNERS)):
        x, y = _CORNERS[k]
        length_px = lengths[k] + math.hypot(goal[0] - x, goal[1] - y)
        if length_px < shortest and _is_leg_free(x, y, goal[0], goal[1]):
            shortest, corner = length_px, k
    if corner < 0:
        return 0
    count, k = 1, corner
    while k >= 0:
        k = previous[k]
        count += 1
    route[count - 1, 0], route[count - 1, 1] = goal[0], goal[1]
    for row in range(count - 2, -1, -1):
        route[row, 0], route[row, 1] = _CORNERS[corner, 0], _CORNERS[corner, 1]
        corner = previous[corner]
    return count
