"""Pick up a cube: the task that needs the gripper."""

from __future__ import annotations

from typing import ClassVar

import mujoco
import numpy as np

from robot_rl.geometry import Array, Pose, quaternion_exp
from robot_rl.sim import franka
from robot_rl.sim.tasks import parts
from robot_rl.sim.tasks.task import TOOL_DOWN, Goal, SimTask, View

CUBE_HALF_M = 0.02
_LIFT_M = 0.08
_ABOVE_M = 0.05
_ALIGNED_M = 0.006
_ALIGNED_RAD = 0.12
_RADIUS_M = 0.05
_CUBE, _CUBE_JOINT = "cube", "cube_free"


class PickCube(SimTask):
    """Grasp a 4 cm cube and lift it 8 cm."""

    name: ClassVar[str] = "pick_cube"
    grasp_width_m: ClassVar[float] = franka.MAX_GRIPPER_WIDTH_M

    def add_to(self, spec: mujoco.MjSpec) -> None:
        """A free cube."""
        cube = spec.worldbody.add_body(name=_CUBE, pos=[0.5, 0.0, CUBE_HALF_M])
        cube.add_freejoint(name=_CUBE_JOINT)
        corner = np.full(3, CUBE_HALF_M)
        geom = parts.add_box(cube, -corner, corner, franka.OBJECT, parts.TOOL_RGBA, mass=0.1)
        geom.friction = (1.0, 0.01, 0.001)

    def nominal_target(self) -> Array:
        """In front of the robot; the target is the cube's centre."""
        return np.array([0.5, 0.0, CUBE_HALF_M])

    def place_target(self) -> None:
        """Lay the cube down."""
        self.simulation.set_free_body_pose(_CUBE_JOINT, self.target)

    def _follow_cube(self) -> None:
        """The target moves with the cube; of its orientation only the yaw matters, and that only by quarter turns."""
        pose = self.simulation.body_pose(_CUBE)
        x_axis = pose.rotation[:, int(np.argmax(np.linalg.norm(pose.rotation[:2], axis=0)))]
        yaw = float(np.arctan2(x_axis[1], x_axis[0]))
        quarter = 0.5 * np.pi
        yaw -= quarter * round(yaw / quarter)
        self.target = Pose(pose.position, TOOL_DOWN) @ Pose(quaternion=quaternion_exp([0.0, 0.0, -yaw]))

    def seen(self, view: View) -> tuple[Pose, Pose]:
        """(T_base_cube, T_tcp_tip) as seen through `view`."""
        self._follow_cube()
        return super().seen(view)

    @property
    def estimated_target_pose(self) -> Pose:
        """T_base_cube as the policy is told, where the cube is now."""
        self._follow_cube()
        return super().estimated_target_pose

    def is_success(self) -> bool:
        """The cube is up."""
        return bool(self.simulation.body_pose(_CUBE).position[2] > CUBE_HALF_M + _LIFT_M)

    def find_goal(self, view: View) -> Goal:
        """Above the cube, down, close, up."""
        tip = self.tip_in_target(view)
        lateral_m = float(np.hypot(tip.position[0], tip.position[1]))
        angle_rad = float(np.linalg.norm(tip.rotation_vector))
        depth_m = float(tip.position[2])
        is_over = lateral_m < _ALIGNED_M and angle_rad < _ALIGNED_RAD
        is_around = is_over and abs(depth_m) < 0.008
        width_m = self.simulation.width_m
        is_gripped = is_around and width_m < 2.0 * CUBE_HALF_M + 0.002
        height_m = float(self.simulation.body_pose(_CUBE).position[2]) - CUBE_HALF_M
        remaining_m = max(_LIFT_M - height_m, 0.0)
        if is_gripped:
            lifted = self.simulation.tcp_pose().position + np.array([0.0, 0.0, 0.03])
            goal = Pose(lifted, self.to_tcp(Pose(), view).quaternion)
            return Goal(goal, -1.0, remaining_m)
        remaining_m += abs(depth_m) + lateral_m + _RADIUS_M * angle_rad + 0.5 * max(width_m - 2 * CUBE_HALF_M, 0.0)
        if is_around:
            return Goal(self.to_tcp(Pose(), view), -1.0, remaining_m)
        goal_depth_m = 0.0 if is_over else -_ABOVE_M
        return Goal(self.to_tcp(Pose(np.array([0.0, 0.0, goal_depth_m])), view), 1.0, remaining_m)
