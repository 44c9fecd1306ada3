"""How often, and after which pause, a process that fails is started again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Backoff:
    """A pause that doubles with each failure within the window, and a limit to their number.

    Attributes:
        restarts: how many there may be within the window.
        window_s: how long a failure counts [s].
        first_pause_s: before the first restart [s].
        longest_pause_s: no pause is longer [s].
    """

    restarts: int = 5
    window_s: float = 60.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 10.0


@dataclass
class RestartLimit:
    """The failures of one process."""

    backoff: Backoff
    _failures_s: deque[float] = field(default_factory=deque)

    def next_pause_s(self, now_s: float) -> float | None:
        """It has failed now: how long to wait before the next start [s], or None if that was once too often."""
        while self._failures_s and now_s - self._failures_s[0] > self.backoff.window_s:
            self._failures_s.popleft()
        self._failures_s.append(now_s)
        number = len(self._failures_s)
        if number > self.backoff.restarts:
            return None
        pause_s: float = self.backoff.first_pause_s * 2.0 ** (number - 1)
        return min(pause_s, self.backoff.longest_pause_s)
