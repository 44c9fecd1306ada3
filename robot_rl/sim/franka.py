"""The project's FR3 with Franka Hand as a MuJoCo spec, and the names and numbers that belong to it.

Which geoms collide is decided by bits (MuJoCo lets two geoms touch when the contype of one meets the conaffinity of
the other). Bit 1 is the environment, 2 the arm's links, 4 the hand and fingers, 8 objects that may be grasped:

================  =======  ===========  =======================================
collision class   contype  conaffinity  touches
================  =======  ===========  =======================================
ENVIRONMENT       1        0            links, hand, objects
LINK              2        1            environment
HAND              4        1 | 8        environment, objects
OBJECT            8        1 | 4 | 8    environment, hand, one another
================  =======  ===========  =======================================

Links and hand do not touch one another: that keeps `mj_step` near 15 us, and the robot has its own self-collision
avoidance. A geom left at MuJoCo's defaults (1, 1) behaves like the environment.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Final, NamedTuple

import mujoco
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class CollisionBits(NamedTuple):
    """MuJoCo's two bit masks of a geom."""

    contype: int
    conaffinity: int


ENVIRONMENT: Final = CollisionBits(1, 0)
LINK: Final = CollisionBits(2, 1)
HAND: Final = CollisionBits(4, 1 | 8)
OBJECT: Final = CollisionBits(8, 1 | 4 | 8)
NO_COLLISION: Final = CollisionBits(0, 0)

VISUAL_GROUP: Final = 2
"""Geom group of what a camera shall see of the robot."""
COLLISION_GROUP: Final = 3
"""Geom group of the robot's contact shapes; MuJoCo hides it by default."""

JOINT_NAMES: Final = tuple(f"fr3_joint{i}" for i in range(1, 8))
"""The arm's joints, and its torque motors [Nm]."""
LINK_NAMES: Final = tuple(f"fr3_link{i}" for i in range(8))
FINGER_JOINT_NAMES: Final = ("fr3_finger_joint1", "fr3_finger_joint2")
FINGER_BODY_NAMES: Final = ("finger_left", "finger_right")
HAND_BODY_NAME: Final = "hand"
GRIPPER_ACTUATOR_NAME: Final = "gripper"
"""Position servo; its control is the opening between the finger pads [m]."""
GRIPPER_TENDON_NAME: Final = "gripper_width"
"""Its length is the opening between the finger pads [m]."""
FLANGE_SITE_NAME: Final = "flange"
TCP_SITE_NAME: Final = "tcp"
WRIST_CAMERA_NAME: Final = "wrist"


def _constant(*values: float) -> Array:
    array = np.array(values)
    array.setflags(write=False)
    return array


HOME_JOINTS: Final = _constant(0.0, -np.pi / 4, 0.0, -3 * np.pi / 4, 0.0, np.pi / 2, np.pi / 4)
"""The robot's "ready" pose [rad]. Shape (7,)."""
JOINT_LOWER: Final = _constant(-2.9007, -1.8361, -2.9007, -3.0770, -2.8763, 0.4398, -3.0508)
"""Lower joint limits [rad]. Shape (7,)."""
JOINT_UPPER: Final = _constant(2.9007, 1.8361, 2.9007, -0.1169, 2.8763, 4.6216, 3.0508)
"""Upper joint limits [rad]. Shape (7,)."""
TORQUE_LIMITS: Final = _constant(87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0)
"""Largest absolute joint torques [Nm]. Shape (7,)."""
VELOCITY_LIMITS: Final = _constant(2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26)
"""Largest absolute joint velocities far from the joint limits [rad/s]. Shape (7,)."""
VELOCITY_OFFSETS: Final = _constant(0.6599, 0.2517, 0.2000, 0.3533, 0.5757, 0.4878, 0.4628)
"""Offsets of the position-based velocity limits [rad/s]. Shape (7,)."""
DECELERATION_LIMITS: Final = _constant(6.0, 2.585, 3.5, 4.0, 17.0, 5.5, 17.0)
"""Decelerations of the position-based velocity limits [rad/s^2]. Shape (7,)."""
TCP_OFFSET_M: Final = 0.1034
"""From the flange to the tool centre point between the fingertips, along z [m]."""
MAX_GRIPPER_WIDTH_M: Final = 0.08
TIMESTEP_S: Final = 0.001


def make_franka_spec() -> mujoco.MjSpec:
    """The robot alone, its base frame at the world's origin, ready to have a scene built around it.

    Torque motors `fr3_joint1..7` [Nm], then `gripper` [m]. Every body of the robot is compensated for gravity, as
    the real controller does: `qfrc_gravcomp` holds g(q), and Coriolis torques are `qfrc_bias - qfrc_gravcomp`.
    """
    with as_file(files("robot_rl.sim") / "assets" / "fr3_hand.xml") as path:
        return mujoco.MjSpec.from_file(str(path))


def set_collision(geom: mujoco.MjsGeom, bits: CollisionBits) -> None:
    """Give a geom of a spec one of the collision classes above."""
    geom.contype, geom.conaffinity = bits


def set_home(model: mujoco.MjModel, data: mujoco.MjData, width_m: float = MAX_GRIPPER_WIDTH_M) -> None:
    """Put the arm at HOME_JOINTS, the fingers at an opening [m] and their servo's target there; forward the model."""
    set_joints(model, data, HOME_JOINTS)
    for name in FINGER_JOINT_NAMES:
        data.qpos[model.joint(name).qposadr[0]] = 0.5 * width_m
    data.ctrl[model.actuator(GRIPPER_ACTUATOR_NAME).id] = width_m
    mujoco.mj_forward(model, data)


def set_joints(model: mujoco.MjModel, data: mujoco.MjData, joints: Array) -> None:
    """Write the arm's joint positions [rad], shape (7,), into `data.qpos` without forwarding the model."""
    data.qpos[joint_qpos_addresses(model)] = joints


def joint_qpos_addresses(model: mujoco.MjModel) -> NDArray[np.intp]:
    """Where the arm's seven joints lie in `qpos`: a task's objects may come before or after them. Shape (7,)."""
    return np.array([model.joint(name).qposadr[0] for name in JOINT_NAMES], dtype=np.intp)


def joint_dof_addresses(model: mujoco.MjModel) -> NDArray[np.intp]:
    """Where the arm's seven joints lie in `qvel` and the forces. Shape (7,)."""
    return np.array([model.joint(name).dofadr[0] for name in JOINT_NAMES], dtype=np.intp)
