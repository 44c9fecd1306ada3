"""What libfranka reports in a millisecond, in the arrays and axes of the law. Nothing is allocated but its lists."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from robot_rl.control.kernels import compiled, matrix_quaternion
from robot_rl.geometry import Array, Pose
from robot_rl_hardware.franka.library import Model

_NEW_SHARE: Final = 0.02  # of the mean, in a millisecond: a time constant of 50 ms
_AT_REST_RAD_S: Final = 0.02


class Sensing:
    """The present state of the arm.

    Attributes:
        joint_positions, joint_velocities: [rad], [rad/s], (7,).
        torque: commanded last, without gravity, as the robot has it [Nm], (7,).
        position, rotation, quaternion: T_base_tcp.
        jacobian: of the TCP, (v, omega) in base axes, (6, 7).
        mass: with the rotors' inertia [kg m^2], (7, 7). coriolis: [Nm], (7,).
        twist: of the TCP in base axes, (6,). wrench: on the world at the TCP, in its axes, without the tare, (6,).
        tare: what is felt although nothing touches the tool, (6,).
        mean_wrench: what was felt lately, with the tare, (6,). rest_ticks: milliseconds since the arm has moved.
    """

    def __init__(self, rotor_inertia_kg_m2: tuple[float, ...]) -> None:
        self.joint_positions, self.joint_velocities, self.torque = np.zeros(7), np.zeros(7), np.zeros(7)
        self.position, self.rotation, self.quaternion = np.zeros(3), np.eye(3), np.array([0.0, 0.0, 0.0, 1.0])
        self.coriolis, self.twist, self.wrench = np.zeros(7), np.zeros(6), np.zeros(6)
        self.tare, self.mean_wrench, self.rest_ticks = np.zeros(6), np.zeros(6), 0
        self._transform, self._columns, self._masses = np.zeros(16), np.zeros(42), np.zeros(49)
        self.jacobian = self._columns.reshape(7, 6).T
        self.mass = self._masses.reshape(7, 7)
        self._rotors = np.diag(np.asarray(rotor_inertia_kg_m2, np.float64)).ravel()

    def read(self, state: Any, model: Model) -> None:
        """Take over a `RobotState`, and what a model says of it."""
        self.joint_positions[:] = state.q
        self.joint_velocities[:] = state.dq
        self.torque[:] = state.tau_J_d
        self.wrench[:] = state.K_F_ext_hat_K
        is_at_rest = feel(self.wrench, self.tare, self.mean_wrench, self.joint_velocities)
        self.rest_ticks = self.rest_ticks + 1 if is_at_rest else 0
        self._transform[:] = state.O_T_EE
        split(self._transform, self.position, self.rotation, self.quaternion)
        model.read(state, self._columns, self._masses, self.coriolis)
        self._masses += self._rotors
        np.dot(self.jacobian, self.joint_velocities, out=self.twist)

    @property
    def pose(self) -> Pose:
        """T_base_tcp."""
        return Pose(self.position, self.quaternion)


@compiled
def feel(wrench: Array, tare: Array, mean: Array, velocities: Array) -> bool:
    """Average the wrench felt, then take the tare off it; whether the joints are at rest."""
    for i in range(6):
        mean[i] += _NEW_SHARE * (wrench[i] - mean[i])
        wrench[i] -= tare[i]
    fastest = 0.0
    for velocity in velocities:
        fastest = max(fastest, abs(velocity))
    return fastest <= _AT_REST_RAD_S


@compiled
def split(transform: Array, position: Array, rotation: Array, quaternion: Array) -> None:
    """A homogeneous transform by columns (16,) as position, rotation and quaternion.

    The robot sends 32 bits; the columns of the rotation are made orthonormal again, the third one first.
    """
    for i in range(3):
        position[i] = transform[12 + i]
        rotation[i, 2] = transform[8 + i]
        rotation[i, 0] = transform[i]
    along = norm = 0.0
    for i in range(3):
        norm += rotation[i, 2] ** 2
    for i in range(3):
        rotation[i, 2] /= np.sqrt(norm)
        along += rotation[i, 2] * rotation[i, 0]
    norm = 0.0
    for i in range(3):
        rotation[i, 0] -= along * rotation[i, 2]
        norm += rotation[i, 0] ** 2
    for i in range(3):
        rotation[i, 0] /= np.sqrt(norm)
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        rotation[i, 1] = rotation[j, 2] * rotation[k, 0] - rotation[k, 2] * rotation[j, 0]
    matrix_quaternion(rotation, quaternion)
