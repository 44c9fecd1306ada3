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
        row = self._record[0]
        self._row = row
        self._fields: dict[str, Array] = {
            name: row[name] for name in dialect.state.names or () if dialect.state[name].shape
        }
        self._matrices = {
            name: self._fields[name].reshape(4, 4).T
            for name in ("O_T_EE", "O_T_EE_d", "O_T_EE_c", "F_T_EE", "F_T_NE", "NE_T_EE", "EE_T_K")
        }
        self._settings_version = -1
        self._fields["O_ddP_O"][:] = (0.0, 0.0, -_GRAVITY_M_S2)

    def write(self) -> bytes:
        """The datagram of the present."""
        robot, row = self._robot, self._row
        if self._settings_version != robot.settings.version:
            self._write_settings()
        row["message_id"] = robot.clock_ms
        self._write_joints()
        self._write_tool()
        self._write_contact()
        is_torque = robot.is_torque_motion
        generator = self._dialect.torque_generator if is_torque else robot.generator
        row["motion_generator_mode"] = 0 if robot.motion is None else generator + 1
        row["controller_mode"] = robot.controller
        row["errors"], row["reflex_reason"] = robot.errors, robot.last_errors
        row["robot_mode"] = robot.mode
        row["control_command_success_rate"] = robot.success_rate
        return self._record.tobytes()

    def _write_joints(self) -> None:
        robot, fields = self._robot, self._fields
        positions, velocities = robot.plant.positions, robot.plant.velocities
        fields["q"][:] = fields["theta"][:] = positions
        fields["dq"][:] = fields["dtheta"][:] = velocities
        if robot.is_torque_motion:
            fields["q_d"][:], fields["dq_d"][:], fields["ddq_d"][:] = positions, velocities, 0.0
        else:
            servo = robot.servo
            fields["q_d"][:], fields["dq_d"][:], fields["ddq_d"][:] = (
                servo.positions,
                servo.velocities,
                servo.accelerations,
            )
        fields["tau_J"][:] = robot.torque + robot.plant.gravity
        fields["tau_J_d"][:] = robot.torque
        fields["dtau_J"][:] = robot.torque_change
        for name, joints in (("elbow", fields["q"]), ("elbow_d", fields["q_d"]), ("elbow_c", fields["q_d"])):
            fields[name][0] = joints[2]
            fields[name][1] = 1.0 if joints[3] > _ELBOW_FLIP_RAD else -1.0

    def _write_tool(self) -> None:
        robot, tool = self._robot, self._robot.settings.flange_to_tool
        pose = robot.plant.flange() @ tool
        self._matrices["O_T_EE"][:] = pose
        desired = pose if robot.is_torque_motion else robot.servo.desired_flange() @ tool
        self._matrices["O_T_EE_d"][:] = self._matrices["O_T_EE_c"][:] = desired
        self._fields["O_dP_EE_d"][:] = self._fields["O_dP_EE_c"][:] = robot.desired_twist

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
