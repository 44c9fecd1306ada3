"""The Cartesian impedance law: one compiled `tick`, 1000 times a second, on a real arm as in simulation.

    e   = clip(log(x_target, x_tcp))                                    per axis and sign: K clip is the force budget
    F   = K e - D (J q' - v_follow) + integral + feed-forward           D: damping ratio zeta in every mode
    tau = J^T F + (I - J^T Jbar^T) tau_null + coriolis + friction + joint-limit repulsion
    then saturation, and last the rate limit against the previously commanded torque.

Gravity is not in the torque: the robot adds it. The Jacobian is that of the TCP point in base axes (v, omega rows).
Nothing is allocated that outlives a tick, nothing is mutated except `state` and `torque`.

Sources: Hogan 1985 (impedance control); Albu-Schaeffer et al., ICRA 2003 (damping, null space); Khatib 1987
(dynamically consistent projector); Nakamura & Hanafusa 1986 (damping near singularities). The same code with other
parameters is the law of serl_franka_controllers (preset `serl`).
"""

from __future__ import annotations

import numpy as np

from robot_rl.control import joint_torques, kernels, task_inertia
from robot_rl.control.kernels import compiled
from robot_rl.control.records import (
    AXES_TCP,
    DAMPING_RATIO,
    PARAMETERS_DTYPE,
    ROTATION_QUATERNION,
    STATE_DTYPE,
    Status,
)
from robot_rl.control.shaping import move_gains, rest_at, set_target, shape_target, start
from robot_rl.geometry import Array

__all__ = ["PARAMETERS_DTYPE", "STATE_DTYPE", "Status", "rest_at", "set_target", "start", "tick"]

_ERROR_CLIPPED = int(Status.ERROR_CLIPPED)
_NOT_FINITE = int(Status.NOT_FINITE)
_LARGEST_INPUT = 1e6
_LARGEST_PERIOD_S = 0.1
_SOFTEST = 1e-3  # [N/m, Nm/rad]: an axis without a spring still needs a scale for its damping


@compiled
def tick(
    parameters: np.void,
    state: np.void,
    joint_positions: Array,
    joint_velocities: Array,
    tcp_position: Array,
    tcp_rotation: Array,
    jacobian: Array,
    mass_matrix: Array,
    coriolis: Array,
    previous_torque: Array,
    dt_s: float,
    torque: Array,
) -> int:
    """Advance the law by one tick. All arrays C-contiguous float64.

    Args:
        parameters, state: records of PARAMETERS_DTYPE and STATE_DTYPE; `state` is advanced.
        joint_positions, joint_velocities: [rad], [rad/s], (7,).
        tcp_position, tcp_rotation: T_base_tcp, [m], (3,) and (3, 3).
        jacobian: twist (v, omega) of the TCP in base axes per joint velocity, (6, 7).
        mass_matrix: [kg m^2], (7, 7). coriolis: C(q, q') q' [Nm], (7,).
        previous_torque: last commanded torque without gravity (the robot's own record of it) [Nm], (7,).
        dt_s: time since the last tick.
        torque: output [Nm], (7,).

    Returns:
        Flags of `Status`. With NOT_FINITE the state is untouched and the torque fades to zero.
    """
    rows, whitened = np.empty((6, 7)), np.empty((6, 7))
    inertia, inverse = np.empty((7, 7)), np.empty((6, 6))
    is_usable = 0.0 < dt_s <= _LARGEST_PERIOD_S and _is_usable(
        joint_positions, joint_velocities, tcp_position, tcp_rotation, jacobian, mass_matrix, coriolis,
        previous_torque,
    )  # fmt: skip
    if not is_usable or not kernels.cholesky(mass_matrix, inertia):
        return joint_torques.fade(parameters, previous_torque, torque)
    is_tcp = parameters["compliance_axes"] == AXES_TCP
    rows[:] = jacobian
    if is_tcp:
        for j in range(7):
            kernels.rotate_back(tcp_rotation, rows[:, j])
    for i in range(6):
        whitened[i] = rows[i]
        kernels.forward_solve(inertia, whitened[i])
    factor = np.empty((6, 6))
    flags = task_inertia.inverse_task_inertia(parameters, whitened, inverse, factor)
    if flags & _NOT_FINITE:
        return joint_torques.fade(parameters, previous_torque, torque)

    flags |= shape_target(parameters, state, dt_s)
    move_gains(parameters, state, dt_s)
    use, flag = _clipped_error(parameters, state, tcp_position, tcp_rotation, is_tcp)
    flags |= flag
    twist = np.zeros(6)
    for i in range(6):
        for j in range(7):
            twist[i] += rows[i, j] * joint_velocities[j]
    spring = _spring_wrench(parameters, state, twist, dt_s)
    wrench = state["commanded_wrench"]
    _unbraked(parameters, state, tcp_rotation, is_tcp, twist)
    _subtract_damping(parameters, state, inverse, twist, spring, wrench)

    joint_torques.null_torque(
        parameters, state, joint_positions, joint_velocities, rows, whitened, inertia, factor, torque
    )
    spring_torque = np.zeros(7)
    for i in range(6):
        for j in range(7):
            torque[j] += rows[i, j] * wrench[i]
            spring_torque[j] += rows[i, j] * spring[i]
    for j in range(7):
        torque[j] += coriolis[j] + joint_torques.friction(parameters, j, joint_velocities[j], spring_torque[j], use)
        flags |= joint_torques.repel(parameters, j, joint_positions[j], torque)
    state["tick_count"] += 1
    is_release = state["release_left_s"] > 0.0
    state["release_left_s"] = max(0.0, state["release_left_s"] - dt_s)
    return flags | joint_torques.limit(parameters, previous_torque, torque, is_release)


@compiled
def _is_usable(
    joint_positions: Array,
    joint_velocities: Array,
    tcp_position: Array,
    tcp_rotation: Array,
    jacobian: Array,
    mass_matrix: Array,
    coriolis: Array,
    previous_torque: Array,
) -> bool:
    """Whether the law may compute with these. The bound keeps every later product finite."""
    return bool(
        kernels.is_bounded(joint_positions, _LARGEST_INPUT)
        and kernels.is_bounded(joint_velocities, _LARGEST_INPUT)
        and kernels.is_bounded(tcp_position, _LARGEST_INPUT)
        and kernels.is_bounded(tcp_rotation, _LARGEST_INPUT)
        and kernels.is_bounded(jacobian, _LARGEST_INPUT)
        and kernels.is_bounded(mass_matrix, _LARGEST_INPUT)
        and kernels.is_bounded(coriolis, _LARGEST_INPUT)
        and kernels.is_bounded(previous_torque, _LARGEST_INPUT)
        and kernels.is_rotation(tcp_rotation)
    )


@compiled
def _clipped_error(
    parameters: np.void, state: np.void, tcp_position: Array, tcp_rotation: Array, is_tcp: bool
) -> tuple[float, int]:
    """Pose error in compliance axes, clipped, into the state.

    Returns:
        (largest part of a clip that an axis uses, in [0, 1]; flags).
    """
    error = state["clipped_error"]
    present, turn = np.empty(4), np.empty(4)
    kernels.matrix_quaternion(tcp_rotation, present)
    kernels.quaternion_difference(state["shaped_quaternion"], present, turn)
    if parameters["rotation_error_mode"] == ROTATION_QUATERNION:
        error[3:] = turn[:3]
    else:
        kernels.rotation_vector(turn, error[3:])
    for i in range(3):
        error[i] = state["shaped_position_m"][i] - tcp_position[i]
    if is_tcp:
        kernels.rotate_back(tcp_rotation, error)
    use, flags = 0.0, 0
    for i in range(6):
        limit = state["clip_upper"][i] if error[i] > 0.0 else state["clip_lower"][i]
        if abs(error[i]) > abs(limit):
            error[i] = limit
            use, flags = 1.0, _ERROR_CLIPPED
        elif error[i] != 0.0:
            use = max(use, error[i] / limit)
    return use, flags


@compiled
def _spring_wrench(parameters: np.void, state: np.void, twist: Array, dt_s: float) -> Array:
    """What pulls to the target: spring, integral and feed-forward, in compliance axes (6,) [N, Nm].

    The integral of an axis stands still while its error is clipped, because there the contact, not the law, decides
    what is left of the error; while it moves, because the lag of a motion is no error at rest; and during the ramp,
    where the spring is weaker than it will be.
    """
    ramp = state["ramp"]
    spring = np.empty(6)
    for i in range(6):
        error = state["clipped_error"][i]
        limit = state["integral_limit"][i]
        integral = state["integral_wrench"][i]
        is_inside = state["clip_lower"][i] < error < state["clip_upper"][i]
        if ramp >= 1.0 and is_inside and abs(twist[i]) <= parameters["integral_max_speed"][i]:
            integral += parameters["integral_gain"][i] * error * dt_s
        integral = min(max(integral, -limit), limit)
        state["integral_wrench"][i] = integral
        stiffness = state["stiffness"][i]
        pull = ramp * stiffness * error + integral
        if stiffness > 0.0:  # the integral has no budget of its own
            pull = min(max(pull, stiffness * state["clip_lower"][i]), stiffness * state["clip_upper"][i])
        spring[i] = pull + ramp * state["feed_forward_wrench"][i]
    return spring


@compiled
def _unbraked(parameters: np.void, state: np.void, tcp_rotation: Array, is_tcp: bool, twist: Array) -> None:
    """twist -= `follow_ratio` times the part of it that the target makes too: that much is not to be braked.

    No axis is pushed by it: it never exceeds the arm's own motion, so at rest in contact it is zero, whatever the
    target does, and the force budget stays the spring's.
    """
    target = state["shaped_twist"].copy()
    if is_tcp:
        kernels.rotate_back(tcp_rotation, target)
    for i in range(6):
        shared = min(max(twist[i], min(target[i], 0.0)), max(target[i], 0.0))
        twist[i] -= parameters["follow_ratio"] * shared


@compiled
def _subtract_damping(
    parameters: np.void, state: np.void, inverse: Array, twist: Array, spring: Array, wrench: Array
) -> None:
    """wrench = spring - D twist, in compliance axes. Damping does not ramp: a moving arm is braked at once."""
    damping = np.zeros((6, 6))
    if parameters["damping_mode"] == DAMPING_RATIO:
        stiffness = np.empty(6)
        for i in range(6):
            stiffness[i] = max(state["stiffness"][i], _SOFTEST)
        task_inertia.modal_damping(inverse, stiffness, state["damping_ratio"], damping)
    else:
        for i in range(6):
            damping[i, i] = state["damping"][i]
    for i in range(6):
        wrench[i] = spring[i]
        for j in range(6):
            wrench[i] -= damping[i, j] * twist[j]
