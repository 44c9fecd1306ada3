"""How long the updates of a learner keep a new time step out of its memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from robot_rl.bench.learner_rig import Rig

_REST_RECORDS = 20
_PAUSE_S = 0.01
"""Between two records: so that they come at every moment of an update."""
_ENDLESS_STEPS = 1_000_000_000
"""A budget that a measurement does not use up."""


@dataclass(frozen=True)
class Ingestion:
    """What `Learner.ingest` took for one record.

    Attributes:
        rest_ms: median of the call while the learner rests.
        delay_ms_max: longest call while it makes updates without a pause, less `rest_ms`: the lock, Python's own lock,
            and the competition for the processor.
        lock_ms_max: longest wait for the memory alone.
        updates: made meanwhile.
    """

    rest_ms: float
    delay_ms_max: float
    lock_ms_max: float
    updates: int


class TimedLock:
    """A lock that notes how long one thread had to wait for it."""

    def __init__(self) -> None:
        """Watch the calling thread."""
        self._lock, self._watched = threading.Lock(), threading.get_ident()
        self.longest_wait_s = 0.0

    def __enter__(self) -> None:
        begin = time.perf_counter()
        self._lock.acquire()
        if threading.get_ident() == self._watched:
            self.longest_wait_s = max(self.longest_wait_s, time.perf_counter() - begin)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lock.release()


def measure_ingestion(rig: Rig, records: int, on_record: Callable[[], None] = lambda: None) -> Ingestion:
    """Ingest `records` one by one while another thread makes one update after the other."""
    learner = rig.learner
    learner.budget.steps = _ENDLESS_STEPS
    learner.catch_up(limit=2)  # what happens only once
    learner.memory.lock = lock = TimedLock()
    rest_s = [_time_ingest(rig) for _ in range(_REST_RECORDS)]
    lock.longest_wait_s = 0.0
    before = learner.budget.updates
    is_over = threading.Event()
    errors: list[BaseException] = []

    def make_updates() -> None:
        try:
            while not is_over.is_set():
                learner.catch_up(limit=1)
        except BaseException as error:  # noqa: BLE001  raised again by the thread that waits
            errors.append(error)

    thread = threading.Thread(target=make_updates, name="updates")
    thread.start()
    busy_s = []
    try:
        for _ in range(records):
            time.sleep(_PAUSE_S)
            busy_s.append(_time_ingest(rig))
            on_record()
    finally:
        is_over.set()
        thread.join()
    if errors:
        raise errors[0]
    rest_ms = 1e3 * float(np.median(rest_s))
    updates = learner.budget.updates - before
    return Ingestion(rest_ms, max(0.0, 1e3 * max(busy_s) - rest_ms), 1e3 * lock.longest_wait_s, updates)


def _time_ingest(rig: Rig) -> float:
    rig.actor.send(next(rig.records))
    begin = time.perf_counter()
    rig.learner.ingest()
    return time.perf_counter() - begin
