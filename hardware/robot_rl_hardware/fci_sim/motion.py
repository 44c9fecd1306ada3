"""Motions that a client commands, one command a millisecond: by torques, by joints, or by the tool.

A command that asks for too much is answered with the name of an error. Where one is missing, torques are held and
the motion of a generator is continued at constant acceleration.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Final

import numpy as np

from robot_rl.geometry import Array
from robot_rl.sim import franka
from robot_rl_hardware.fci_sim import limits
from robot_rl_hardware.fci_sim.plant import PERIOD_S
from robot_rl_hardware.fci_sim.servo import Servo
from robot_rl_hardware.fci_sim.settings import Settings, from_columns, is_transform
from robot_rl_hardware.fci_sim.vocabulary import Generator

JOINT_ACCELERATION_RAD_S2: Final = 10.0
JOINT_JERK_RAD_S3: Final = 5000.0
_SLACK: Final = 1.0 + 1e-3
"""Clients limit their motion by what they were told in 32 bits."""
_CARTESIAN: Final = (
    ("cartesian_mg_velocity_limits", 3.0, 2.5),
    ("cartesian_mg_velocity_discontinuity", 9.0, 17.0),
    ("cartesian_mg_acceleration_discontinuity", 4500.0, 8500.0),
)
"""Of the tool: error, and largest velocity, acceleration and jerk, translational [m] and rotational [rad]."""


class Motion(ABC):
    """What a client commands from `Move` to its end."""

    INPUT_ERROR: Final = "input"
    """What `follow` returns for a command that makes no sense."""

    @abstractmethod
    def follow(self, command: np.void) -> str | None:
        """Take in the command of this millisecond; returns the error that it makes, if any."""

    @abstractmethod
    def finish(self, command: np.void) -> str | None:
        """The command is the last one; returns the error that this makes, if any."""

    @abstractmethod
    def extrapolate(self) -> None:
        """The command of this millisecond is missing."""

    @abstractmethod
    def torque(self) -> Array:
        """Torques for this millisecond, without gravity [Nm]. Shape (7,)."""


class TorqueMotion(Motion):
    """The client computes the torques."""

    def __init__(self) -> None:
        self._torque = np.zeros(7)

    def follow(self, command: np.void) -> str | None:
        """Take over the torques."""
        torque: Array = command["tau_J_d"]
        if not math.isfinite(torque @ torque):
            return self.INPUT_ERROR
        error = limits.torque_error(torque, self._torque)
        if error is None:
            self._torque[:] = torque
        return error

    def finish(self, command: np.void) -> str | None:
        """From here on the robot holds the arm; what the last torques are does not matter."""
        del command
        return None

    def extrapolate(self) -> None:
        """Torques are held."""

    def torque(self) -> Array:
        """What was commanded last."""
        return self._torque


class JointMotion(Motion):
    """The client generates positions or velocities of the joints; the robot's servo follows."""

    ERRORS: tuple[str, str, str, str] = (
        "joint_mg_position_limits",
        "joint_mg_velocity_limits",
        "joint_mg_velocity_discontinuity",
        "joint_mg_acceleration_discontinuity",
    )

    def __init__(self, generator: Generator, servo: Servo) -> None:
        """Begin where `servo` holds the arm."""
        self._generator, self.servo = generator, servo
        self._is_first = True
        servo.stand_still()

    def follow(self, command: np.void) -> str | None:
        """Take over positions or velocities."""
        if self._generator is Generator.JOINT_POSITION:
            velocities = (command["q_c"] - self.servo.positions) / PERIOD_S
            if self._is_first and (np.abs(velocities) > franka.VELOCITY_LIMITS).any():
                return "joint_position_mg_start_pose_invalid"
        else:
            velocities = np.array(command["dq_c"])
        return self._go(velocities)

    def _go(self, velocities: Array) -> str | None:
        """Move the desired positions on for one millisecond with these velocities [rad/s], shape (7,)."""
        self._is_first = False
        if not np.isfinite(velocities.sum()):
            return self.INPUT_ERROR
        servo = self.servo
        accelerations = (velocities - servo.velocities) / PERIOD_S
        jerks = (accelerations - servo.accelerations) / PERIOD_S
        positions = servo.positions + velocities * PERIOD_S
        lower, upper = limits.joint_speed_limits(positions)
        beyond, too_fast, jump, jolt = self.ERRORS
        if not limits.is_within_limits(positions):
            return beyond
        if ((velocities < lower * _SLACK) | (velocities > upper * _SLACK)).any():
            return too_fast
        if np.abs(accelerations).max() > JOINT_ACCELERATION_RAD_S2 * _SLACK:
            return jump
        if np.abs(jerks).max() > JOINT_JERK_RAD_S3 * _SLACK:
            return jolt
        servo.positions[:], servo.velocities[:], servo.accelerations[:] = positions, velocities, accelerations
        return None

    def finish(self, command: np.void) -> str | None:
        """A motion ends at rest."""
        error = self.follow(command)
        is_moving = np.abs(self.servo.velocities).max() > JOINT_ACCELERATION_RAD_S2 * PERIOD_S
        return self.ERRORS[2] if error is None and is_moving else error

    def extrapolate(self) -> None:
        """Constant acceleration, within the limits of the positions."""
        servo = self.servo
        servo.velocities += servo.accelerations * PERIOD_S
        servo.positions += servo.velocities * PERIOD_S
        np.clip(servo.positions, franka.JOINT_LOWER, franka.JOINT_UPPER, out=servo.positions)

    def torque(self) -> Array:
        """The servo's."""
        return self.servo.torque()


class CartesianMotion(JointMotion):
    """The client generates poses or twists of the tool; the elbow goes where the least motion takes it."""

    ERRORS = (
        "cartesian_mg_joint_position_limits",
        "cartesian_mg_joint_velocity_limits",
        "cartesian_mg_joint_velocity_discontinuity",
        "cartesian_mg_joint_acceleration_discontinuity",
    )

    def __init__(self, generator: Generator, servo: Servo, settings: Settings) -> None:
        """Begin where `servo` holds the arm."""
        super().__init__(generator, servo)
        self._flange_to_tool = settings.flange_to_tool
        self.twist, self._acceleration = np.zeros(6), np.zeros(6)

    def follow(self, command: np.void) -> str | None:
        """Take over a pose or a twist."""
        present = self.servo.desired_flange() @ self._flange_to_tool
        if command["valid_elbow"]:  # not followed here, so it is not accepted either
            return self.INPUT_ERROR
        if self._generator is Generator.CARTESIAN_POSITION:
            target = from_columns(command["O_T_EE_c"])
            if not is_transform(target):
                return "cartesian_position_mg_invalid_frame"
            twist = _difference(present, target) / PERIOD_S
            if self._is_first and _is_beyond(twist, *_CARTESIAN[0][1:]):
                return "cartesian_position_mg_start_pose_invalid"
        else:
            twist = np.array(command["O_dP_EE_c"])
            if not np.isfinite(twist.sum()):
                return self.INPUT_ERROR
        acceleration = (twist - self.twist) / PERIOD_S
        jerk = (acceleration - self._acceleration) / PERIOD_S
        for (name, translation, rotation), value in zip(_CARTESIAN, (twist, acceleration, jerk), strict=True):
            if _is_beyond(value, translation, rotation):
                return name
        self.twist, self._acceleration = twist, acceleration
        return self._go(self._joint_velocities(present))

    def extrapolate(self) -> None:
        """Constant acceleration of the tool: the next command is measured against where that leads to."""
        servo, last = self.servo, self.servo.velocities.copy()
        self.twist = self.twist + self._acceleration * PERIOD_S
        servo.velocities[:] = self._joint_velocities(servo.desired_flange() @ self._flange_to_tool)
        servo.accelerations[:] = (servo.velocities - last) / PERIOD_S
        servo.positions += servo.velocities * PERIOD_S
        np.clip(servo.positions, franka.JOINT_LOWER, franka.JOINT_UPPER, out=servo.positions)

    def _joint_velocities(self, present: Array) -> Array:
        """The least ones that give the tool its twist at T_base_tool, where `desired_flange` was asked last. (7,)."""
        return np.linalg.pinv(self.servo.desired_jacobian(present[:3, 3])) @ self.twist


def _difference(start: Array, end: Array) -> Array:
    """(translation [m], rotation vector [rad]) in base axes from one transform to another. Shape (6,)."""
    turn = end[:3, :3] @ start[:3, :3].T
    # of a turn within a millisecond, the rotation vector is the axial part of the matrix
    axial = 0.5 * np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    return np.concatenate([end[:3, 3] - start[:3, 3], axial])


def _is_beyond(value: Array, translation: float, rotation: float) -> bool:
    """Whether a twist, or a derivative of one, is longer than allowed."""
    return bool(np.linalg.norm(value[:3]) > translation * _SLACK or np.linalg.norm(value[3:]) > rotation * _SLACK)


def make_motion(generator: Generator, servo: Servo, settings: Settings) -> Motion:
    """The motion of a generator; NONE is torque control."""
    if generator is Generator.NONE:
        return TorqueMotion()
    if generator in (Generator.JOINT_POSITION, Generator.JOINT_VELOCITY):
        return JointMotion(generator, servo)
    return CartesianMotion(generator, servo, settings)
