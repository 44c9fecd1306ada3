"""What peg and plug share: something in the hand has to go into a hole."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from robot_rl.geometry import Array, Pose, quaternion_exp
from robot_rl.sim.tasks import parts
from robot_rl.sim.tasks.task import Goal, SimTask, View

_HOVER_M = 0.006
"""Height above the rim at which the script aligns before it goes in."""
_ALIGNED_M = 0.0006
_ALIGNED_RAD = 0.015
_INSIDE_M = 0.002
"""Depth from which on the walls guide."""
_PUSH_M = 0.005
"""How far beyond the present depth the script aims. Not farther: the device's range is shared by all axes, and a
large push would drown the small corrections beside it."""
_RADIUS_M = 0.05
"""Lever with which remaining rotation counts as remaining path."""


class InsertionTask(SimTask):
    """A tool in the hand, a fixture on the table."""

    tool_body: ClassVar[str]
    fixture_body: ClassVar[str]
    fixture_height_m: ClassVar[float]
    """From the table to the rim [m]."""
    success_depth_m: ClassVar[float]
    """Depth of the tip below the rim from which the part is home [m]."""

    def nominal_target(self) -> Array:
        """In front of the robot, at the rim's height."""
        return np.array([0.5, 0.0, self.fixture_height_m])

    def draw_parts(self, generator: np.random.Generator) -> None:
        """Move the tool a little in the fingers."""
        config = self.config
        error = generator.uniform(-1, 1, 6)
        self._in_hand = Pose(
            error[:3] * config.in_hand_position_error_m, quaternion_exp(error[3:] * config.in_hand_rotation_error_rad)
        )
        self.simulation.set_body_pose(self.tool_body, parts.tool_pose_in_hand(self._in_hand))

    def place_target(self) -> None:
        """Move the fixture, whose own z points up while the target's points down."""
        up = self.target @ Pose(quaternion=np.array([1.0, 0.0, 0.0, 0.0]))
        self.simulation.set_body_pose(self.fixture_body, up)

    def true_tip(self) -> Pose:
        """T_tcp_tip with the error of the grasp."""
        return self._in_hand @ self.nominal_tip()

    def is_success(self) -> bool:
        """The tip is deep enough, and where the hole is."""
        tip = self.tip_in_target(View.TRUTH).position
        return bool(tip[2] >= self.success_depth_m and np.hypot(tip[0], tip[1]) < 0.003)

    def find_goal(self, view: View) -> Goal:
        """Align above the rim, then push straight in."""
        tip = self.tip_in_target(view)
        depth_m = float(tip.position[2])
        lateral_m = float(np.hypot(tip.position[0], tip.position[1]))
        angle_rad = float(np.linalg.norm(tip.rotation_vector))
        is_aligned = lateral_m < _ALIGNED_M and angle_rad < _ALIGNED_RAD
        if depth_m > _INSIDE_M or is_aligned:
            goal_depth_m = min(depth_m, self.success_depth_m) + _PUSH_M
        elif depth_m > -0.5 * _HOVER_M and lateral_m < 2.0 * _ALIGNED_M and angle_rad < 2.0 * _ALIGNED_RAD:
            goal_depth_m = depth_m + _PUSH_M  # nearly right and at the rim: keep on, the bevel helps
        else:
            goal_depth_m = -_HOVER_M
        remaining_m = max(self.success_depth_m - depth_m, 0.0) + lateral_m + _RADIUS_M * angle_rad
        return Goal(self.to_tcp(Pose(np.array([0.0, 0.0, goal_depth_m])), view), 0.0, remaining_m)
