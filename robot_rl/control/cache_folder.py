"""Where machine code is kept: in a folder for each state of the sources that may have gone into it.

Numba compares the file of a function with what it has compiled, but not those of the functions that this one calls, and
which are compiled into it: whoever brings a mended limit to a robot would drive it with the old one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from numba import config

_numba: Any = config  # whose names come from the environment, and are unknown to type checkers


@contextmanager
def caching(package: Path) -> Iterator[None]:
    """Functions that are decorated meanwhile are kept there.

    Args:
        package: folder of their module; they call compiled functions of this package and of `robot_rl.control` alone.
    """
    before, _numba.CACHE_DIR = _numba.CACHE_DIR, str(find_cache_folder(package))
    try:
        yield
    finally:
        _numba.CACHE_DIR = before


@cache
def find_cache_folder(package: Path) -> Path:
    """The folder for this state of a package: in its __pycache__, or the user's cache where that is not writable."""
    digest = hashlib.sha256()
    for source in sorted({*Path(__file__).parent.glob("*.py"), *package.glob("*.py")}):
        digest.update(source.read_bytes())
    return _find_parent(package) / f"numba-{digest.hexdigest()[:16]}"


def _find_parent(package: Path) -> Path:
    if _numba.CACHE_DIR:  # NUMBA_CACHE_DIR
        return Path(_numba.CACHE_DIR)
    if os.access(package, os.W_OK):
        return package / "__pycache__"
    said = os.environ.get("XDG_CACHE_HOME")
    return (Path(said) if said else Path.home() / ".cache") / "robot_rl"
