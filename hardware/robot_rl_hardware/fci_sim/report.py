"""The robot's state as the datagram that it sends a thousand times a second."""

from __future__ import annotations

from typing import Final

import numpy as np

from robot_rl.geometry import Array
from robot_rl_hardware.fci_sim.controller import RobotController
from robot_rl_hardware.fci_sim.wire import Dialect

_GRAVITY_M_S2: Final = 9.81
_ELBOW_FLIP_RAD: Final = -0.467002
"""Position of joint 4 at which the arm is stretched out most."""


class Report:
    """Writes one robot's state into a datagram of a dialect."""

    def __init__(self, robot: RobotController, dialect: Dialect) -> None:
        self._robot, self._dialect = robot, dialect
        self._record = np.zeros(1, dialect.state)
        self._row = self._record[0]
        # looked up once: most of them change in every millisecond
        self._numbers = {name: self._record[name] for name in dialect.state.names or ()}
        self._fields: dict[str, Array] = {name: field[0] for name, field in self._numbers.items() if field.ndim > 1}
        self._matrices = {
            name: self._fields[name].reshape(4, 4).T
            for name in ("O_T_EE", "O_T_EE_d", "O_T_EE_c", "F_T_EE", "F_T_NE", "NE_T_EE", "EE_T_K")
        }
        self._settings_version = -1
        self._fields["O_ddP_O"][:] = (0.0, 0.0, -_GRAVITY_M_S2)

    def write(self) -> bytes:
        """The datagram of the present."""
        robot, numbers, is_torque = self._robot, self._numbers, self._robot.is_torque_motion
        if self._settings_version != robot.settings.version:
            self._write_settings()
        self._write_joints(is_torque)
        self._write_tool(is_torque)
        self._write_contact()
        generator = self._dialect.torque_generator if is_torque else robot.generator
        numbers["message_id"][0] = robot.clock_ms
        numbers["motion_generator_mode"][0] = 0 if robot.motion is None else generator + 1
        numbers["controller_mode"][0], numbers["robot_mode"][0] = robot.controller, robot.mode
        numbers["control_command_success_rate"][0] = robot.success_rate
        self._fields["errors"][:], self._fields["reflex_reason"][:] = robot.errors, robot.last_errors
        return self._record.tobytes()

    def _write_joints(self, is_torque: bool) -> None:
        robot, fields = self._robot, self._fields
        positions, velocities = robot.plant.positions, robot.plant.velocities
        fields["q"][:] = fields["theta"][:] = positions
        fields["dq"][:] = fields["dtheta"][:] = velocities
        fields["elbow"][:] = _elbow(positions)
        if is_torque:
            fields["q_d"][:], fields["dq_d"][:], fields["ddq_d"][:] = positions, velocities, 0.0
            fields["elbow_d"][:] = fields["elbow_c"][:] = fields["elbow"]
        else:
            servo = robot.servo
            fields["q_d"][:], fields["dq_d"][:] = servo.positions, servo.velocities
            fields["ddq_d"][:] = servo.accelerations
            fields["elbow_d"][:] = fields["elbow_c"][:] = _elbow(servo.positions)
        fields["tau_J"][:] = robot.torque + robot.plant.gravity
        fields["tau_J_d"][:] = robot.torque
        fields["dtau_J"][:] = robot.torque_change

    def _write_tool(self, is_torque: bool) -> None:
        robot, fields = self._robot, self._fields
        tool = robot.settings.flange_to_tool
        self._matrices["O_T_EE"][:] = robot.plant.flange() @ tool
        if is_torque:
            fields["O_T_EE_d"][:] = fields["O_T_EE_c"][:] = fields["O_T_EE"]
        else:
            self._matrices["O_T_EE_d"][:] = robot.servo.desired_flange() @ tool
            fields["O_T_EE_c"][:] = fields["O_T_EE_d"]
        fields["O_dP_EE_d"][:] = fields["O_dP_EE_c"][:] = robot.desired_twist

    def _write_contact(self) -> None:
        contact, fields = self._robot.contact, self._fields
        fields["tau_ext_hat_filtered"][:] = contact.torque
        fields["O_F_ext_hat_K"][:], fields["K_F_ext_hat_K"][:] = contact.wrench_base, contact.wrench
        fields["joint_contact"][:], fields["joint_collision"][:] = contact.joint_contact, contact.joint_collision
        fields["cartesian_contact"][:] = contact.cartesian_contact
        fields["cartesian_collision"][:] = contact.cartesian_collision

    def _write_settings(self) -> None:
        settings, row, fields = self._robot.settings, self._row, self._fields
        self._settings_version = settings.version
        self._matrices["F_T_EE"][:] = settings.flange_to_tool
        self._matrices["F_T_NE"][:] = settings.flange_to_nominal
        self._matrices["NE_T_EE"][:] = settings.nominal_to_tool
        self._matrices["EE_T_K"][:] = settings.tool_to_stiffness
        row["m_ee"], row["m_load"] = settings.hand.mass, settings.load_mass
        fields["F_x_Cee"][:], fields["F_x_Cload"][:] = settings.hand.com, settings.load_com
        fields["I_ee"][:] = settings.hand.inertia.T.ravel()
        fields["I_load"][:] = settings.load_inertia.T.ravel()


def _elbow(positions: Array) -> tuple[float, float]:
    """Position of joint 3 [rad], and to which side the arm is bent."""
    return float(positions[2]), 1.0 if positions[3] > _ELBOW_FLIP_RAD else -1.0
