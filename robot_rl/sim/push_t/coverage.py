"""How much of the goal the block covers: exact areas of intersecting rectangles."""

from __future__ import annotations

import math

import numpy as np

from robot_rl.control.kernels import compiled
from robot_rl.geometry import Array
from robot_rl.sim.push_t.shapes import AREA_PX2, GOAL_POSE, RECTANGLES

_MAX_CORNERS = 8  # of the intersection of two rectangles


@compiled
def coverages(poses: Array) -> Array:
    """Covered part of the goal's area, in [0, 1]: block poses (N, 3) to (N,)."""
    out = np.empty(poses.shape[0])
    for row in range(poses.shape[0]):
        out[row] = coverage(poses[row])
    return out


@compiled
def coverage(pose: Array) -> float:
    """Covered part of the goal's area, in [0, 1], by the block at a pose (3,)."""
    goal_cosine, goal_sine = math.cos(GOAL_POSE[2]), math.sin(GOAL_POSE[2])
    x, y = pose[0] - GOAL_POSE[0], pose[1] - GOAL_POSE[1]
    x, y = goal_cosine * x + goal_sine * y, goal_cosine * y - goal_sine * x  # the block's origin in goal axes
    cosine, sine = math.cos(pose[2] - GOAL_POSE[2]), math.sin(pose[2] - GOAL_POSE[2])
    polygon, clipped = np.empty((_MAX_CORNERS, 2)), np.empty((_MAX_CORNERS, 2))
    area_px2 = 0.0  # bar and stem do not overlap, so the four intersections add up
    for low_x, low_y, high_x, high_y in RECTANGLES:
        for goal in RECTANGLES:
            count = 0
            for corner_x, corner_y in ((low_x, low_y), (high_x, low_y), (high_x, high_y), (low_x, high_y)):
                polygon[count, 0] = x + cosine * corner_x - sine * corner_y
                polygon[count, 1] = y + sine * corner_x + cosine * corner_y
                count += 1
            count = _clip(polygon, count, 0, 1.0, goal[0], clipped)
            count = _clip(clipped, count, 1, 1.0, goal[1], polygon)
            count = _clip(polygon, count, 0, -1.0, goal[2], clipped)
            count = _clip(clipped, count, 1, -1.0, goal[3], polygon)
            area_px2 += _area(polygon, count)
    return area_px2 / AREA_PX2


@compiled
def _clip(polygon: Array, count: int, axis: int, side: float, limit: float, out: Array) -> int:
    """Keep the part of a convex polygon where side * coordinate >= side * limit (Sutherland and Hodgman, 1974)."""
    kept = 0
    for k in range(count):
        last = count - 1 if k == 0 else k - 1
        here, before = side * (polygon[k, axis] - limit), side * (polygon[last, axis] - limit)
        if (here >= 0.0) != (before >= 0.0):
            part = before / (before - here)
            for column in range(2):
                out[kept, column] = polygon[last, column] + part * (polygon[k, column] - polygon[last, column])
            kept += 1
        if here >= 0.0:
            out[kept, 0], out[kept, 1] = polygon[k, 0], polygon[k, 1]
            kept += 1
    return kept


@compiled
def _area(polygon: Array, count: int) -> float:
    """Area of a polygon whose corners go round counter-clockwise, by the shoelace formula."""
    twice = 0.0
    for k in range(count):
        following = 0 if k + 1 == count else k + 1
        twice += polygon[k, 0] * polygon[following, 1] - polygon[following, 0] * polygon[k, 1]
    return 0.5 * twice
