"""What the critics said of the beginnings of episodes, against what these episodes paid in the end."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robot_rl.types import Source, StepRecord

_EPISODES = 20


@dataclass
class _Open:
    """An episode that has not ended: the row of its first time step, its newest step, and its return so far."""

    row: int
    step: int = 0
    paid: float = 0.0
    weight: float = 1.0


class ReturnCheck:
    """The newest episodes of the policy alone, without a gap: where they began, and their discounted returns.

    Where a takeover ends the value of what the policy does, an episode ends with it here, too; otherwise one with a
    person in it says nothing about the policy.
    """

    def __init__(self, gamma: float, takeover_discount: float = 1.0) -> None:
        """Args: see AgentConfig."""
        self._gamma, self._ends_at_takeovers = gamma, takeover_discount == 0.0
        self._open: dict[int, _Open] = {}
        self._ended: deque[tuple[int, float]] = deque(maxlen=_EPISODES)

    def note(self, record: StepRecord, row: int, bonus: float) -> None:
        """A time step of the run, its row in the memory, and what batches add to its reward."""
        time_step = record.time_step
        if time_step.is_first:
            self._open[record.episode] = _Open(row)
            return
        episode = self._open.pop(record.episode, None)
        if episode is None or record.step != episode.step + 1:
            return
        if time_step.source is Source.HUMAN:
            if self._ends_at_takeovers and episode.step > 0:
                self._ended.append((episode.row, episode.paid))
            return
        if record.policy_version < 0:  # a probe
            return
        episode.paid += episode.weight * (time_step.reward + bonus)
        episode.weight *= self._gamma
        episode.step = record.step
        if time_step.is_last:
            self._ended.append((episode.row, episode.paid))
        else:
            self._open[record.episode] = episode

    def ended(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """(rows of the first time steps, returns) of the newest episodes."""
        rows, returns = zip(*self._ended, strict=True) if self._ended else ((), ())
        return np.array(rows, np.int64), np.array(returns, np.float32)
