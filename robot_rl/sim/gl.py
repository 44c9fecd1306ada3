"""Which OpenGL draws without a screen. Imports nothing of MuJoCo: it must choose before MuJoCo is imported."""

from __future__ import annotations

import ctypes.util
import os


def choose_backend() -> str | None:
    """Set MUJOCO_GL unless the user did: EGL, else OSMesa; None (and nothing set) when neither library is there."""
    chosen = os.environ.get("MUJOCO_GL")
    if chosen:
        return chosen
    for backend, library in (("egl", "EGL"), ("osmesa", "OSMesa")):
        if ctypes.util.find_library(library):
            os.environ["MUJOCO_GL"] = backend
            return backend
    return None
