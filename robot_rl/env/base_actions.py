"""What an environment asks of a frozen base policy: its action for every observation, whoever has the robot."""

from __future__ import annotations

from typing import Protocol

from robot_rl.types import TimeStep


class BaseActions(Protocol):
    """A base policy beside an environment."""

    def begin(self, seed: int | None) -> None:
        """An episode begins; with a seed, all that is random about the base policy's actions follows from it."""
        ...

    def attach(self, time_step: TimeStep) -> TimeStep:
        """The same time step, with the base policy's action in its observation; asked for each, also the last."""
        ...

    def close(self) -> None:
        """Nobody will ask any more."""
        ...
