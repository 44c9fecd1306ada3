"""The records of the impedance law, and its status flags.

Parameters and state are one NumPy structured record each, so that compiled code takes them by pointer, a preset is
one copy, and saving the law is copying the bytes of its state. A record is one element of an array:
`np.zeros(1, STATE_DTYPE)[0]`. `robot_rl.control.presets.ImpedanceParameters` explains every parameter.

Six-vectors are (linear, angular); "compliance axes" are those of the base or of the TCP, by parameter.
"""

from __future__ import annotations

import enum
from typing import Final

import numpy as np


class Status(enum.IntFlag):
    """What one tick of the law had to do beyond the plain spring."""

    ERROR_CLIPPED = 1
    """An axis of the pose error was clipped: the spring pushes with its whole force budget there."""
    TORQUE_SATURATED = 2
    RATE_LIMITED = 4
    BOX_CLIPPED = 8
    """The goal lies outside the position box."""
    SLEW_LIMITED = 16
    """The target moves slower than asked for."""
    NOT_FINITE = 32
    """Unusable input (not finite, beyond 1e6, no rotation, inertia not positive definite): torque fades to zero."""
    NEAR_SINGULAR = 64
    JOINT_LIMIT = 128
    """A joint is inside the repulsion margin of one of its limits."""


# Values of the mode fields. Plain integers, because compiled code freezes them.
SHAPING_INTERPOLATE: Final = 0
SHAPING_FILTER: Final = 1
ROTATION_LOG: Final = 0
ROTATION_QUATERNION: Final = 1
AXES_BASE: Final = 0
AXES_TCP: Final = 1
DAMPING_RATIO: Final = 0
DAMPING_EXPLICIT: Final = 1
NULL_DYNAMIC: Final = 0
NULL_KINEMATIC: Final = 1

PARAMETERS_DTYPE = np.dtype(
    [
        ("shaping_mode", "i8"),
        ("rotation_error_mode", "i8"),
        ("compliance_axes", "i8"),
        ("damping_mode", "i8"),
        ("null_mode", "i8"),
        ("box_lower_m", "f8", (3,)),
        ("box_upper_m", "f8", (3,)),
        ("target_filter_s", "f8"),
        ("max_linear_speed_m_s", "f8"),
        ("max_angular_speed_rad_s", "f8"),
        ("stiffness", "f8", (6,)),
        ("damping_ratio", "f8"),
        ("damping", "f8", (6,)),
        ("follow_ratio", "f8"),
        ("follow_filter_s", "f8"),
        ("clip_lower", "f8", (6,)),
        ("clip_upper", "f8", (6,)),
        ("integral_gain", "f8", (6,)),
        ("integral_limit", "f8", (6,)),
        ("integral_max_speed", "f8", (6,)),
        ("feed_forward_wrench", "f8", (6,)),
        ("null_posture_rad", "f8", (7,)),
        ("null_stiffness", "f8", (7,)),
        ("null_damping", "f8", (7,)),
        ("null_limit_nm", "f8"),
        ("null_pseudoinverse_damping", "f8"),
        ("singular_ratio", "f8"),
        ("singular_floor", "f8"),
        ("friction_ratio", "f8"),
        ("friction_rest_ratio", "f8"),
        ("friction_coulomb_nm", "f8", (7,)),
        ("friction_viscous_nm_s_rad", "f8", (7,)),
        ("friction_velocity_rad_s", "f8"),
        ("friction_rest_torque_nm", "f8"),
        ("joint_lower_rad", "f8", (7,)),
        ("joint_upper_rad", "f8", (7,)),
        ("joint_margin_rad", "f8"),
        ("joint_repulsion_nm", "f8"),
        ("torque_limit_nm", "f8", (7,)),
        ("torque_step_nm", "f8"),
        ("gain_filter_s", "f8"),
        ("clip_filter_s", "f8"),
        ("ramp_s", "f8"),
    ],
    align=True,
)

INPUT_DTYPE = np.dtype(
    [
        ("joint_positions", "f8", (7,)),
        ("joint_velocities", "f8", (7,)),
        ("tcp_position", "f8", (3,)),
        ("tcp_rotation", "f8", (3, 3)),
        ("jacobian", "f8", (6, 7)),
        ("mass_matrix", "f8", (7, 7)),
        ("coriolis", "f8", (7,)),
        ("previous_torque", "f8", (7,)),
    ],
    align=True,
)
"""What the arm tells the law in a tick; as in `robot_rl.control.impedance.tick`."""

STATE_DTYPE = np.dtype(
    [
        ("shaped_position_m", "f8", (3,)),
        ("shaped_quaternion", "f8", (4,)),
        ("shaped_twist", "f8", (6,)),
        ("from_position_m", "f8", (3,)),
        ("from_quaternion", "f8", (4,)),
        ("goal_position_m", "f8", (3,)),
        ("goal_quaternion", "f8", (4,)),
        ("elapsed_s", "f8"),
        ("duration_s", "f8"),
        ("release_left_s", "f8"),
        ("ramp", "f8"),
        ("null_posture_rad", "f8", (7,)),
        ("stiffness", "f8", (6,)),
        ("damping_ratio", "f8"),
        ("damping", "f8", (6,)),
        ("clip_lower", "f8", (6,)),
        ("clip_upper", "f8", (6,)),
        ("integral_limit", "f8", (6,)),
        ("feed_forward_wrench", "f8", (6,)),
        ("null_stiffness", "f8", (7,)),
        ("null_damping", "f8", (7,)),
        ("integral_wrench", "f8", (6,)),
        ("clipped_error", "f8", (6,)),
        ("commanded_wrench", "f8", (6,)),
        ("tick_count", "i8"),
    ],
    align=True,
)
