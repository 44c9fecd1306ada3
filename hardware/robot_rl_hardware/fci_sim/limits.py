"""What the robot does not tolerate: each check names the error that stops it, or nothing."""

from __future__ import annotations

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


def joint_speed_limits(positions: Array) -> tuple[Array, Array]:
    """(lower, upper) velocities [rad/s], shapes (7,), from which the joints can still brake before their limits."""
    reach = 2.0 * franka.DECELERATION_LIMITS

    def largest(distance: Array) -> Array:
        braking = np.sqrt(np.maximum(0.0, reach * distance)) - franka.VELOCITY_OFFSETS
        return np.minimum(franka.VELOCITY_LIMITS, np.maximum(0.0, braking))

    return -largest(positions - franka.JOINT_LOWER), largest(franka.JOINT_UPPER - positions)


def torque_error(torque: Array, previous: Array) -> str | None:
    """Error of a commanded torque [Nm] after the one before it, shapes (7,)."""
    if (np.abs(torque) > franka.TORQUE_LIMITS).any():
        return "tau_j_range_violation"
    if np.abs(torque - previous).max() > TORQUE_STEP_NM + _TORQUE_SLACK_NM:
        return "controller_torque_discontinuity"
    return None


def motion_error(positions: Array, velocities: Array, twist: Array) -> str | None:
    """Error of how the arm moves: joints [rad], [rad/s], and the tool's twist (v, omega), base axes."""
    if ((positions < franka.JOINT_LOWER) | (positions > franka.JOINT_UPPER)).any():
        return "joint_position_limits"
    # the envelope is the data sheet's everywhere but near a limit, so it is computed only where it can matter
    if (np.abs(velocities) > _SPEED_SLACK_RAD_S).any():
        lower, upper = joint_speed_limits(positions)
        if ((velocities < lower - _SPEED_SLACK_RAD_S) | (velocities > upper + _SPEED_SLACK_RAD_S)).any():
            return "joint_velocity"
    if twist[:3] @ twist[:3] > TRANSLATION_SPEED_M_S**2 or twist[3:] @ twist[3:] > ROTATION_SPEED_RAD_S**2:
        return "cartesian_velocity"
    return None


def contact_error(contact: Contact) -> str | None:
    """Error of what the robot feels."""
    if contact.joint_collision.any():
        return "joint_reflex"
    return "cartesian_reflex" if contact.cartesian_collision.any() else None


def is_within_limits(positions: Array) -> bool:
    """Whether the joints are where the robot may start to move on its own [rad], shape (7,)."""
    return bool(((positions >= franka.JOINT_LOWER) & (positions <= franka.JOINT_UPPER)).all())

