"""Reach a pose in free space: the smallest task there is, for trying things out."""

from __future__ import annotations

from typing import ClassVar

import mujoco
import numpy as np

from robot_rl.geometry import Array, Pose
from robot_rl.sim import franka
from robot_rl.sim.tasks import parts
from robot_rl.sim.tasks.task import Goal, SimTask, View

_TOLERANCE_M = 0.004
_TOLERANCE_RAD = 0.04
_RADIUS_M = 0.05
_MARKER = "reach_target"


class Reach(SimTask):
    """Bring the fingertips to a pose shown by a marker, to 4 mm and 0.04 rad."""

    name: ClassVar[str] = "reach"

    def add_to(self, spec: mujoco.MjSpec) -> None:
        """A marker that nothing touches: a small cross with a pointer along its x."""
        marker = parts.add_fixture(spec, _MARKER)
        for half in ((0.02, 0.002, 0.002), (0.002, 0.02, 0.002), (0.002, 0.002, 0.02)):
            corner = np.array(half)
            parts.add_box(marker, -corner, corner, franka.NO_COLLISION, parts.TIP_RGBA)
        parts.add_box(marker, [0.02, -0.004, -0.004], [0.028, 0.004, 0.004], franka.NO_COLLISION, parts.TOOL_RGBA)

    def nominal_target(self) -> Array:
        """In front of the robot, above the table."""
        return np.array([0.5, 0.0, 0.2])

    def place_target(self) -> None:
        """Move the marker."""
        self.simulation.set_body_pose(_MARKER, self.target)

    def is_success(self) -> bool:
        """Position and orientation within tolerance."""
        error = self.tip_in_target(View.TRUTH)
        return bool(
            np.linalg.norm(error.position) < _TOLERANCE_M and np.linalg.norm(error.rotation_vector) < _TOLERANCE_RAD
        )

    def find_goal(self, view: View) -> Goal:
        """Straight there."""
        error = self.tip_in_target(view)
        remaining_m = float(np.linalg.norm(error.position) + _RADIUS_M * np.linalg.norm(error.rotation_vector))
        return Goal(self.to_tcp(Pose(), view), 0.0, remaining_m)
