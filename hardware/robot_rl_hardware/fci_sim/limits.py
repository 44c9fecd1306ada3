"""What the robot does not tolerate: each check names the error that stops it, or nothing."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from robot_rl.geometry import Array
from robot_rl.sim import franka
from robot_rl_hardware.fci_sim.contact import Contact

TORQUE_STEP_NM: Final = 1.0
"""Largest change of a commanded torque from one millisecond to the next."""
_TORQUE_SLACK_NM: Final = 1e-4
"""Clients limit the change against a torque that they were told in 32 bits."""
LOST_COMMANDS_LIMIT: Final = 20
"""So many commands missing in a row stop the robot."""
TRANSLATION_SPEED_M_S: Final = 3.0
ROTATION_SPEED_RAD_S: Final = 2.5
_SPEED_SLACK_RAD_S: Final = 0.02
"""Close to a joint's limit its envelope is zero, and a measured velocity never is."""

# seven plain numbers are faster than an array of seven
_LOWER, _UPPER = franka.JOINT_LOWER.tolist(), franka.JOINT_UPPER.tolist()
_SPEEDS, _OFFSETS = franka.VELOCITY_LIMITS.tolist(), franka.VELOCITY_OFFSETS.tolist()
_DECELERATIONS, _TORQUES = franka.DECELERATION_LIMITS.tolist(), franka.TORQUE_LIMITS.tolist()


def joint_speed_limits(positions: Array) -> tuple[Array, Array]:
    """(lower, upper) velocities [rad/s], shapes (7,), from which the joints can still brake before their limits."""
    limits = [_speed_limits(joint, position) for joint, position in enumerate(positions.tolist())]
    return np.array([lower for lower, _ in limits]), np.array([upper for _, upper in limits])


def torque_error(torque: Array, previous: Array) -> str | None:
    """Error of a commanded torque [Nm] after the one before it, shapes (7,)."""
    for value, last, largest in zip(torque.tolist(), previous.tolist(), _TORQUES, strict=True):
        if abs(value) > largest:
            return "tau_j_range_violation"
        if abs(value - last) > TORQUE_STEP_NM + _TORQUE_SLACK_NM:
            return "controller_torque_discontinuity"
    return None


def joint_error(positions: Array, velocities: Array) -> str | None:
    """Error of how the joints move: [rad], [rad/s], shapes (7,)."""
    for joint, (position, velocity) in enumerate(zip(positions.tolist(), velocities.tolist(), strict=True)):
        if not _LOWER[joint] <= position <= _UPPER[joint]:
            return "joint_position_limits"
        if abs(velocity) > _SPEED_SLACK_RAD_S:
            lower, upper = _speed_limits(joint, position)
            if not lower - _SPEED_SLACK_RAD_S <= velocity <= upper + _SPEED_SLACK_RAD_S:
                return "joint_velocity"
    return None


def tool_error(twist: Array) -> str | None:
    """Error of how the tool moves: (v, omega), shape (6,)."""
    if math.hypot(*twist[:3]) > TRANSLATION_SPEED_M_S or math.hypot(*twist[3:]) > ROTATION_SPEED_RAD_S:
        return "cartesian_velocity"
    return None


def may_tool_be_too_fast(velocities: Array) -> bool:
    """Whether `tool_error` is possible at all with these joint velocities [rad/s], shape (7,).

    The tool turns no faster than all joints together, and is less than 1.2 m away from each of them.
    """
    total: float = sum(map(abs, velocities.tolist()))
    return total > min(TRANSLATION_SPEED_M_S / 1.2, ROTATION_SPEED_RAD_S)


def contact_error(contact: Contact) -> str | None:
    """Error of what the robot feels."""
    if contact.joint_collision.any():
        return "joint_reflex"
    return "cartesian_reflex" if contact.cartesian_collision.any() else None


def is_within_limits(positions: Array) -> bool:
    """Whether the joints are where the robot may start to move on its own [rad], shape (7,)."""
    return bool(((positions >= franka.JOINT_LOWER) & (positions <= franka.JOINT_UPPER)).all())


def _speed_limits(joint: int, position: float) -> tuple[float, float]:
    """(lower, upper) velocity [rad/s] of a joint, counted from 0."""
    largest, offset, reach = _SPEEDS[joint], _OFFSETS[joint], 2.0 * _DECELERATIONS[joint]
    up = math.sqrt(max(0.0, reach * (_UPPER[joint] - position))) - offset
    down = math.sqrt(max(0.0, reach * (position - _LOWER[joint]))) - offset
    return -min(largest, max(0.0, down)), min(largest, max(0.0, up))
