"""Clocks: time is injected, so that the same loop runs on a robot, in simulation and in tests."""

import time
from typing import Protocol

NS_PER_S = 1_000_000_000
SET_BACK_NS = 1_000_000_000
"""Who is older than the newest by more than this is not late: the clock was set back."""


class Clock(Protocol):
    """A monotonic clock in nanoseconds."""

    def now_ns(self) -> int:
        """Present time [ns]."""
        ...

    def sleep_until_ns(self, stamp_ns: int) -> None:
        """Return when `now_ns() >= stamp_ns`; at once if that has passed."""
        ...


class MonotonicClock:
    """The operating system's monotonic clock."""

    def now_ns(self) -> int:
        """Present time [ns]."""
        return time.monotonic_ns()

    def sleep_until_ns(self, stamp_ns: int) -> None:
        """Sleep until `stamp_ns`; a signal does not cut the sleep short."""
        remaining_ns = stamp_ns - time.monotonic_ns()
        if remaining_ns > 0:
            time.sleep(remaining_ns / NS_PER_S)


class FakeClock:
    """A clock that moves only when told to sleep, for tests."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """Present time [ns]."""
        return self._now_ns

    def sleep_until_ns(self, stamp_ns: int) -> None:
        """Jump to `stamp_ns` if it lies ahead."""
        self._now_ns = max(self._now_ns, stamp_ns)


def to_ns(seconds: float) -> int:
    """Seconds to whole nanoseconds."""
    return round(seconds * NS_PER_S)
