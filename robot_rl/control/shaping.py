"""What changes slowly in the impedance law: its target on the way to the goal, and its gains on the way to new ones."""

from __future__ import annotations

import math

import numpy as np

from robot_rl.control import kernels
from robot_rl.control.kernels import compiled
from robot_rl.control.records import SHAPING_FILTER, Status
from robot_rl.geometry import Array

_BOX_CLIPPED = int(Status.BOX_CLIPPED)
_SLEW_LIMITED = int(Status.SLEW_LIMITED)
_LARGEST_INPUT = 1e6
_ROUNDING = 1e-9
_RELEASE_S = 0.1  # within which even a joint's largest torque is gone at the usual 0.9 Nm a millisecond


@compiled
def start(
    parameters: np.void, state: np.void, joint_positions: Array, tcp_position: Array, tcp_rotation: Array
) -> bool:
    """Begin from the present pose: no spring force, no integral, stiffness ramping in from zero.

    Args:
        parameters, state: records; `state` is written.
        joint_positions: [rad], (7,). tcp_position: base frame [m], (3,). tcp_rotation: R_base_tcp, (3, 3).

    Returns:
        False, with the state untouched, if an input is unusable.
    """
    if not (
        kernels.is_bounded(joint_positions, _LARGEST_INPUT)
        and kernels.is_bounded(tcp_position, _LARGEST_INPUT)
        and kernels.is_bounded(tcp_rotation, _LARGEST_INPUT)
        and kernels.is_rotation(tcp_rotation)
    ):
        return False
    state["shaped_position_m"][:] = tcp_position
    kernels.matrix_quaternion(tcp_rotation, state["shaped_quaternion"])
    state["shaped_twist"][:] = 0.0
    for i in range(7):
        given = parameters["null_posture_rad"][i]
        state["null_posture_rad"][i] = joint_positions[i] if math.isnan(given) else given
    state["release_left_s"] = 0.0
    state["integral_wrench"][:] = 0.0
    state["clipped_error"][:] = 0.0
    state["commanded_wrench"][:] = 0.0
    state["tick_count"] = 0
    state["damping_ratio"] = parameters["damping_ratio"]
    move_gains(parameters, state, math.inf)
    state["ramp"] = 0.0
    _hold(state)
    return True


@compiled
def _hold(state: np.void) -> None:
    """Make the shaped target the goal."""
    state["from_position_m"][:] = state["shaped_position_m"]
    state["goal_position_m"][:] = state["shaped_position_m"]
    state["from_quaternion"][:] = state["shaped_quaternion"]
    state["goal_quaternion"][:] = state["shaped_quaternion"]
    state["elapsed_s"] = 0.0
    state["duration_s"] = 0.0


@compiled
def set_target(state: np.void, position: Array, quaternion: Array, duration_s: float) -> bool:
    """New equilibrium pose (base frame [m]; x, y, z, w), reached `duration_s` from now, from where the target is now.

    Returns:
        False, with the state untouched, if the pose is not finite, the quaternion zero or the duration negative.
    """
    if not (kernels.is_bounded(position, _LARGEST_INPUT) and kernels.is_bounded(quaternion, _LARGEST_INPUT)):
        return False
    norm = math.sqrt(
        quaternion[0] * quaternion[0]
        + quaternion[1] * quaternion[1]
        + quaternion[2] * quaternion[2]
        + quaternion[3] * quaternion[3]
    )
    if norm < 1e-6 or not 0.0 <= duration_s <= _LARGEST_INPUT:
        return False
    _hold(state)
    state["duration_s"] = duration_s
    shaped = state["shaped_quaternion"]
    same = 0.0
    for i in range(4):
        same += quaternion[i] * shaped[i]
    scale = -1.0 / norm if same < 0.0 else 1.0 / norm  # stay on the half sphere of the present target
    for i in range(4):
        state["goal_quaternion"][i] = scale * quaternion[i]
    state["goal_position_m"][:] = position
    return True


@compiled
def rest_at(state: np.void, position: Array, quaternion: Array) -> bool:
    """The spring rests at this pose (base frame [m]; x, y, z, w) from the next tick on, with nothing left of before.

    Neither a way there, for which the slew limit would keep the push of a far target alive, nor an integral. The
    torque's rate limit is what keeps it smooth; see `joint_torques.limit` for the release.

    Returns:
        False, with the state untouched, if the pose is not finite or the quaternion zero.
    """
    if not set_target(state, position, quaternion, 0.0):
        return False
    state["shaped_position_m"][:] = state["goal_position_m"]
    state["shaped_quaternion"][:] = state["goal_quaternion"]
    _hold(state)
    state["shaped_twist"][:] = 0.0
    state["integral_wrench"][:] = 0.0
    state["release_left_s"] = _RELEASE_S
    return True


@compiled
def shape_target(parameters: np.void, state: np.void, dt_s: float) -> int:
    """Move the shaped target by one tick: box, interpolation or filter, slew limit. Returns status flags."""
    flags = 0
    goal = np.empty(3)
    before, before_turn = state["shaped_position_m"].copy(), state["shaped_quaternion"].copy()
    for i in range(3):
        wanted = state["goal_position_m"][i]
        goal[i] = min(max(wanted, parameters["box_lower_m"][i]), parameters["box_upper_m"][i])
        if goal[i] != wanted:
            flags |= _BOX_CLIPPED
    position, quaternion = np.empty(3), np.empty(4)
    state["elapsed_s"] = state["elapsed_s"] + dt_s
    if parameters["shaping_mode"] == SHAPING_FILTER:
        fraction = filter_fraction(parameters["target_filter_s"], dt_s)
        _between(
            state["shaped_position_m"], state["shaped_quaternion"], goal, state["goal_quaternion"],
            fraction, position, quaternion,
        )  # fmt: skip
    else:
        fraction = 1.0
        if state["elapsed_s"] < state["duration_s"] * (1.0 - _ROUNDING):  # a sum of ticks is rarely exact
            fraction = state["elapsed_s"] / state["duration_s"]
        _between(
            state["from_position_m"], state["from_quaternion"], goal, state["goal_quaternion"],
            fraction, position, quaternion,
        )  # fmt: skip
    flags |= _slew(parameters, state, position, quaternion, dt_s)
    _measure_twist(parameters, state, before, before_turn, dt_s)
    return flags


@compiled
def _measure_twist(parameters: np.void, state: np.void, position: Array, quaternion: Array, dt_s: float) -> None:
    """Twist of the shaped target in base axes, filtered, from where it was a tick ago."""
    twist = state["shaped_twist"]
    turn, vector = np.empty(4), np.empty(3)
    kernels.quaternion_difference(state["shaped_quaternion"], quaternion, turn)
    kernels.rotation_vector(turn, vector)
    fraction = filter_fraction(parameters["follow_filter_s"], dt_s)
    for i in range(3):
        speed = (state["shaped_position_m"][i] - position[i]) / dt_s
        twist[i] += fraction * (speed - twist[i])
        twist[3 + i] += fraction * (vector[i] / dt_s - twist[3 + i])


@compiled
def _between(
    from_position: Array,
    from_quaternion: Array,
    to_position: Array,
    to_quaternion: Array,
    fraction: float,
    position: Array,
    quaternion: Array,
) -> None:
    """Pose at `fraction` of the straight line and the shorter turn (slerp); at 1 exactly the end."""
    if fraction >= 1.0:
        position[:] = to_position
        quaternion[:] = to_quaternion
        return
    for i in range(3):
        position[i] = from_position[i] + fraction * (to_position[i] - from_position[i])
    turn, vector = np.empty(4), np.empty(3)
    kernels.quaternion_difference(to_quaternion, from_quaternion, turn)
    kernels.rotation_vector(turn, vector)
    kernels.rotate_quaternion(from_quaternion, vector, fraction, quaternion)


@compiled
def _slew(parameters: np.void, state: np.void, position: Array, quaternion: Array, dt_s: float) -> int:
    """Move the shaped target to a pose, or as far towards it as the speed limits allow."""
    flags = 0
    shaped = state["shaped_position_m"]
    distance = 0.0
    for i in range(3):
        distance += (position[i] - shaped[i]) ** 2
    distance = math.sqrt(distance)
    reach = parameters["max_linear_speed_m_s"] * dt_s
    if distance > reach * (1.0 + _ROUNDING):
        flags |= _SLEW_LIMITED
        for i in range(3):
            shaped[i] += (position[i] - shaped[i]) * (reach / distance)
    else:
        shaped[:] = position
    turn, vector = np.empty(4), np.empty(3)
    kernels.quaternion_difference(quaternion, state["shaped_quaternion"], turn)
    angle = kernels.rotation_vector(turn, vector)
    reach = parameters["max_angular_speed_rad_s"] * dt_s
    if angle > reach * (1.0 + _ROUNDING):
        flags |= _SLEW_LIMITED
        kernels.rotate_quaternion(state["shaped_quaternion"], vector, reach / angle, state["shaped_quaternion"])
    else:
        state["shaped_quaternion"][:] = quaternion
    return flags


@compiled
def filter_fraction(time_constant_s: float, dt_s: float) -> float:
    """Part of the way that a first-order filter goes in one tick; 1 without a time constant."""
    return 1.0 - math.exp(-dt_s / time_constant_s) if time_constant_s > 0.0 else 1.0


@compiled
def _approach(value: Array, goal: Array, fraction: float) -> None:
    """value += fraction * (goal - value); what is not finite (an infinite clip) is taken over at once."""
    for i in range(value.size):
        step = goal[i] - value[i]
        value[i] = value[i] + fraction * step if fraction < 1.0 and abs(step) < math.inf else goal[i]


@compiled
def move_gains(parameters: np.void, state: np.void, dt_s: float) -> None:
    """Move the gains in force towards the parameters, and the ramp towards 1, by one tick."""
    fraction = filter_fraction(parameters["gain_filter_s"], dt_s)
    _approach(state["stiffness"], parameters["stiffness"], fraction)
    _approach(state["damping"], parameters["damping"], fraction)
    _approach(state["integral_limit"], parameters["integral_limit"], fraction)
    _approach(state["feed_forward_wrench"], parameters["feed_forward_wrench"], fraction)
    _approach(state["null_stiffness"], parameters["null_stiffness"], fraction)
    _approach(state["null_damping"], parameters["null_damping"], fraction)
    state["damping_ratio"] += fraction * (parameters["damping_ratio"] - state["damping_ratio"])
    fraction = filter_fraction(parameters["clip_filter_s"], dt_s)
    _approach(state["clip_lower"], parameters["clip_lower"], fraction)
    _approach(state["clip_upper"], parameters["clip_upper"], fraction)
    ramp_s = parameters["ramp_s"]
    state["ramp"] = min(1.0, state["ramp"] + dt_s / ramp_s) if ramp_s > 0.0 else 1.0
