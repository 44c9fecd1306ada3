"""The reset as a script: straight lines at a known speed, the way a real robot does it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from robot_rl.clock import Clock, to_ns
from robot_rl.control.safety import SafetyFilter
from robot_rl.env.resets import Progress, Scene, distance, stop_out_of_reach
from robot_rl.errors import ConfigError
from robot_rl.geometry import Array, Pose
from robot_rl.robot.protocols import Arm, PosturedArm, TaredArm
from robot_rl.robot.robot import Robot
from robot_rl.types import RobotCommand

_ARRIVED_M, _ARRIVED_RAD = 0.01, 0.05
"""Nearer to the start than this, the episode may begin."""

_BEAT_S = 0.1
"""How often it says how far it is, where nothing is commanded."""
_STEP_SHARE = 0.5
"""Of the longest step that is allowed from where the arm is: it lags behind."""


@dataclass(frozen=True)
class Posture:
    """Where the elbow belongs. Over many episodes it drifts, since nobody commands it, until a joint meets its limit.

    Attributes:
        joint_positions_rad: seven, that the null space of the arm's impedance returns to.
        every: how many episodes lie between two returns, on average: which they are follows from their seeds, so that
            an episode that is played again is the same.
        speed_rad_s: of the fastest joint.
    """

    joint_positions_rad: tuple[float, ...]
    every: int
    speed_rad_s: float = 0.3

    def is_due(self, seed: int) -> bool:
        """Whether it is taken before the episode of this seed."""
        return seed % self.every == 0


@dataclass(frozen=True)
class ScriptedReset:
    """Let go, lift, have the scene arranged, go above the start, lower, wait until the arm is there, and tare it.

    Attributes:
        scene: arranged in between.
        lift_m: how far to pull back along the tool's axis from where the episode ended.
        speed_m_s, speed_rad_s: of the moves.
        settle_s: rest at the end, before a tare, and after the gripper has opened.
        preset: impedance while moving.
        start_width_m: gripper opening at the start; None to leave the gripper alone.
        posture: taken after the lift, now and then.
    """

    scene: Scene
    lift_m: float = 0.1
    speed_m_s: float = 0.2
    speed_rad_s: float = 1.0
    settle_s: float = 0.5
    preset: str = "precision"
    start_width_m: float | None = None
    posture: Posture | None = None

    def steps(self, robot: Robot, clock: Clock, safety: SafetyFilter, seed: int) -> Iterator[Progress]:
        """See Procedure."""
        stop_out_of_reach(robot, safety)
        yield from self.retreat(robot, clock, safety)
        yield from self.go_to_start(robot, clock, safety, seed)

    def go_to_start(self, robot: Robot, clock: Clock, safety: SafetyFilter, seed: int) -> Iterator[Progress]:
        """From where the robot is clear of the scene: have it arranged, and go to the start."""
        if self.posture is not None and self.posture.is_due(seed):
            yield from self._take_posture(robot.arm, clock, self.posture)
        yield from self.approach(robot, clock, safety, self.scene.arrange(seed))

    def retreat(self, robot: Robot, clock: Clock, safety: SafetyFilter) -> Iterator[Progress]:
        """Pull back by `lift_m`, opening the gripper first when the task starts with it open."""
        robot.arm.set_impedance(self.preset)
        if self.start_width_m is not None and robot.gripper is not None:
            robot.gripper.set_width(self.start_width_m)
            yield from self._wait(clock, "letting go")
        pose = robot.arm.state().tcp_pose
        yield from self._move(robot.arm, clock, safety, pose @ Pose(np.array([0.0, 0.0, -self.lift_m])), "lifting")

    def approach(self, robot: Robot, clock: Clock, safety: SafetyFilter, start_pose: Pose) -> Iterator[Progress]:
        """Move above the start, then onto it, and settle; for as long as it takes, which `TimedReset` limits.

        Raises:
            DeviceError: the arm has a tare, and refuses it.
        """
        robot.arm.set_impedance(self.preset)
        above = start_pose @ Pose(np.array([0.0, 0.0, -0.5 * self.lift_m]))
        yield from self._move(robot.arm, clock, safety, above, "returning")
        yield from self._move(robot.arm, clock, safety, start_pose, "lowering")
        yield from self._wait(clock, "settling")
        while True:
            metres, radians = distance(robot.arm.state().tcp_pose, start_pose)
            if metres <= _ARRIVED_M and radians <= _ARRIVED_RAD:
                break
            self._command(robot.arm, clock, safety, start_pose)
            phase = f"{100 * metres:.1f} cm and {radians:.2f} rad off the start"
            yield Progress(phase, 1.0, clock.now_ns() + to_ns(safety.period_s))
        if isinstance(robot.arm, TaredArm):  # what it feels here, it feels without touching anything
            yield from self._wait(clock, "resting before the tare")
            while not robot.arm.tare():
                yield Progress("coming to rest", 1.0, clock.now_ns() + to_ns(_BEAT_S))

    def _take_posture(self, arm: Arm, clock: Clock, posture: Posture) -> Iterator[Progress]:
        """Turn the elbow while the tool stays."""
        if not isinstance(arm, PosturedArm):
            raise ConfigError(f"{type(arm).__name__} has no posture to be set; use reset.posture_every=0.")
        start: Array = arm.state().joint_positions
        way = np.asarray(posture.joint_positions_rad) - start
        count = _count(float(np.abs(way).max()) / posture.speed_rad_s / _BEAT_S)
        for number in range(1, count + 1):
            arm.set_posture(start + way * (number / count))
            yield Progress("taking the posture", number / count, clock.now_ns() + to_ns(_BEAT_S))
        yield from self._wait(clock, "settling in the posture")

    def _move(self, arm: Arm, clock: Clock, safety: SafetyFilter, goal: Pose, phase: str) -> Iterator[Progress]:
        """Straight line at constant speed, one waypoint a period; nobody would know of what the filter cuts off."""
        safety.reset()  # a new motion from where the arm is
        start = arm.state().tcp_pose
        metres, radians = distance(start, goal)
        step_m = min(self.speed_m_s * safety.period_s, _STEP_SHARE * safety.limits.max_step_m)
        step_rad = min(self.speed_rad_s * safety.period_s, _STEP_SHARE * safety.limits.max_step_rad)
        count = _count(max(metres / step_m, radians / step_rad))
        for number in range(1, count + 1):
            now_ns = self._command(arm, clock, safety, start.interpolate(goal, number / count))
            yield Progress(phase, number / count, now_ns + to_ns(safety.period_s))

    def _command(self, arm: Arm, clock: Clock, safety: SafetyFilter, pose: Pose) -> int:
        """Send what is safe of it; return when."""
        now_ns = clock.now_ns()
        command = safety.filter(RobotCommand(pose, now_ns), arm.state(), now_ns).command
        arm.set_equilibrium_pose(command.pose, now_ns)
        return now_ns

    def _wait(self, clock: Clock, phase: str) -> Iterator[Progress]:
        count = _count(self.settle_s / _BEAT_S)
        for number in range(1, count + 1):
            yield Progress(phase, number / count, clock.now_ns() + to_ns(self.settle_s / count))


def _count(steps: float) -> int:
    """Whole steps, at least one; what is one by rounding alone is none."""
    return max(1, int(np.ceil(steps - 1e-9)))
