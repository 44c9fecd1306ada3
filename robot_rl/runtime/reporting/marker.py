"""When the points of a curve are marked in a picture."""

from __future__ import annotations

from collections.abc import Sized

_MARKED = 30


def find_marker(points: Sized) -> str:
    """Matplotlib's marker for a curve of so many points: few are marked, since of one point there is no line."""
    return "o" if len(points) <= _MARKED else ""
