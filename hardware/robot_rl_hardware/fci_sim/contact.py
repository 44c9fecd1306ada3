"""What the robot feels: its estimate of the external torques and of the wrench at the stiffness frame."""

from __future__ import annotations

from typing import Final

import numpy as np

from robot_rl.geometry import Array
from robot_rl.sim.simulation import WRENCH_FILTER_S
from robot_rl_hardware.fci_sim.plant import PERIOD_S, Plant
from robot_rl_hardware.fci_sim.settings import Thresholds

_FILTER: Final = PERIOD_S / (PERIOD_S + WRENCH_FILTER_S)
_NOTHING_NM: Final = 1e-9
_SINGULAR: Final = 0.02
"""Smallest singular value of the Jacobian at which a wrench is still told from the torques."""


class Contact:
    """Low-passed contact torques and the wrench that explains them; what the robot exerts on the world is positive.

    Attributes:
        torque: of the joints [Nm]. Shape (7,).
        wrench_base: (force [N], torque [Nm]) at the origin of the stiffness frame, base axes. Shape (6,).
        wrench: the same in the stiffness frame's axes.
        joint_contact, cartesian_contact: where a lower threshold is exceeded now.
        joint_collision, cartesian_collision: where an upper one is, or was since the last `reset`.
    """

    def __init__(self) -> None:
        self.torque = np.zeros(7)
        self.wrench_base, self.wrench = np.zeros(6), np.zeros(6)
        self.joint_contact, self.joint_collision = np.zeros(7, bool), np.zeros(7, bool)
        self.cartesian_contact, self.cartesian_collision = np.zeros(6, bool), np.zeros(6, bool)
        self._is_felt = False

    def update(self, plant: Plant, flange_to_stiffness: Array, thresholds: Thresholds) -> None:
        """Take in the last millisecond.

        Args:
            plant: whose contacts.
            flange_to_stiffness: T_flange_stiffness, shape (4, 4).
            thresholds: in force now.
        """
        if not plant.is_touched and not self.torque.any():  # most of the time
            return
        self.torque += _FILTER * (-plant.contact_torque - self.torque)
        if self.torque @ self.torque < _NOTHING_NM**2:
            if self._is_felt:
                self.let_go()
                self._is_felt = False
            return
        self._is_felt = True
        stiffness_frame = plant.flange() @ flange_to_stiffness
        self._explain(plant.jacobian(stiffness_frame[:3, 3]))
        rotation = stiffness_frame[:3, :3]
        self.wrench[:3], self.wrench[3:] = self.wrench_base[:3] @ rotation, self.wrench_base[3:] @ rotation
        size, torque_size = np.abs(self.wrench), np.abs(self.torque)
        self.joint_contact[:] = torque_size > thresholds.lower_torque
        self.joint_collision |= torque_size > thresholds.upper_torque
        self.cartesian_contact[:] = size > thresholds.lower_force
        self.cartesian_collision |= size > thresholds.upper_force

    def _explain(self, jacobian: Array) -> None:
        """Least squares of J^T wrench = torque; zero where the arm is near a singularity."""
        left, sizes, right = np.linalg.svd(jacobian, full_matrices=False)
        if sizes[-1] < _SINGULAR:
            self.wrench_base[:] = 0.0
        else:
            self.wrench_base[:] = left @ ((right @ self.torque) / sizes)

    def let_go(self) -> None:
        """Nothing touches the robot any more; collisions stay marked."""
        self.torque[:] = self.wrench_base[:] = self.wrench[:] = 0.0
        self.joint_contact[:] = self.cartesian_contact[:] = False

    def reset(self) -> None:
        """Forget collisions that are over."""
        self.joint_collision[:] = self.cartesian_collision[:] = False
