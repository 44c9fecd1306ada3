"""The joint-space parts of the impedance law: posture, friction, joint limits, and the limits of the torque."""

from __future__ import annotations

import math

import numpy as np

from robot_rl.control import kernels
from robot_rl.control.kernels import compiled
from robot_rl.control.records import NULL_DYNAMIC, Status
from robot_rl.geometry import Array

_TORQUE_SATURATED = int(Status.TORQUE_SATURATED)
_RATE_LIMITED = int(Status.RATE_LIMITED)
_NOT_FINITE = int(Status.NOT_FINITE)
_JOINT_LIMIT = int(Status.JOINT_LIMIT)
_FLOOR = 1e-9


@compiled
def null_torque(
    parameters: np.void,
    state: np.void,
    joint_positions: Array,
    joint_velocities: Array,
    rows: Array,
    whitened: Array,
    inertia: Array,
    factor: Array,
    torque: Array,
) -> None:
    """torque = (I - J^T Jbar^T) tau_posture, or the kinematic (I - J^T pinv(J^T)) tau_posture.

    Both are I - J^T (Y Y^T)^-1 Y W with Y the Jacobian whitened by W: W = L^-1 of M = L L^T, or W = 1.
    """
    limit = parameters["null_limit_nm"]
    for j in range(7):
        value = (
            state["ramp"] * state["null_stiffness"][j] * (state["null_posture_rad"][j] - joint_positions[j])
            - state["null_damping"][j] * joint_velocities[j]
        )
        torque[j] = min(max(value, -limit), limit)
    weighted, multiplier = torque.copy(), np.zeros(6)
    if parameters["null_mode"] == NULL_DYNAMIC:
        kernels.forward_solve(inertia, weighted)
    else:
        whitened, factor = rows, np.empty((6, 6))
        gram = np.empty((6, 6))
        for i in range(6):
            for j in range(i + 1):
                gram[i, j] = 0.0
                for k in range(7):
                    gram[i, j] += rows[i, k] * rows[j, k]
            gram[i, i] += max(parameters["null_pseudoinverse_damping"] ** 2, _FLOOR)
        if not kernels.cholesky(gram, factor):
            torque[:] = 0.0
            return
    for i in range(6):
        for k in range(7):
            multiplier[i] += whitened[i, k] * weighted[k]
    kernels.forward_solve(factor, multiplier)
    kernels.backward_solve(factor, multiplier)
    for i in range(6):
        for j in range(7):
            torque[j] -= rows[i, j] * multiplier[i]


@compiled
def friction(parameters: np.void, j: int, velocity: float, spring_torque: float, use: float) -> float:
    """Compensation [Nm] of the friction of joint j; `use` is the largest part of a clip that an axis uses.

    The Coulomb part takes the sign of what the spring pulls at, not of the velocity: only so does it help at rest,
    and it is no negative damping (where friction is less than modelled, a velocity sign makes an arm without
    friction cycle over 3 mm in free space, and chatter in contact). It fades as an axis uses up its clip, so that in
    a hard contact the force budget is the spring's alone. Without a `friction_rest_torque_nm` it is the usual model
    by velocity.
    """
    coulomb = parameters["friction_coulomb_nm"][j]
    viscous = parameters["friction_viscous_nm_s_rad"][j] * velocity
    scale = parameters["friction_rest_torque_nm"]
    if scale > 0.0:
        part = parameters["friction_rest_ratio"] * (1.0 - use * use) * math.tanh(spring_torque / scale)
    else:
        part = parameters["friction_ratio"] * math.tanh(velocity / parameters["friction_velocity_rad_s"])
    return float(parameters["friction_ratio"] * viscous + coulomb * part)


@compiled
def repel(parameters: np.void, j: int, position: float, torque: Array) -> int:
    """Add the torque that pushes joint j out of the margin of its limits: a linear ramp, full at the limit."""
    margin = parameters["joint_margin_rad"]
    above = position - (parameters["joint_upper_rad"][j] - margin)
    below = parameters["joint_lower_rad"][j] + margin - position
    if margin <= 0.0 or (above <= 0.0 and below <= 0.0):
        return 0
    strength = parameters["joint_repulsion_nm"]
    torque[j] += strength * (min(max(below / margin, 0.0), 1.0) - min(max(above / margin, 0.0), 1.0))
    return _JOINT_LIMIT


@compiled
def limit(parameters: np.void, previous_torque: Array, torque: Array, is_release: bool) -> int:
    """Saturation, then the rate limit: last, so that it holds whatever came before.

    In a release, all joints change by the same share of what is asked. Joint by joint, the wrench on its way would not
    lie between the old one and the new: an arm that lets go of what it pushes at would first push harder. It is no
    rule for ever, as one joint that chatters would keep all others.
    """
    flags = 0
    longest = 0.0
    step = parameters["torque_step_nm"]
    for j in range(7):
        limit = parameters["torque_limit_nm"][j]
        if abs(torque[j]) > limit:
            torque[j] = math.copysign(limit, torque[j])
            flags |= _TORQUE_SATURATED
        longest = max(longest, abs(torque[j] - previous_torque[j]))
    if longest > step:
        flags |= _RATE_LIMITED
        for j in range(7):
            change = torque[j] - previous_torque[j]
            if is_release:
                change *= step / longest
            if is_release or abs(change) > step:
                torque[j] = previous_torque[j] + min(max(change, -step), step)
    return flags


@compiled
def fade(parameters: np.void, previous_torque: Array, torque: Array) -> int:
    """Torque of a tick without usable input: towards zero, as fast as the rate limit allows."""
    step = parameters["torque_step_nm"]
    for j in range(7):
        previous = previous_torque[j]
        torque[j] = previous - min(max(previous, -step), step) if abs(previous) < math.inf else 0.0
    return _NOT_FINITE
