"""Durations and misses of a running policy, in rings of fixed size."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """What a meter saw.

    Attributes:
        count: durations in all, also those that fell out of the ring.
        p50_ms, p95_ms, p99_ms: of those in the ring.
        max_ms: of all.
    """

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class Meter:
    """The newest durations of one thing, such as an evaluation of the network.

    They are kept in their order of size, too: an engine asks for percentiles several times in every decision.
    """

    def __init__(self, capacity: int = 1024) -> None:
        """Keep the newest `capacity`."""
        self._newest_ns: deque[int] = deque(maxlen=capacity)
        self._sorted_ns: list[int] = []
        self._count = 0
        self._max_ns = 0

    def __len__(self) -> int:
        """Durations in all."""
        return self._count

    def note(self, duration_ns: int) -> None:
        """One more."""
        if len(self._newest_ns) == self._newest_ns.maxlen:
            del self._sorted_ns[bisect_left(self._sorted_ns, self._newest_ns[0])]
        self._newest_ns.append(duration_ns)
        insort(self._sorted_ns, duration_ns)
        self._count += 1
        self._max_ns = max(self._max_ns, duration_ns)

    def quantile_ns(self, share: float) -> int:
        """The duration that this share of those in the ring does not exceed; 0 where there is none."""
        if not self._sorted_ns:
            return 0
        return self._sorted_ns[math.ceil(share * (len(self._sorted_ns) - 1))]

    def summarise(self) -> Summary:
        """Percentiles."""
        p50, p95, p99 = (self.quantile_ns(share) / 1e6 for share in (0.5, 0.95, 0.99))
        return Summary(self._count, p50, p95, p99, self._max_ns / 1e6)
