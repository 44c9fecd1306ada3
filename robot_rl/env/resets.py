"""How the robot gets from the end of one episode to the start of the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from robot_rl.clock import Clock, to_ns
from robot_rl.control.safety import SafetyFilter
from robot_rl.geometry import Pose
from robot_rl.robot.protocols import Arm
from robot_rl.robot.robot import Robot
from robot_rl.types import RobotCommand


class Scene(Protocol):
    """What is around the robot, which a person, a script or a simulator arranges."""

    def arrange(self, seed: int) -> Pose:
        """Arrange the scene of the next episode, the robot being clear of it; return the start pose T_base_tcp."""
        ...


class Reset(Protocol):
    """Brings robot and scene to the start of an episode."""

    def run(self, robot: Robot, clock: Clock, safety: SafetyFilter, seed: int) -> None:
        """Get clear of the scene, have it arranged from `seed`, and stand still where the episode starts.

        Every command passes through the safety filter.

        Raises:
            StoppedError: the arm stopped on the way.
        """
        ...


@dataclass(frozen=True)
class ScriptedReset:
    """Pull back along the tool's axis, move to the start in a straight line, wait: the way a real robot does it.

    Attributes:
        scene: arranged in between.
        lift_m: how far to pull back from where the episode ended.
        speed_m_s, speed_rad_s: of the moves.
        settle_s: rest at the end.
        preset: impedance while moving.
        start_width_m: gripper opening at the start; None to leave the gripper alone.
        period_s: time between two commands.
    """

    scene: Scene
    lift_m: float = 0.1
    speed_m_s: float = 0.2
    speed_rad_s: float = 1.0
    settle_s: float = 0.5
    preset: str = "precision"
    start_width_m: float | None = None
    period_s: float = 0.1

    def run(self, robot: Robot, clock: Clock, safety: SafetyFilter, seed: int) -> None:
        """Pull back, have the scene arranged, move to the start."""
        self.retreat(robot, clock, safety)
        self.approach(robot, clock, safety, self.scene.arrange(seed))

    def retreat(self, robot: Robot, clock: Clock, safety: SafetyFilter) -> None:
        """Pull back by `lift_m`, opening the gripper first when the task starts with it open."""
        robot.arm.set_impedance(self.preset)
        if self.start_width_m is not None and robot.gripper is not None:
            robot.gripper.set_width(self.start_width_m)
            clock.sleep_until_ns(clock.now_ns() + to_ns(self.settle_s))
        pose = robot.arm.state().tcp_pose
        self._move(robot.arm, clock, safety, pose @ Pose(np.array([0.0, 0.0, -self.lift_m])))

    def approach(self, robot: Robot, clock: Clock, safety: SafetyFilter, start_pose: Pose) -> None:
        """Move above the start, then onto it, and settle."""
        above = start_pose @ Pose(np.array([0.0, 0.0, -0.5 * self.lift_m]))
        self._move(robot.arm, clock, safety, above)
        self._move(robot.arm, clock, safety, start_pose)
        clock.sleep_until_ns(clock.now_ns() + to_ns(self.settle_s))

    def _move(self, arm: Arm, clock: Clock, safety: SafetyFilter, goal: Pose) -> None:
        """Straight line at constant speed, one waypoint a period."""
        safety.reset()  # a new motion from where the arm is
        start = arm.state().tcp_pose
        rotation_vector = (start.inverse() @ goal).rotation_vector
        duration_s = max(
            float(np.linalg.norm(goal.position - start.position)) / self.speed_m_s,
            float(np.linalg.norm(rotation_vector)) / self.speed_rad_s,
        )
        steps = max(1, int(np.ceil(duration_s / self.period_s)))
        for step in range(1, steps + 1):
            waypoint = start.interpolate(goal, step / steps)
            now_ns = clock.now_ns()
            command = safety.filter(RobotCommand(waypoint, now_ns), arm.state(), now_ns).command
            arm.set_equilibrium_pose(command.pose, now_ns)
            clock.sleep_until_ns(now_ns + to_ns(self.period_s))
