"""The robot's own joint impedance controller: what holds the arm, and what follows a motion generator."""

from __future__ import annotations

import mujoco
import numpy as np

from robot_rl.geometry import Array
from robot_rl.sim import franka
from robot_rl_hardware.fci_sim.plant import Plant


class Servo:
    """Springs and dampers of the joints to desired positions.

    Attributes:
        positions, velocities, accelerations: desired, of the joints [rad], [rad/s], [rad/s^2]. Shape (7,).
    """

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self.positions, self.velocities, self.accelerations = plant.positions.copy(), np.zeros(7), np.zeros(7)
        self._stiffness, self._damping = np.zeros(7), np.zeros(7)
        self._data = mujoco.MjData(plant.model)
        self._flange = plant.model.site(franka.FLANGE_SITE_NAME).id
        self._jacobian = np.zeros((6, plant.model.nv))

    def hold_here(self, stiffness: Array) -> None:
        """Hold the present positions with this stiffness [Nm/rad], shape (7,), critically damped as it stands."""
        self._stiffness = stiffness
        self._damping = 2.0 * np.sqrt(stiffness * self._plant.mass_diagonal())
        self.positions[:] = self._plant.positions
        self.stand_still()

    def stand_still(self) -> None:
        """Hold the desired positions."""
        self.velocities[:] = self.accelerations[:] = 0.0

    def torque(self) -> Array:
        """Torques for the next millisecond, without gravity [Nm]. Shape (7,)."""
        plant = self._plant
        spring = self._stiffness * (self.positions - plant.positions)
        torque = spring + self._damping * (self.velocities - plant.velocities)
        return np.clip(torque, -franka.TORQUE_LIMITS, franka.TORQUE_LIMITS)

    def desired_flange(self) -> Array:
        """T_base_flange at the desired positions. Shape (4, 4)."""
        model, data, transform = self._plant.model, self._data, np.eye(4)
        data.qpos[:7] = self.positions
        mujoco.mj_kinematics(model, data)
        transform[:3, :3] = data.site_xmat[self._flange].reshape(3, 3)
        transform[:3, 3] = data.site_xpos[self._flange]
        return transform

    def desired_jacobian(self, point: Array) -> Array:
        """(v, omega) of a point [m] on the flange per joint velocity, where `desired_flange` was asked last. (6, 7)."""
        model, data, rows = self._plant.model, self._data, self._jacobian
        mujoco.mj_comPos(model, data)
        mujoco.mj_jac(model, data, rows[:3], rows[3:], point, int(model.site_bodyid[self._flange]))
        return rows[:, :7]
