"""A person who judges, and leaves the robot alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from robot_rl.robot.protocols import Teleop
from robot_rl.types import Button, Command


class OnlyButtons:
    """The buttons of a device, without its motions: for evaluations that a person watches."""

    def __init__(self, teleop: Teleop, heeded: frozenset[Button] = frozenset(Button)) -> None:
        """Pass on the buttons `heeded`."""
        self._teleop, self._heeded = teleop, heeded

    def reset(self, seed: int | None = None) -> None:
        """An episode starts."""
        self._teleop.reset(seed)

    def read(self) -> Command | None:
        """What is pressed now."""
        command = self._teleop.read()
        if command is None:
            return None
        return replace(command, twist_base=np.zeros(6), gripper=0.0, buttons=command.buttons & self._heeded)
