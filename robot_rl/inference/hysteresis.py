"""Two-valued actions, such as a gripper's, that do not chatter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robot_rl.errors import ConfigError


class Hysteresis:
    """Turns the two-valued actions into their signs, and changes one only after it was asked for several times."""

    def __init__(self, discrete_A: NDArray[np.bool_], ticks: int = 2) -> None:
        """Watch.

        Args:
            discrete_A: which actions are two-valued.
            ticks: consecutive ticks that must ask for a change; 1 changes at once.

        Raises:
            ConfigError: fewer ticks than one.
        """
        if ticks < 1:
            raise ConfigError(f"hysteresis needs at least 1 tick, got {ticks}.")
        self._discrete_A, self._ticks = discrete_A, ticks
        self.reset()

    def reset(self) -> None:
        """Forget what was commanded: the next action is taken as it is."""
        size = int(self._discrete_A.sum())
        self._held = np.zeros(size, np.float32)
        self._asked = np.zeros(size, np.int64)

    def __call__(self, action_A: NDArray[np.float32]) -> NDArray[np.float32]:
        """The action with its two-valued elements at -1 or 1; a new array."""
        action_A = action_A.copy()
        if not self._held.size:
            return action_A
        wanted = np.where(action_A[self._discrete_A] < 0.0, -1.0, 1.0).astype(np.float32)
        self._asked = np.where(wanted == self._held, 0, self._asked + 1)
        is_changed = (self._asked >= self._ticks) | (self._held == 0.0)
        self._held = np.where(is_changed, wanted, self._held)
        self._asked[is_changed] = 0
        action_A[self._discrete_A] = self._held
        return action_A
