"""The older Panda's masses and friction for the simulated arm, which has its lengths already."""

from __future__ import annotations

from typing import Final

import mujoco
import numpy as np

from robot_rl.sim import franka
from robot_rl_hardware.franka.panda_model import make_bodies
from robot_rl_hardware.franka.presets import presets_of

# of the model in dm_robotics_panda (Apache-2.0); its sixth one is negative
_DAMPING_NM_S_RAD: Final = (0.0665, 0.1987, 0.0399, 0.2257, 0.1023, 0.0, 0.0638)


def make_panda(spec: mujoco.MjSpec) -> None:
    """Make the FR3 in a scene a Panda: the same joints and hand, other links and friction.

    As for the FR3, the friction is what the driver takes for the robot's. The ranges of the joints stay the FR3's.
    """
    friction = presets_of("panda")["insertion"].friction_coulomb_nm
    rows = zip(franka.LINK_NAMES[1:], franka.JOINT_NAMES, make_bodies(), friction, _DAMPING_NM_S_RAD, strict=True)
    for link, joint, row, friction_nm, damping in rows:
        body = spec.body(link)
        moments, axes = np.linalg.eigh(row[4:].reshape(3, 3))
        axes[:, 2] *= np.sign(np.linalg.det(axes))  # a rotation
        mujoco.mju_mat2Quat(body.iquat, axes.ravel())
        body.mass, body.ipos, body.inertia = row[0], row[1:4], moments
        spec.joint(joint).frictionloss = friction_nm
        spec.joint(joint).damping = [damping, 0.0, 0.0]
