"""Off-screen rendering, as cheap as software can do it."""

from __future__ import annotations

import os

import mujoco

from robot_rl.errors import ConfigError, SetupError
from robot_rl.sim.gl import choose_backend

_SMOOTH_FROM_PIXELS = 257
"""Height or width from which a picture is for people, and its edges are smoothed: that doubles its time."""
_SAMPLES = 4


def make_renderer(model: mujoco.MjModel, height: int, width: int) -> mujoco.Renderer:
    """An off-screen renderer for images of (height, width) pixels, shadows and reflections off.

    Raises:
        ConfigError: the pictures are larger than the scene's frame buffer.
        SetupError: no OpenGL library can be used.
    """
    if choose_backend() is None:
        raise SetupError(
            "Pictures need EGL or OSMesa, and neither is installed. On Debian and Ubuntu: "
            "apt-get install libegl1 libgl1-mesa-dri. Or do without cameras: robot.cameras=[]"
        )
    # the OpenGL context takes over this number when it is made
    model.vis.quality.offsamples = _SAMPLES if max(height, width) >= _SMOOTH_FROM_PIXELS else 0
    largest = model.vis.global_
    if height > largest.offheight or width > largest.offwidth:
        raise ConfigError(
            f"Pictures of {width} x {height} pixels do not fit into {largest.offwidth} x {largest.offheight}: "
            "choose a smaller image_size."
        )
    try:
        renderer = mujoco.Renderer(model, height, width)
    except Exception as error:  # MuJoCo's back ends each raise their own kinds
        raise SetupError(
            f"MuJoCo could not make an OpenGL context with MUJOCO_GL={os.environ['MUJOCO_GL']}: "
            f"{' '.join(str(error).split())}. "
            "If mujoco was imported before robot_rl.sim, set MUJOCO_GL=egl (or osmesa) in the environment."
        ) from error
    flags = renderer.scene.flags
    flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False
    flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
    return renderer
