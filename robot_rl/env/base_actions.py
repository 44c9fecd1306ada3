"""What is asked of a frozen base policy: by an environment, its answer to every observation, whoever has the robot."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from robot_rl.specs import EnvironmentSpec
from robot_rl.types import TimeStep


class BaseActions(Protocol):
    """A base policy beside an environment."""

    def extend(self, spec: EnvironmentSpec) -> EnvironmentSpec:
        """The spec of an environment whose observations have the base policy's answers in them."""
        ...

    def begin(self, seed: int | None) -> None:
        """An episode begins; with a seed, all that is random about the base policy's actions follows from it."""
        ...

    def attach(self, time_step: TimeStep) -> TimeStep:
        """The same time step, with the base policy's answer in its observation; asked for each, also the last."""
        ...

    def replan(self, noise_A: NDArray[np.float32]) -> NDArray[np.float32]:
        """The chunk (K, A) that it makes of this noise, from what it was asked about last."""
        ...

    def close(self) -> None:
        """Nobody will ask any more."""
        ...
