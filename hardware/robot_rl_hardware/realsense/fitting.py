"""From the picture of a stream to the one that is asked for."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from robot_rl_hardware.realsense.settings import Crop


def find_crop(height: int, width: int, wanted_height: int, wanted_width: int) -> Crop:
    """(left, top, width, height) of the largest part in the middle with the wanted proportions [pixels]."""
    scale = min(width / wanted_width, height / wanted_height)
    part_width, part_height = max(1, round(scale * wanted_width)), max(1, round(scale * wanted_height))
    return (width - part_width) // 2, (height - part_height) // 2, part_width, part_height


def fit(image: NDArray[np.uint8], crop: Crop | None, height: int, width: int) -> NDArray[np.uint8]:
    """A part of an RGB image, scaled to (height, width); a new array that shares no memory with the old one.

    Smaller pictures are means over the area of each pixel, as a smaller sensor would see them; larger ones are
    interpolated.

    Args:
        image: (H, W, 3).
        crop: (left, top, width, height) of the part; None for `find_crop`.
        height, width: of the result [pixels].
    """
    left, top, part_width, part_height = crop or find_crop(image.shape[0], image.shape[1], height, width)
    part = image[top : top + part_height, left : left + part_width]
    if (part_height, part_width) == (height, width):
        return part.copy()
    is_smaller = height <= part_height and width <= part_width
    resized = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint8)
