"""A base policy alone for a random time, then what corrects it (probe, learn, distil, arXiv 2511.00091)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robot_rl.errors import SpecError
from robot_rl.runtime.acting.policies import Policy
from robot_rl.types import Observation


class Hybrid:
    """So the corrected part of an episode begins where the base policy comes to, also in its failures."""

    def __init__(self, corrected: Policy, longest_steps: int, seed: int) -> None:
        """Act.

        Args:
            corrected: the corrector's policy, on observations with the base policy's action in them.
            longest_steps: the base policy acts alone for 0 to so many control steps, drawn anew in each episode.
            seed: of these draws.
        """
        self._corrected, self._longest_steps = corrected, longest_steps
        self._generator = np.random.default_rng(seed)
        self._left = 0

    def reset(self) -> None:
        """See Policy."""
        self._corrected.reset()
        self._left = int(self._generator.integers(0, self._longest_steps + 1))

    def forget_past(self) -> None:
        """See Policy; who acts goes on acting."""
        self._corrected.forget_past()

    def invalidate(self) -> None:
        """See Policy."""
        self._corrected.invalidate()

    def __call__(self, observation: Observation) -> NDArray[np.float32]:
        """See Policy.

        Raises:
            SpecError: the base policy's action is missing.
        """
        corrected = self._corrected(observation)  # asked in any case: it may look at what was before
        if self._left == 0:
            return corrected
        self._left -= 1
        self._corrected.invalidate()  # nobody does what it has decided
        if observation.base_action is None:
            raise SpecError("a base policy cannot act alone where its action is not in the observation.")
        return observation.base_action

    def close(self) -> None:
        """See Policy."""
        self._corrected.close()
