"""The field, the disc and the T: sizes, masses and outlines.

Push-T as published by Chi et al., "Diffusion Policy" (RSS 2023, arXiv 2303.04137), section 5.3, after Florence et al.,
"Implicit Behavioral Cloning" (2021). Lengths are in pixels of a field of 512 x 512, angles in radians. Block axes have
their origin in the middle of the bar's outer edge, y along the stem. A pose is (x, y, angle) of the block axes.
"""

from __future__ import annotations

import math

import numpy as np

from robot_rl.geometry import Array

FIELD_PX = 512.0
WALL_LOW_PX, WALL_HIGH_PX = 7.0, 504.0  # inner faces: walls 2 px thick on either side of lines at 5 and 506
DISC_RADIUS_PX = 15.0

# (x_min, y_min, x_max, y_max) of the bar and of the stem, in block axes
RECTANGLES = ((-60.0, 0.0, 60.0, 30.0), (-15.0, 30.0, 15.0, 120.0))
AREA_PX2 = 120.0 * 30.0 + 30.0 * 90.0

# The published centre of gravity is the mean of the two centres, not the centroid (0, 40.7); and the published moment
# is twice that of the bar about the origin, for a mass of 1 each. Trajectories depend on both, so they stay.
CENTRE_Y_PX = 45.0
MASS = 1.0
MOMENT_PX2 = 2.0 * ((120.0**2 + 30.0**2) / 12.0 + 15.0**2)
REACH_PX = math.hypot(15.0, 75.0)  # from the centre of gravity to the farthest corner

GOAL_POSE: Array = np.array([256.0, 256.0, math.pi / 4.0])
SUCCESS_COVERAGE = 0.95


def corners(poses: Array) -> Array:
    """Corners of bar and stem in the field, in order around each: poses (..., 3) to (..., 2, 4, 2)."""
    low_x, low_y, high_x, high_y = np.array(RECTANGLES).T
    x = np.stack([low_x, high_x, high_x, low_x], axis=-1)
    y = np.stack([low_y, low_y, high_y, high_y], axis=-1)
    cosine, sine = (part[..., None, None] for part in (np.cos(poses[..., 2]), np.sin(poses[..., 2])))
    out: Array = poses[..., None, None, :2] + np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=-1)
    return out
