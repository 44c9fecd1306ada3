"""A task at a place that was measured: what is known of it on a real robot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot_rl.geometry import Array, Pose
from robot_rl.robot.robot import RobotReading
from robot_rl.types import Outcome


@dataclass(frozen=True)
class Place:
    """Where the target is, and what is brought there.

    Attributes:
        target: T_base_target; its z axis points into the target.
        tip: T_tcp_tip, of what is in the hand.
        start_height_m: how far before the target the tip is when an episode starts.
        success_depth_m: depth of the tip at which the task counts as solved; infinite where the pose does not tell.
        success_radius_m: how far beside the target's axis the tip may be then.
    """

    target: Pose
    tip: Pose
    start_height_m: float
    success_depth_m: float
    success_radius_m: float


class PlacedTask:
    """Knows the arm's pose and the place, and nothing else of the scene, which a person arranges."""

    estimate_size = 6

    def __init__(self, name: str, place: Place) -> None:
        self.name, self._place = name, place

    def arrange(self, seed: int) -> Pose:
        """T_base_tcp at the start of an episode: the tip before the target. See `resets.Scene`."""
        del seed  # where an episode starts is varied around this: `resets.RandomStart`
        before = Pose(np.array([0.0, 0.0, -self._place.start_height_m]))
        return self._place.target @ before @ self._place.tip.inverse()

    def estimate(self, reading: RobotReading) -> Array:
        """Pose of the tip in the target's frame: position [m], rotation vector [rad]. Shape (6,)."""
        return self._tip_in_target(reading).to_vector()

    def evaluate(self, reading: RobotReading) -> Outcome:
        """Sparse: reward 1 and the end when the tip is where it belongs."""
        x, y, depth = self._tip_in_target(reading).position
        is_success = bool(depth >= self._place.success_depth_m and np.hypot(x, y) <= self._place.success_radius_m)
        return Outcome(1.0, is_terminal=True, is_success=True) if is_success else Outcome()

    def _tip_in_target(self, reading: RobotReading) -> Pose:
        return self._place.target.inverse() @ reading.state.tcp_pose @ self._place.tip
