"""The reset that only a simulator can do: the robot is simply there."""

from __future__ import annotations

from robot_rl.clock import Clock
from robot_rl.geometry import Pose
from robot_rl.robot.robot import Robot
from robot_rl.sim.kinematics import solve_joints
from robot_rl.sim.simulation import Simulation


class TeleportReset:
    """Puts the simulated robot at the start pose at rest; no simulated time passes."""

    def __init__(self, simulation: Simulation, start_width_m: float) -> None:
        self._simulation = simulation
        self._start_width_m = start_width_m

    def retreat(self, robot: Robot, clock: Clock, safety: object) -> None:
        """Nothing to do: objects do not mind where the robot was."""
        del robot, clock, safety

    def approach(self, robot: Robot, clock: Clock, safety: object, start_pose: Pose) -> None:
        """Stand at `start_pose` (T_base_tcp)."""
        del robot, clock, safety
        joints = solve_joints(self._simulation.model, start_pose)
        self._simulation.place_robot(joints, self._start_width_m)
