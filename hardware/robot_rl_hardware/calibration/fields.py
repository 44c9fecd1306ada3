"""What stands in a file that a person may have written: checked, so that what is wrong is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from robot_rl.geometry import Array, Pose

T = TypeVar("T")


def finite(values: Any, size: int, name: str) -> Array:
    """So many finite numbers, shape (size,).

    Raises:
        ValueError: they are something else.
    """
    array = np.array(values, float)
    if array.shape != (size,) or not np.isfinite(array).all():
        raise ValueError(f"{name} must be {size} finite numbers, got {values}")
    return array


def to_pose(position: Any, quaternion: Any) -> Pose:
    """A pose of its position [m] and quaternion (x, y, z, w).

    Raises:
        ValueError: they are no finite numbers.
        SpecError: the quaternion is zero.
    """
    return Pose(finite(position, 3, "position"), finite(quaternion, 4, "quaternion"))


def find(plain: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """An entry that is a list, or a mapping.

    Raises:
        KeyError: it is not there.
        ValueError: it is something else.
    """
    found = plain[name]
    if not isinstance(found, kind):
        raise ValueError(f"{name} must be a {'list' if kind is list else 'mapping'}, got {found}")
    return found
