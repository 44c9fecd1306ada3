"""The Jacobian of an arm in every millisecond, from what its model says of it once for a tool.

libfranka takes too long for a Jacobian to be asked for one each time. At one posture it tells where the axes of the
joints are; with these the Jacobian follows at any other one, by products of exponentials (Lynch & Park, "Modern
Robotics", 2017, sections 4.1 and 5.1). Nothing is assumed of the arm but that its seven joints turn.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from robot_rl.control.kernels import compiled
from robot_rl.geometry import Array

_LARGEST: Final = 1e6  # [m, rad]: what the law itself refuses


class JointAxes:
    """The axes of an arm's joints, found once for each tool."""

    def __init__(self) -> None:
        self._tool: list[float] = []
        self._axes = np.full((7, 7), np.nan)

    def read(self, state: Any, compute_jacobian: Callable[[Any], ArrayLike]) -> Array:
        """Where they are, seen from the tool that the robot has, as of `find_axes`.

        Args:
            state: a `RobotState`.
            compute_jacobian: the Jacobian of the TCP for a state, (v, omega) in base axes, 6 x 7 by columns; asked
                where the tool is not that of the last state. What was found from numbers that are none is not kept.
        """
        tool = state.F_T_EE
        if tool != self._tool:
            jacobian = np.reshape(compute_jacobian(state), (7, 6))
            self._axes = find_axes(jacobian, np.array(state.q))
            self._tool = tool if (np.abs(self._axes) <= _LARGEST).all() else []
        return self._axes


def find_axes(jacobian: Array, joints: Array) -> Array:
    """Where the axes are, seen from the TCP.

    Args:
        jacobian: (v, omega) of the TCP in base axes per velocity of each joint, a row a joint, shape (7, 6).
        joints: positions at which it is that [rad], shape (7,).

    Returns:
        A row a joint: the axis's direction, the vector [m] from the TCP to the nearest point of it, both in base axes,
        and the joint's position [rad]. Shape (7, 7).
    """
    directions = jacobian[:, 3:]
    points = np.cross(directions, jacobian[:, :3])  # v = direction x (TCP - point)
    return np.column_stack([directions, points, joints])


@compiled
def turn_jacobian(axes: Array, joints: Array, jacobian: Array) -> None:
    """The Jacobian after the joints have turned.

    Args:
        axes: of `find_axes`.
        joints: positions [rad], shape (7,).
        jacobian: (v, omega) of the TCP in base axes, a row a joint, shape (7, 6), written.
    """
    rotation, origin = np.eye(3), np.zeros(3)  # of what the joints so far have moved: at the end, of the TCP
    for joint in range(7):
        x, y, z = axes[joint, 0], axes[joint, 1], axes[joint, 2]
        px, py, pz = axes[joint, 3], axes[joint, 4], axes[joint, 5]
        turn = joints[joint] - axes[joint, 6]
        sine, versine = math.sin(turn), 1.0 - math.cos(turn)
        for i in range(3):
            a, b, c = rotation[i, 0], rotation[i, 1], rotation[i, 2]
            along = a * x + b * y + c * z
            jacobian[joint, 3 + i] = along
            jacobian[joint, i] = origin[i] + a * px + b * py + c * pz  # for now, the axis's point
            # Rodrigues: the row times the turn about this axis, which leaves the axis's points where they are
            new_a = a + versine * (along * x - a) + sine * (b * z - c * y)
            new_b = b + versine * (along * y - b) + sine * (c * x - a * z)
            new_c = c + versine * (along * z - c) + sine * (a * y - b * x)
            origin[i] += (a - new_a) * px + (b - new_b) * py + (c - new_c) * pz
            rotation[i, 0], rotation[i, 1], rotation[i, 2] = new_a, new_b, new_c
    for joint in range(7):
        x, y, z = jacobian[joint, 3], jacobian[joint, 4], jacobian[joint, 5]
        a, b, c = origin[0] - jacobian[joint, 0], origin[1] - jacobian[joint, 1], origin[2] - jacobian[joint, 2]
        jacobian[joint, 0], jacobian[joint, 1], jacobian[joint, 2] = y * c - z * b, z * a - x * c, x * b - y * a
