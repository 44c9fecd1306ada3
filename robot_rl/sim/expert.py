"""The scripted expert: solves a task through the same device as a person, with a steady hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot_rl.control.action_map import shrink_into_box
from robot_rl.geometry import Array, Pose
from robot_rl.sim.simulation import Simulation
from robot_rl.sim.tasks.task import Goal, SimTask, View
from robot_rl.types import Command

_GAIN = 2.5
"""The arm covers about half of a commanded delta within a period, and friction eats small ones: ask for more."""


@dataclass(frozen=True)
class Deflection:
    """What a full deflection of the device does in one policy period; a person knows this after a minute."""

    translation_scale_m: float
    rotation_scale_rad: float

    def towards(self, goal: Pose, present: Pose, gain: float = 1.0) -> Array:
        """Normalised (v, omega) in base axes that leads from `present` towards `goal`. Shape (6,)."""
        relative = goal @ present.inverse()
        translation = gain * (goal.position - present.position) / self.translation_scale_m
        rotation = gain * relative.rotation_vector / self.rotation_scale_rad
        return np.concatenate([shrink_into_box(translation), shrink_into_box(rotation)])


class ScriptedExpert:
    """Follows the task's script at every read.

    With `View.TRUTH` it sees the scene as it is; with `View.ESTIMATE` it is the blind script, which believes what
    the policy is told.
    """

    def __init__(self, task: SimTask, deflection: Deflection, view: View = View.TRUTH) -> None:
        self._task, self._deflection, self._view = task, deflection, view

    @property
    def simulation(self) -> Simulation:
        """What it looks at."""
        return self._task.simulation

    def reset(self, seed: int | None = None) -> None:
        """Nothing is remembered between episodes, and nothing is random."""

    def read(self) -> Command:
        """Deflection towards the script's next goal."""
        goal: Goal = self._task.find_goal(self._view)
        twist = self._deflection.towards(goal.tcp_pose, self.simulation.tcp_pose(), _GAIN)
        return Command(twist, self.simulation.now_ns(), goal.gripper)
