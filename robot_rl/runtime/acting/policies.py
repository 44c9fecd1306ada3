"""Policies that need no learning, and the interface of those that do."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from robot_rl.errors import UnknownNameError
from robot_rl.specs import EnvironmentSpec
from robot_rl.types import Observation

SCRIPTED = ("expert", "blind")
"""Scripts that act through the teleop device; the policy below them asks for nothing."""


class Policy(Protocol):
    """Chooses actions."""

    def reset(self) -> None:
        """An episode starts."""
        ...

    def forget_past(self) -> None:
        """It goes on after a pause: what was seen before has nothing to do with what comes."""
        ...

    def invalidate(self) -> None:
        """A person had the robot in the last time step: what was planned is void, what was seen is not."""
        ...

    def __call__(self, observation: Observation) -> NDArray[np.float32]:
        """Action for an observation, shape (A,)."""
        ...

    def close(self) -> None:
        """Nobody will ask any more."""
        ...


class Memoryless:
    """What a policy without plans and threads need not say."""

    def reset(self) -> None:
        """Nothing to forget."""

    def forget_past(self) -> None:
        """Nothing to forget."""

    def invalidate(self) -> None:
        """Nothing was planned."""

    def close(self) -> None:
        """Nothing to end."""


class ZeroPolicy(Memoryless):
    """Asks for no motion."""

    def __init__(self, spec: EnvironmentSpec) -> None:
        self._action = np.zeros(spec.action_size, np.float32)

    def __call__(self, observation: Observation) -> NDArray[np.float32]:
        """Zeros."""
        del observation
        return self._action


class RandomPolicy(Memoryless):
    """Uniform in the action box."""

    def __init__(self, spec: EnvironmentSpec, seed: int) -> None:
        self._size = spec.action_size
        self._generator = np.random.default_rng(seed)

    def __call__(self, observation: Observation) -> NDArray[np.float32]:
        """A draw from the box."""
        del observation
        return self._generator.uniform(-1.0, 1.0, self._size).astype(np.float32)


def make_policy(name: str, spec: EnvironmentSpec, seed: int) -> Policy:
    """The policy of that name.

    Raises:
        UnknownNameError: no such policy.
    """
    if name in (*SCRIPTED, "zero"):
        return ZeroPolicy(spec)
    if name == "random":
        return RandomPolicy(spec, seed)
    raise UnknownNameError("policy", name, (*SCRIPTED, "zero", "random"))
