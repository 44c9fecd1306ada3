"""What the drivers need of the library that speaks with a robot: all that differs between an FR3 and a Panda."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from robot_rl.errors import UnknownNameError
from robot_rl.geometry import Array
from robot_rl_hardware.franka.settings import ROBOTS

Step = Callable[[Any, int], tuple[list[float], bool]]
"""A millisecond of a motion: from a state, and how many milliseconds it came after the one before it, to the torques
without gravity [Nm] and whether they are the last ones."""


class Model(Protocol):
    """Kinematics and dynamics of the arm with what it carries."""

    def read(self, state: Any, numbers: Array) -> Array:
        """Write what belongs to a state.

        Args:
            state: a `RobotState`.
            numbers: one after the other the mass matrix without the rotors' inertia ([kg m^2], 7 x 7), and Coriolis and
                centrifugal torques ([Nm], 7). Shape (56,), written.

        Returns:
            The axes of the joints, as of `axes.find_axes`.
        """
        ...


class Connection(Protocol):
    """A connection to a robot.

    Attributes:
        robot: the library's `Robot`. Only what both libraries name alike is used of it: `read_once`,
            `set_collision_behavior`, `set_load`, `automatic_error_recovery`.
        model: of this robot.
    """

    robot: Any
    model: Model

    def set_stiffness_frame(self, tool_to_stiffness: list[float]) -> None:
        """Set where the robot estimates forces: a transform, by columns, shape (16,)."""
        ...

    def move(self, step: Step) -> None:
        """Command torques, a step for each state, until the last ones; whatever `step` raises ends the motion."""
        ...


class Library(Protocol):
    """A library.

    Attributes:
        errors: what it raises, and we of a robot: nothing else is a fault of the robot, but one of the program.
        purpose: its name, and which robots it is for.
        advice: what to do where a robot is not one of them.
    """

    errors: tuple[type[Exception], ...]
    purpose: str
    advice: str

    def connect(self, host: str) -> Connection:
        """Connect to an arm. Raises one of `errors`."""
        ...

    def connect_hand(self, host: str) -> Any:
        """The library's `Gripper`, which both name alike. Raises one of `errors`."""
        ...


def load_library(robot: str) -> Library:
    """The library for one of `ROBOTS`.

    Raises:
        SetupError: it is not installed.
        UnknownNameError: there is no such robot.
    """
    if robot == "fr3":
        from robot_rl_hardware.franka.fr3 import FR3Library

        return FR3Library()
    if robot == "panda":
        from robot_rl_hardware.franka.panda import PandaLibrary

        return PandaLibrary()
    raise UnknownNameError("robot", robot, ROBOTS)
