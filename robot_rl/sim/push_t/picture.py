"""A picture of a scene, for a person."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from robot_rl.geometry import Array
from robot_rl.sim.push_t.shapes import DISC_RADIUS_PX, FIELD_PX, GOAL_POSE, WALL_HIGH_PX, WALL_LOW_PX, corners

_FIELD_RGB, _WALL_RGB = (255, 255, 255), (200, 200, 200)
_GOAL_RGB, _BLOCK_RGB, _DISC_RGB = (144, 238, 144), (119, 136, 153), (65, 105, 225)
_SHIFT = 4  # OpenCV takes sixteenths of a pixel


def draw(row: ArrayLike, size_px: int) -> NDArray[np.uint8]:
    """Goal, block and disc of a row (5,) of `PushT.observe`: RGB (size_px, size_px, 3), x to the right, y down."""
    values = np.asarray(row, np.float64)
    scale = size_px / FIELD_PX
    image = np.full((size_px, size_px, 3), _WALL_RGB, np.uint8)
    faces = np.array([[WALL_LOW_PX, WALL_LOW_PX], [WALL_HIGH_PX, WALL_HIGH_PX]])
    low, high = _to_fixed(faces, scale)
    cv2.rectangle(image, low.tolist(), high.tolist(), _FIELD_RGB, cv2.FILLED, cv2.LINE_8, _SHIFT)
    for pose, colour in ((GOAL_POSE, _GOAL_RGB), (values[2:5], _BLOCK_RGB)):
        for rectangle in corners(pose):
            cv2.fillConvexPoly(image, _to_fixed(rectangle, scale), colour, cv2.LINE_AA, _SHIFT)
    centre = _to_fixed(values[:2], scale).tolist()
    radius = round(DISC_RADIUS_PX * scale * 2**_SHIFT)
    cv2.circle(image, centre, radius, _DISC_RGB, cv2.FILLED, cv2.LINE_AA, _SHIFT)
    return image


def _to_fixed(points: Array, scale: float) -> NDArray[np.int32]:
    """Places in the field as OpenCV's fixed-point coordinates, in which a pixel's centre is a whole number."""
    fixed: NDArray[np.int32] = np.rint((points * scale - 0.5) * 2**_SHIFT).astype(np.int32)
    return fixed
