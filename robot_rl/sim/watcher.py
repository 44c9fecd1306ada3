"""A scripted person who says when the task is solved."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np

from robot_rl.robot.protocols import Teleop
from robot_rl.sim.simulation import Simulation
from robot_rl.types import Button, Command


class Watched(Protocol):
    """As much of a simulated task as is looked at here."""

    @property
    def simulation(self) -> Simulation:
        """The simulation that the task is attached to."""
        ...

    def is_success(self) -> bool:
        """Whether the task is solved now."""
        ...


class Watcher:
    """Presses the button for success when the task is solved; what the hands do beside that is another's matter."""

    def __init__(self, task: Watched, hands: Teleop | None) -> None:
        """Watch `task`, with `hands` on the device; None where nobody corrects the robot."""
        self._task, self._hands = task, hands

    def reset(self, seed: int | None = None) -> None:
        """An episode starts."""
        if self._hands is not None:
            self._hands.reset(seed)

    def read(self) -> Command | None:
        """What the hands do, and perhaps the button."""
        command = self._hands.read() if self._hands is not None else None
        if not self._task.is_success():
            return command
        if command is None:
            command = Command(np.zeros(6), self._task.simulation.now_ns())
        return replace(command, buttons=command.buttons | {Button.SUCCESS})
