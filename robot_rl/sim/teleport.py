"""The reset that only a simulator can do: the robot is simply there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Never, Protocol

from robot_rl.clock import Clock
from robot_rl.geometry import Pose
from robot_rl.robot.robot import Robot
from robot_rl.sim.kinematics import solve_joints
from robot_rl.sim.simulation import Simulation


class Scene(Protocol):
    """What a task is to a reset."""

    def arrange(self, seed: int) -> Pose:
        """Arrange the scene; return the start pose T_base_tcp."""
        ...


class TeleportReset:
    """Puts the simulated robot at the start pose at rest.

    One tick passes, so that nothing that was measured before can be taken for the present.
    """

    def __init__(self, simulation: Simulation, scene: Scene, start_width_m: float) -> None:
        self._simulation, self._scene = simulation, scene
        self._start_width_m = start_width_m

    def steps(self, robot: Robot, clock: Clock, safety: object, seed: int) -> Iterator[Never]:
        """Have the scene arranged, and stand where the episode starts: at once, with no step to wait for."""
        del robot, clock, safety  # nothing is commanded: objects do not mind where the robot was
        joints = solve_joints(self._simulation.model, self._scene.arrange(seed))
        self._simulation.place_robot(joints, self._start_width_m)
        self._simulation.advance(1)
        return iter(())
