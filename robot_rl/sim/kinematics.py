"""Inverse kinematics, to put the simulated robot at a start pose."""

from __future__ import annotations

import mujoco
import numpy as np

from robot_rl.errors import RobotRLError
from robot_rl.geometry import Array, Pose
from robot_rl.sim import franka

_DAMPING = 1e-8
_POSTURE_GAIN = 0.1


class UnreachableError(RobotRLError, ValueError):
    """No joint positions within the limits bring the TCP to a pose."""


def solve_joints(model: mujoco.MjModel, pose: Pose, start: Array = franka.HOME_JOINTS) -> Array:
    """Joint positions [rad], shape (7,), that bring the TCP to `pose` (T_base_tcp), near a posture.

    Damped Gauss-Newton with the posture in the null space, to 1e-6 m and rad.

    Raises:
        UnreachableError: it did not converge within the joint limits.
    """
    data = mujoco.MjData(model)
    site = model.site(franka.TCP_SITE_NAME).id
    jacobian_all = np.zeros((6, model.nv))
    joints = np.array(start)
    for _ in range(100):
        data.qpos[:7] = joints
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        current = Pose.from_matrix(data.site_xmat[site].reshape(3, 3), data.site_xpos[site])
        relative = pose @ current.inverse()
        error = np.concatenate([pose.position - current.position, relative.rotation_vector])
        if np.linalg.norm(error) < 1e-6:
            return joints
        mujoco.mj_jacSite(model, data, jacobian_all[:3], jacobian_all[3:], site)
        jacobian = jacobian_all[:, :7]
        inverse = jacobian.T @ np.linalg.inv(jacobian @ jacobian.T + _DAMPING * np.eye(6))
        posture = _POSTURE_GAIN * (franka.HOME_JOINTS - joints)
        step = inverse @ (error - jacobian @ posture) + posture
        joints = np.clip(joints + step, franka.JOINT_LOWER + 0.05, franka.JOINT_UPPER - 0.05)
    raise UnreachableError(f"The robot cannot reach {pose}: {np.linalg.norm(error):.3g} (m, rad) remain.")
