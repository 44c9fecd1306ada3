"""Which OpenGL draws without a screen. Imports nothing of MuJoCo: it must choose before MuJoCo is imported."""

from __future__ import annotations

import ctypes.util
import os

from robot_rl.errors import SetupError

LIBRARIES = {"egl": "EGL", "osmesa": "OSMesa"}


def choose_backend() -> str | None:
    """Set MUJOCO_GL unless the user did: EGL, else OSMesa; None (and nothing set) when neither library is there.

    Raises:
        SetupError: the user chose one whose library is not installed; MuJoCo could not even be imported.
    """
    chosen = os.environ.get("MUJOCO_GL")
    if chosen:
        library = LIBRARIES.get(chosen.lower())
        if library and not ctypes.util.find_library(library):
            raise SetupError(f"MUJOCO_GL={chosen} is set, but the library {library} is not installed.")
        return chosen
    for backend, library in LIBRARIES.items():
        if ctypes.util.find_library(library):
            os.environ["MUJOCO_GL"] = backend
            return backend
    return None
