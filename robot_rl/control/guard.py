"""The guard between whoever commands an arm and the arm: what it does not let through stops the arm.

The environment's safety filter shapes commands so that they keep the limits; what is stored as executed is what it
let through. The guard therefore never changes a command: one that breaks a limit comes from something broken, and
ends in a stop with a reason. Its limits are a little wider than the filter's, so that rounding and a tick of
latency do not end episodes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from robot_rl.clock import NS_PER_S
from robot_rl.control.safety import SafetyLimits
from robot_rl.geometry import Array, Pose
from robot_rl.types import ArmState, Reason


@dataclass(frozen=True)
class Violation:
    """A broken limit: the reason, and the culprit in words with its value and the limit."""

    reason: Reason
    detail: str


@dataclass(frozen=True)
class GuardMargins:
    """How much wider than the safety filter's the guard's limits are.

    Attributes:
        distance_m: of box and step.
        angle_rad: of cone and step.
        share: of force and torque, since the filter relaxes the arm first and that takes a moment, and of the speeds,
            since the arm overtakes its equilibrium pose where something lets go of it.
        age_s: of commands.
    """

    distance_m: float = 0.02
    angle_rad: float = 0.1
    share: float = 1.0
    age_s: float = 0.1

    def widen(self, limits: SafetyLimits) -> SafetyLimits:
        """The limits of a guard behind a filter with these."""
        factor = 1.0 + self.share
        x, y, z = limits.box_lower_m
        upper_x, upper_y, upper_z = limits.box_upper_m
        return replace(
            limits,
            box_lower_m=(x - self.distance_m, y - self.distance_m, z - self.distance_m),
            box_upper_m=(upper_x + self.distance_m, upper_y + self.distance_m, upper_z + self.distance_m),
            max_tilt_rad=limits.max_tilt_rad + self.angle_rad,
            max_step_m=limits.max_step_m + self.distance_m,
            max_step_rad=limits.max_step_rad + self.angle_rad,
            max_speed_m_s=limits.max_speed_m_s * factor,
            max_speed_rad_s=limits.max_speed_rad_s * factor,
            max_force_n=limits.max_force_n * factor,
            max_torque_nm=limits.max_torque_nm * factor,
            max_command_age_s=limits.max_command_age_s + self.age_s,
        )


class Guard:
    """Judges commands and states one after the other; remembers nothing but the limits.

    Attributes:
        limits: beyond which it stops the arm. They may be replaced.
    """

    def __init__(self, filtered: SafetyLimits, margins: GuardMargins | None = None) -> None:
        """Guard an arm whose commands pass a filter with the limits `filtered`."""
        self.limits = (margins or GuardMargins()).widen(filtered)

    def check_command(self, pose: Pose, stamp_ns: int, state: ArmState, now_ns: int) -> Violation | None:
        """What is wrong with an equilibrium pose (T_base_tcp), if anything.

        Args:
            pose: commanded; its numbers need not be finite.
            stamp_ns: start of the policy period that it belongs to.
            state: newest state of the arm.
            now_ns: present time, on the clock of the stamps.
        """
        limits, values = self.limits, pose.to_vector()
        if not np.isfinite(values).all():
            return Violation(Reason.NOT_FINITE, f"commanded pose {pose.position}, {pose.quaternion} is not finite")
        age_s = (now_ns - stamp_ns) / NS_PER_S
        if abs(age_s) > limits.max_command_age_s:  # a stamp of the future: the clocks disagree
            return _exceeded(Reason.STALE_COMMAND, "command age", age_s, limits.max_command_age_s, "s")
        relative = state.tcp_pose.inverse() @ pose
        step_m = float(np.linalg.norm(pose.position - state.tcp_pose.position))
        if step_m > limits.max_step_m:
            return _exceeded(Reason.STEP, "distance", step_m, limits.max_step_m, "m")
        step_rad = float(np.linalg.norm(relative.rotation_vector))
        if step_rad > limits.max_step_rad:
            return _exceeded(Reason.STEP, "angle", step_rad, limits.max_step_rad, "rad")
        return self._check_place(pose)

    def check_state(self, state: ArmState) -> Violation | None:
        """What is wrong with how the arm is, if anything."""
        limits = self.limits
        values = np.concatenate([state.tcp_pose.to_vector(), state.tcp_twist_base, state.tcp_wrench])
        if not np.isfinite(values).all():
            return Violation(Reason.NOT_FINITE, f"measured pose, twist and wrench {values} are not finite")
        for reason, what, value, limit, unit in (
            (Reason.WRENCH, "force", state.tcp_wrench[:3], limits.max_force_n, "N"),
            (Reason.WRENCH, "torque", state.tcp_wrench[3:], limits.max_torque_nm, "Nm"),
            (Reason.SPEED, "speed", state.tcp_twist_base[:3], limits.max_speed_m_s, "m/s"),
            (Reason.SPEED, "angular speed", state.tcp_twist_base[3:], limits.max_speed_rad_s, "rad/s"),
        ):
            if _norm(value) > limit:
                return _exceeded(reason, what, _norm(value), limit, unit)
        return None

    def _check_place(self, pose: Pose) -> Violation | None:
        limits = self.limits
        excess_m = _norm(np.clip(pose.position, limits.box_lower_m, limits.box_upper_m) - pose.position)
        if excess_m > 0.0:
            lower, upper = ([round(x, 4) for x in corner] for corner in (limits.box_lower_m, limits.box_upper_m))
            position = [round(float(x), 4) for x in pose.position]
            return Violation(
                Reason.WORKSPACE, f"position {position} m is {excess_m:.4g} m outside the box {lower} to {upper} m"
            )
        tool_axis, wanted = pose.rotation[:, 2], np.asarray(limits.tool_axis_base)
        tilt_rad = float(np.arctan2(_norm(np.cross(tool_axis, wanted)), tool_axis @ wanted))
        if tilt_rad > limits.max_tilt_rad:
            return _exceeded(Reason.ORIENTATION, "tilt", tilt_rad, limits.max_tilt_rad, "rad")
        return None


def _norm(vector: Array) -> float:
    return float(np.linalg.norm(vector))


def _exceeded(reason: Reason, what: str, value: float, limit: float, unit: str) -> Violation:
    return Violation(reason, f"{what} {value:.4g} {unit} exceeds {limit:.4g} {unit}")
