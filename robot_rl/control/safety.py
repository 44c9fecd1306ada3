"""The last word on every command: workspace, steps, speeds, wrench, staleness. Nothing is changed silently."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot_rl.clock import NS_PER_S
from robot_rl.errors import DeviceError
from robot_rl.geometry import Array, Pose, quaternion_exp, quaternion_multiply
from robot_rl.types import ArmState, Correction, Reason, RobotCommand


@dataclass(frozen=True)
class SafetyLimits:
    """What a command may ask for.

    Attributes:
        box_lower_m, box_upper_m: workspace of the TCP in base axes [m].
        tool_axis_base: direction in which the tool shall point (its z axis), unit, base axes.
        max_tilt_rad: half angle of the cone around it.
        max_step_m, max_step_rad: distance of a command from the measured pose.
        max_speed_m_s, max_speed_rad_s: speed of the equilibrium pose from command to command. Not above what the
            impedance presets allow their target: what the law cuts off, nobody would write down as not executed.
        max_force_n, max_torque_nm: measured wrench above which the arm is relaxed (it rests where it is).
        max_command_age_s, max_state_age_s: older ones are stale.
    """

    box_lower_m: tuple[float, float, float] = (0.25, -0.4, 0.0)
    box_upper_m: tuple[float, float, float] = (0.75, 0.4, 0.6)
    tool_axis_base: tuple[float, float, float] = (0.0, 0.0, -1.0)
    max_tilt_rad: float = 0.52
    max_step_m: float = 0.05
    max_step_rad: float = 0.3
    max_speed_m_s: float = 0.25
    max_speed_rad_s: float = 1.0
    max_force_n: float = 60.0
    max_torque_nm: float = 15.0
    max_command_age_s: float = 0.2
    max_state_age_s: float = 0.1


@dataclass(frozen=True)
class FilteredCommand:
    """A command that may be sent, and what was changed to make it so."""

    command: RobotCommand
    corrections: tuple[Correction, ...]


class SafetyFilter:
    """Corrects commands one after the other; it remembers only the last command that it let through.

    Attributes:
        limits: see there.
        period_s: between two commands.
    """

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        self.limits = limits
        self.period_s = period_s
        self._last: RobotCommand | None = None
        self._origin = Pose()  # where the equilibrium pose was when the last command was sent, and when that was
        self._sent_ns = 0

    def reset(self) -> None:
        """Forget the last command: an episode, or a new motion, starts."""
        self._last = None

    def filter(self, command: RobotCommand, state: ArmState, now_ns: int) -> FilteredCommand:
        """Return the nearest command that respects the limits, with a reason for each change.

        Args:
            command: what is wanted.
            state: newest state of the arm.
            now_ns: present time, on the clock of the stamps.
        """
        corrections: list[Correction] = []
        hold_reason = self._find_reason_to_hold(command, state, now_ns)
        if hold_reason is not None:
            corrections.append(hold_reason)
            pose, width_m = self._hold_pose(hold_reason, state), None
        else:
            pose, width_m = command.pose, command.width_m
            pose = self._limit_step(pose, state.tcp_pose, corrections)
            pose = self._limit_speed(pose, state.tcp_pose, command.stamp_ns, now_ns, corrections)
            pose = self._limit_tilt(pose, corrections)
            pose = self._limit_box(pose, corrections)
        filtered = RobotCommand(pose, command.stamp_ns, width_m)
        self._origin, self._sent_ns, self._last = self._find_target(state.tcp_pose, now_ns), now_ns, filtered
        return FilteredCommand(filtered, tuple(corrections))

    def find_unreachable(self, measured: Pose) -> Correction | None:
        """Why no command leads back from where the arm is: it lies farther outside box or cone than a step may go.

        None where one does. `filter` keeps box and cone wherever the arm is; from there, its command would be a jump.
        """
        corrections: list[Correction] = []
        self._limit_box(self._limit_tilt(measured, corrections), corrections)
        steps = {Reason.WORKSPACE: self.limits.max_step_m, Reason.ORIENTATION: self.limits.max_step_rad}
        return next((found for found in corrections if found.amount > steps[found.reason]), None)

    def _find_reason_to_hold(self, command: RobotCommand, state: ArmState, now_ns: int) -> Correction | None:
        limits = self.limits
        values = np.concatenate([command.pose.position, command.pose.quaternion, [command.width_m or 0.0]])
        if not np.isfinite(values).all():
            return Correction(Reason.NOT_FINITE, float("nan"), f"commanded pose {values} is not finite")
        if not np.isfinite(state.tcp_pose.to_vector()).all():
            return Correction(Reason.NOT_FINITE, float("nan"), f"measured pose {state.tcp_pose} is not finite")
        command_age_s = (now_ns - command.stamp_ns) / NS_PER_S
        if abs(command_age_s) > limits.max_command_age_s:  # a stamp of the future: the clocks disagree
            return _exceeded(Reason.STALE_COMMAND, "command age", command_age_s, limits.max_command_age_s, "s")
        state_age_s = (now_ns - state.stamp_ns) / NS_PER_S
        if abs(state_age_s) > limits.max_state_age_s:
            return _exceeded(Reason.STALE_STATE, "state age", state_age_s, limits.max_state_age_s, "s")
        force_n = float(np.linalg.norm(state.tcp_wrench[:3]))
        if not force_n <= limits.max_force_n:
            return _exceeded(Reason.WRENCH, "force", force_n, limits.max_force_n, "N")
        torque_nm = float(np.linalg.norm(state.tcp_wrench[3:]))
        if not torque_nm <= limits.max_torque_nm:
            return _exceeded(Reason.WRENCH, "torque", torque_nm, limits.max_torque_nm, "Nm")
        return None

    def _hold_pose(self, reason: Correction, state: ArmState) -> Pose:
        """Where to rest: under too much force at the measured pose, which lets go; else where it rests already.

        An old state says nothing about where the arm is now, so the last good command is the better rest pose.
        """
        if reason.reason is Reason.WRENCH or self._last is None:
            if not np.isfinite(state.tcp_pose.to_vector()).all():
                raise DeviceError(f"The arm reports {state.tcp_pose}, and there is no earlier command to hold.")
            return state.tcp_pose
        return self._last.pose

    def _limit_step(self, pose: Pose, measured: Pose, corrections: list[Correction]) -> Pose:
        return _limit_distance(
            pose, measured, self.limits.max_step_m, self.limits.max_step_rad, Reason.STEP, corrections
        )

    def _limit_speed(
        self, pose: Pose, measured: Pose, stamp_ns: int, now_ns: int, corrections: list[Correction]
    ) -> Pose:
        """Stay within what the target can still reach until the command's period ends, from where it is now."""
        remaining_s = self.period_s - max(now_ns - stamp_ns, 0) / NS_PER_S
        if remaining_s <= 0.0:  # late, but not stale: the arm takes it as a jump, and its law slews there
            remaining_s = self.period_s
        return _limit_distance(
            pose,
            self._find_target(measured, now_ns),
            self.limits.max_speed_m_s * remaining_s,
            self.limits.max_speed_rad_s * remaining_s,
            Reason.SPEED,
            corrections,
        )

    def _find_target(self, measured: Pose, now_ns: int) -> Pose:
        """Where the equilibrium pose is on its way to the last command; without one, where the arm is."""
        if self._last is None:
            return measured
        start_ns, end_ns = self._sent_ns, self._last.stamp_ns + round(self.period_s * NS_PER_S)
        if not start_ns <= now_ns < end_ns:  # it was there, also where the clock was set back since
            return self._last.pose
        share = (now_ns - start_ns) / (end_ns - start_ns)
        return self._origin.interpolate(self._last.pose, share)

    def _limit_tilt(self, pose: Pose, corrections: list[Correction]) -> Pose:
        wanted = np.asarray(self.limits.tool_axis_base)
        tool_axis = pose.rotation[:, 2]
        axis = np.cross(tool_axis, wanted)
        tilt_rad = float(np.arctan2(np.linalg.norm(axis), tool_axis @ wanted))
        excess_rad = tilt_rad - self.limits.max_tilt_rad
        if excess_rad <= 1e-12:
            return pose
        corrections.append(_exceeded(Reason.ORIENTATION, "tilt", tilt_rad, self.limits.max_tilt_rad, "rad"))
        length = float(np.linalg.norm(axis))
        if length < 1e-9:  # upside down: every way back is as short; take the one about the tool's own x axis
            axis, length = pose.rotation[:, 0], 1.0
        turn = quaternion_exp(axis / length * excess_rad)
        return Pose(pose.position, quaternion_multiply(turn, pose.quaternion))

    def _limit_box(self, pose: Pose, corrections: list[Correction]) -> Pose:
        inside = np.clip(pose.position, self.limits.box_lower_m, self.limits.box_upper_m)
        excess_m = float(np.linalg.norm(inside - pose.position))
        if excess_m == 0.0:
            return pose
        corrections.append(
            Correction(
                Reason.WORKSPACE,
                excess_m,
                f"position {_rounded(pose.position)} m is outside the box "
                f"{list(self.limits.box_lower_m)} to {list(self.limits.box_upper_m)} m",
            )
        )
        return Pose(inside, pose.quaternion)


def _exceeded(reason: Reason, what: str, value: float, limit: float, unit: str) -> Correction:
    return Correction(reason, value - limit, f"{what} {value:.4g} {unit} exceeds {limit:.4g} {unit}")


def _rounded(vector: Array) -> list[float]:
    return [round(float(x), 4) for x in vector]


def _limit_distance(
    pose: Pose, origin: Pose, max_m: float, max_rad: float, reason: Reason, corrections: list[Correction]
) -> Pose:
    """Pull `pose` towards `origin` until it is no farther than the limits."""
    offset = pose.position - origin.position
    distance_m = float(np.linalg.norm(offset))
    rotation_vector = (origin.inverse() @ pose).rotation_vector
    angle_rad = float(np.linalg.norm(rotation_vector))
    position, quaternion = pose.position, pose.quaternion
    if distance_m > max_m * (1 + 1e-9):
        corrections.append(_exceeded(reason, "distance", distance_m, max_m, "m"))
        position = origin.position + offset * (max_m / distance_m)
    if angle_rad > max_rad * (1 + 1e-9):
        corrections.append(_exceeded(reason, "angle", angle_rad, max_rad, "rad"))
        turn = quaternion_exp(rotation_vector * (max_rad / angle_rad))
        quaternion = quaternion_multiply(origin.quaternion, turn)
    return Pose(position, quaternion)
