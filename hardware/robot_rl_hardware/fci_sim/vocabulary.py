"""The words of the Franka Control Interface: requests, statuses, modes and errors; `wire` gives them numbers."""

from __future__ import annotations

import enum
from typing import Final


class Request(enum.Enum):
    """What a client can ask for."""

    CONNECT = "Connect"
    MOVE = "Move"
    STOP_MOVE = "StopMove"
    GET_CARTESIAN_LIMIT = "GetCartesianLimit"
    SET_COLLISION_BEHAVIOR = "SetCollisionBehavior"
    SET_JOINT_IMPEDANCE = "SetJointImpedance"
    SET_CARTESIAN_IMPEDANCE = "SetCartesianImpedance"
    SET_GUIDING_MODE = "SetGuidingMode"
    SET_EE_TO_K = "SetEEToK"
    SET_NE_TO_EE = "SetNEToEE"
    SET_LOAD = "SetLoad"
    SET_FILTERS = "SetFilters"
    AUTOMATIC_ERROR_RECOVERY = "AutomaticErrorRecovery"
    GET_ROBOT_MODEL = "GetRobotModel"
    LOAD_MODEL_LIBRARY = "LoadModelLibrary"


class Status(enum.Enum):
    """What came of a request."""

    SUCCESS = "success"
    STARTED = "motion started"
    PREEMPTED = "preempted"
    PREEMPTED_BY_SAFETY = "preempted by a safety function"
    REJECTED_BY_SAFETY = "rejected by a safety function"
    NOT_POSSIBLE = "not possible in this mode"
    SINGULAR = "start at a singular pose"
    INVALID = "invalid argument"
    NEEDS_MANUAL_RECOVERY = "manual recovery required"
    REFLEX = "aborted by a reflex"
    USER_STOP = "aborted by the user stop"
    INPUT_ERROR = "aborted by an error of the input"
    ABORTED = "aborted"


class RobotMode(enum.IntEnum):
    """What the robot is doing."""

    OTHER = 0
    IDLE = 1
    MOVE = 2
    GUIDING = 3
    REFLEX = 4
    USER_STOPPED = 5
    AUTOMATIC_ERROR_RECOVERY = 6


class Generator(enum.IntEnum):
    """Where the motion comes from, as a Move request says it; the state says it one higher, with 0 for idle."""

    JOINT_POSITION = 0
    JOINT_VELOCITY = 1
    CARTESIAN_POSITION = 2
    CARTESIAN_VELOCITY = 3
    NONE = 4


class Controller(enum.IntEnum):
    """Who computes torques; the last one is what the state says when nothing moves."""

    JOINT_IMPEDANCE = 0
    CARTESIAN_IMPEDANCE = 1
    EXTERNAL = 2
    OTHER = 3


ROBOT_ERRORS: Final = (
    "joint_position_limits",
    "cartesian_position_limits",
    "self_collision_avoidance",
    "joint_velocity",
    "cartesian_velocity",
    "force_control_safety",
    "joint_reflex",
    "cartesian_reflex",
    "max_goal_pose_deviation",
    "max_path_pose_deviation",
    "cartesian_velocity_profile_safety",
    "joint_position_mg_start_pose_invalid",
    "joint_mg_position_limits",
    "joint_mg_velocity_limits",
    "joint_mg_velocity_discontinuity",
    "joint_mg_acceleration_discontinuity",
    "cartesian_position_mg_start_pose_invalid",
    "cartesian_mg_elbow_limit",
    "cartesian_mg_velocity_limits",
    "cartesian_mg_velocity_discontinuity",
    "cartesian_mg_acceleration_discontinuity",
    "cartesian_mg_elbow_sign_inconsistent",
    "cartesian_mg_start_elbow_invalid",
    "force_controller_desired_force_tolerance",
    "start_elbow_sign_inconsistent",
    "communication_constraints_violation",
    "power_limit",
    "cartesian_mg_joint_position_limits",
    "cartesian_mg_joint_velocity_limits",
    "cartesian_mg_joint_velocity_discontinuity",
    "cartesian_mg_joint_acceleration_discontinuity",
    "cartesian_position_mg_invalid_frame",
    "controller_torque_discontinuity",
    "joint_p2p_insufficient_torque_for_planning",
    "tau_j_range_violation",
    "instability_detected",
    "joint_move_in_wrong_direction",
    "cartesian_spline",
    "joint_via_planning_limit",
    "base_acceleration_init_timeout",
    "base_acceleration_invalid_reading",
)
"""Names of the errors in a state; the index is the number on the wire."""
