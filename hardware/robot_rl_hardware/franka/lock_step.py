"""The time of a simulated robot in lock-step, as a clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_TICK_NS: Final = 1_000_000


class LockStepClock:
    """Sleeping is what makes time pass."""

    def __init__(self, read_ticks: Callable[[], int], advance_to: Callable[[int], None]) -> None:
        """Store who knows the time [ms], and who makes it pass."""
        self._read_ticks, self._advance_to = read_ticks, advance_to

    def now_ns(self) -> int:
        """The robot's time [ns]."""
        return self._read_ticks() * _TICK_NS

    def sleep_until_ns(self, stamp_ns: int) -> None:
        """Let time pass until `stamp_ns`."""
        ticks = -(-stamp_ns // _TICK_NS)
        if ticks > self._read_ticks():
            self._advance_to(ticks)
