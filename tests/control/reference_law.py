"""The impedance law written once more, slowly: NumPy's eigh and inv, SciPy's rotations, one object, no sharing.

It reads like the formulas of `robot_rl.control.impedance`; only the names of the parameters are common.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from robot_rl.control.impedance import Status
from robot_rl.control.presets import ImpedanceParameters
from robot_rl.geometry import Array


def _fraction(time_constant_s: float, dt_s: float) -> float:
    return 1.0 - np.exp(-dt_s / time_constant_s) if time_constant_s > 0 else 1.0


def symmetric_power(matrix: Array, power: float) -> Array:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * values**power) @ vectors.T


class ReferenceLaw:
    """State of the law between ticks; `tick` returns (torque, status)."""

    GAINS = ("stiffness", "damping", "integral_limit", "feed_forward_wrench", "null_stiffness", "null_damping")
    CLIPS = ("clip_lower", "clip_upper")

    def __init__(self, parameters: ImpedanceParameters, joints: Array, position: Array, rotation: Array) -> None:
        self.set_parameters(parameters)
        self.gain = {name: self.wanted[name].copy() for name in (*self.GAINS, *self.CLIPS)}
        self.zeta = parameters.damping_ratio
        given = np.array(parameters.null_posture_rad)
        self.posture = np.where(np.isnan(given), joints, given)
        self.integral = np.zeros(6)
        self.ramp = 0.0
        self.position, self.rotation = position.copy(), Rotation.from_matrix(rotation)
        self.origin = self.goal = (self.position, self.rotation)
        self.elapsed = self.duration = 0.0
        self.target_twist = np.zeros(6)

    def set_parameters(self, parameters: ImpedanceParameters) -> None:
        self.parameters = parameters
        self.wanted = {name: np.array(getattr(parameters, name), dtype=float) for name in (*self.GAINS, *self.CLIPS)
                       if getattr(parameters, name) is not None}  # fmt: skip
        self.wanted.setdefault("null_damping", 2 * np.sqrt(self.wanted["null_stiffness"]))

    def set_target(self, position: Array, quaternion: Array, duration_s: float) -> None:
        self.origin = (self.position, self.rotation)
        self.goal = (np.array(position), Rotation.from_quat(quaternion))
        self.elapsed, self.duration = 0.0, duration_s

    def _shape(self, dt: float) -> Status:
        p, flags = self.parameters, Status(0)
        goal, goal_rotation = np.clip(self.goal[0], p.box_lower_m, p.box_upper_m), self.goal[1]
        if np.any(goal != self.goal[0]):
            flags |= Status.BOX_CLIPPED
        self.elapsed += dt
        if p.shaping_mode == "filter":
            fraction, (begin, begin_rotation) = _fraction(p.target_filter_s, dt), (self.position, self.rotation)
        else:
            is_over = self.elapsed >= self.duration * (1 - 1e-9)
            fraction = 1.0 if is_over else self.elapsed / self.duration
            begin, begin_rotation = self.origin
        wanted = begin + fraction * (goal - begin)
        turn = (goal_rotation * begin_rotation.inv()).as_rotvec()
        wanted_rotation = Rotation.from_rotvec(fraction * turn) * begin_rotation
        step = wanted - self.position
        length, reach = np.linalg.norm(step), p.max_linear_speed_m_s * dt
        if length > reach * (1 + 1e-9):
            step, flags = step * reach / length, flags | Status.SLEW_LIMITED
        turn = (wanted_rotation * self.rotation.inv()).as_rotvec()
        angle, reach = np.linalg.norm(turn), p.max_angular_speed_rad_s * dt
        if angle > reach * (1 + 1e-9):
            turn, flags = turn * reach / angle, flags | Status.SLEW_LIMITED
        made = np.concatenate([step, turn]) / dt
        self.target_twist = self.target_twist + _fraction(p.follow_filter_s, dt) * (made - self.target_twist)
        self.position = self.position + step
        self.rotation = Rotation.from_rotvec(turn) * self.rotation
        return flags

    def _move_gains(self, dt: float) -> None:
        p = self.parameters
        for names, fraction in (
            (self.GAINS, _fraction(p.gain_filter_s, dt)),
            (self.CLIPS, _fraction(p.clip_filter_s, dt)),
        ):
            for name in names:
                self.gain[name] = self.gain[name] + fraction * (self.wanted[name] - self.gain[name])
        self.zeta += _fraction(p.gain_filter_s, dt) * (p.damping_ratio - self.zeta)
        self.ramp = min(1.0, self.ramp + dt / p.ramp_s) if p.ramp_s > 0 else 1.0

    def _error(self, position: Array, rotation: Array) -> tuple[Array, float, Status]:
        turn = self.rotation * Rotation.from_matrix(rotation).inv()
        is_log = self.parameters.rotation_error_mode == "log"
        angular = turn.as_rotvec() if is_log else turn.as_quat(canonical=True)[:3]
        error = np.concatenate([self.position - position, angular])
        if self.parameters.compliance_axes == "tcp":
            error = np.concatenate([rotation.T @ error[:3], rotation.T @ error[3:]])
        clipped = np.clip(error, self.gain["clip_lower"], self.gain["clip_upper"])
        side = np.where(error > 0, self.gain["clip_upper"], self.gain["clip_lower"])
        use = float(np.max(clipped / side))
        return clipped, use, Status.ERROR_CLIPPED if np.any(clipped != error) else Status(0)

    def tick(
        self, q: Array, qd: Array, position: Array, rotation: Array, jacobian: Array, mass: Array, coriolis: Array,
        previous: Array, dt: float,
    ) -> tuple[Array, Status]:  # fmt: skip
        p = self.parameters
        flags = self._shape(dt)
        self._move_gains(dt)
        error, use, flag = self._error(position, rotation)
        flags |= flag
        J = jacobian
        if p.compliance_axes == "tcp":
            J = np.kron(np.eye(2), rotation.T) @ jacobian
        mass_inverse = np.linalg.inv(mass)
        inverse_inertia = J @ mass_inverse @ J.T
        ratio = np.linalg.det(inverse_inertia) / np.prod(np.diag(inverse_inertia))
        if ratio < p.singular_ratio:
            flags |= Status.NEAR_SINGULAR
            weight = (1 - ratio / p.singular_ratio) ** 2
            inverse_inertia = inverse_inertia + np.diag(
                weight * p.singular_floor * np.diag(inverse_inertia) + 1e-9
            )  # fmt: skip
        inertia = np.linalg.inv(inverse_inertia)

        if p.damping_mode == "ratio":
            S = np.diag(np.sqrt(self.gain["stiffness"]))
            S_inverse = np.linalg.inv(S)
            D = 2 * self.zeta * S @ symmetric_power(S_inverse @ inertia @ S_inverse, 0.5) @ S
        else:
            D = np.diag(self.gain["damping"])
        twist = J @ qd
        is_free = (np.abs(error) < np.where(error > 0, self.gain["clip_upper"], -self.gain["clip_lower"])) & (
            np.abs(twist) <= p.integral_max_speed
        )
        if self.ramp >= 1.0:
            self.integral = self.integral + np.where(is_free, np.array(p.integral_gain) * error * dt, 0.0)
        self.integral = np.clip(self.integral, -self.gain["integral_limit"], self.gain["integral_limit"])
        pull = self.ramp * self.gain["stiffness"] * error + self.integral
        budget = self.gain["stiffness"] * self.gain["clip_lower"], self.gain["stiffness"] * self.gain["clip_upper"]
        spring = np.clip(pull, *budget) + self.ramp * self.gain["feed_forward_wrench"]
        follow = self.target_twist
        if p.compliance_axes == "tcp":
            follow = np.kron(np.eye(2), rotation.T) @ follow
        same_way = np.sign(twist) == np.sign(follow)
        shared = np.where(same_way, np.sign(twist) * np.minimum(np.abs(twist), np.abs(follow)), 0.0)
        torque = (
            J.T @ (spring - D @ (twist - p.follow_ratio * shared))
            + self._null(q, qd, J, mass_inverse, inertia)
            + coriolis
        )
        torque += self._friction(qd, J.T @ spring, use)
        repulsion, flag = self._repulsion(q)
        return self._limit(torque + repulsion, previous, flags | flag)

    def _null(self, q: Array, qd: Array, J: Array, mass_inverse: Array, inertia: Array) -> Array:
        p = self.parameters
        posture = self.ramp * self.gain["null_stiffness"] * (self.posture - q) - self.gain["null_damping"] * qd
        posture = np.clip(posture, -p.null_limit_nm, p.null_limit_nm)
        if p.null_mode == "dynamic":
            J_bar = mass_inverse @ J.T @ inertia
            return (np.eye(7) - J.T @ J_bar.T) @ posture
        u, s, vt = np.linalg.svd(J.T, full_matrices=False)
        pseudo_inverse = (vt.T * (s / (s * s + p.null_pseudoinverse_damping**2))) @ u.T
        return (np.eye(7) - J.T @ pseudo_inverse) @ posture

    def _friction(self, qd: Array, pull: Array, use: float) -> Array:
        p = self.parameters
        coulomb = np.array(p.friction_coulomb_nm)
        viscous = p.friction_ratio * np.array(p.friction_viscous_nm_s_rad) * qd
        if p.friction_rest_torque_nm == 0:
            return viscous + p.friction_ratio * coulomb * np.tanh(qd / p.friction_velocity_rad_s)
        return viscous + p.friction_rest_ratio * coulomb * (1 - use**2) * np.tanh(pull / p.friction_rest_torque_nm)

    def _repulsion(self, q: Array) -> tuple[Array, Status]:
        p = self.parameters
        if p.joint_margin_rad == 0:
            return np.zeros(7), Status(0)
        below = np.array(p.joint_lower_rad) + p.joint_margin_rad - q
        above = q - np.array(p.joint_upper_rad) + p.joint_margin_rad
        depth = np.clip(below / p.joint_margin_rad, 0, 1) - np.clip(above / p.joint_margin_rad, 0, 1)
        return p.joint_repulsion_nm * depth, Status.JOINT_LIMIT if np.any(depth != 0) else Status(0)

    def _limit(self, torque: Array, previous: Array, flags: Status) -> tuple[Array, Status]:
        limit, step = np.array(self.parameters.torque_limit_nm), self.parameters.torque_step_nm
        if np.any(np.abs(torque) > limit):
            flags |= Status.TORQUE_SATURATED
        torque = np.clip(torque, -limit, limit)
        if np.any(np.abs(torque - previous) > step):
            flags |= Status.RATE_LIMITED
        return previous + np.clip(torque - previous, -step, step), flags
