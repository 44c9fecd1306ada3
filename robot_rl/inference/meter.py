"""Durations and misses of a running policy, in rings of fixed size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


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
    """The newest durations of one thing, such as an evaluation of the network; noting one makes no garbage."""

    def __init__(self, capacity: int = 1024) -> None:
        """Keep the newest `capacity`."""
        self._ring_ns = np.zeros(capacity, np.int64)
        self._count = 0
        self._max_ns = 0

    def __len__(self) -> int:
        """Durations in all."""
        return self._count

    def note(self, duration_ns: int) -> None:
        """One more."""
        self._ring_ns[self._count % len(self._ring_ns)] = duration_ns
        self._count += 1
        self._max_ns = max(self._max_ns, duration_ns)

    def quantile_ns(self, share: float) -> int:
        """The duration that this share of those in the ring does not exceed; 0 where there is none."""
        filled = self._ring_ns[: min(self._count, len(self._ring_ns))]
        if not filled.size:
            return 0
        rank = math.ceil(share * (len(filled) - 1))
        return int(np.partition(filled, rank)[rank])

    def summarise(self) -> Summary:
        """Percentiles."""
        p50, p95, p99 = (self.quantile_ns(share) / 1e6 for share in (0.5, 0.95, 0.99))
        return Summary(self._count, p50, p95, p99, self._max_ns / 1e6)
