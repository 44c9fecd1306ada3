"""Two-valued actions, such as a gripper's, that do not chatter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robot_rl.errors import ConfigError


class Hysteresis:
    """Turns the two-valued actions into their signs, and changes one only after it was asked for several times.

    An action of exactly 0 asks for nothing, as where there is no plan yet: what was commanded stays, and before the
    first command it remains 0, which leaves a gripper alone.
    """

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
        """Forget what was commanded: the next action that asks for something is taken as it is."""
        self._held: NDArray[np.float32] | None = None
        self._asked: NDArray[np.int64] | None = None

    def __call__(self, action: NDArray[np.float32]) -> NDArray[np.float32]:
        """Actions (..., A) with their two-valued elements at -1 or 1, or 0 still; a new array, always of one shape."""
        action = action.copy()
        wanted = np.sign(action[..., self._discrete_A])
        if self._held is None or self._asked is None:
            self._held, self._asked = np.zeros_like(wanted), np.zeros(wanted.shape, np.int64)
        asked = np.where(wanted == self._held, 0, self._asked + 1)
        self._asked = np.where(wanted == 0.0, self._asked, asked)
        is_changed = (self._asked >= self._ticks) | ((self._held == 0.0) & (wanted != 0.0))
        self._held = np.where(is_changed, wanted, self._held)
        self._asked[is_changed] = 0
        action[..., self._discrete_A] = self._held
        return action
