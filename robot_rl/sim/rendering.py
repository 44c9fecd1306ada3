"""Off-screen rendering, as cheap as software can do it."""

from __future__ import annotations

import os

import mujoco

from robot_rl.errors import SetupError
from robot_rl.sim.gl import choose_backend


def make_renderer(model: mujoco.MjModel, height: int, width: int) -> mujoco.Renderer:
    """An off-screen renderer for images of (height, width) pixels, shadows and reflections off.

    Raises:
        SetupError: no OpenGL library can be used.
    """
    if choose_backend() is None:
        raise SetupError(
            "Pictures need EGL or OSMesa, and neither is installed. On Debian and Ubuntu: "
            "apt-get install libegl1 libgl1-mesa-dri. Or do without cameras: robot.cameras=[]"
        )
    try:
        renderer = mujoco.Renderer(model, height, width)
    except Exception as error:  # MuJoCo's back ends each raise their own kinds
        raise SetupError(
            f"MuJoCo could not make an OpenGL context with MUJOCO_GL={os.environ['MUJOCO_GL']}: {error}. "
            "If mujoco was imported before robot_rl.sim, set MUJOCO_GL=egl (or osmesa) in the environment."
        ) from error
    flags = renderer.scene.flags
    flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False
    flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
    return renderer
