"""What waits at the two ends of a channel: records until they are acknowledged, records until they are drained."""

from __future__ import annotations

import logging
import threading
from collections import deque

from robot_rl.errors import ChannelError
from robot_rl.types import StepRecord

_log = logging.getLogger(__name__)

CAPACITY = 50_000
"""Records that an actor keeps: 83 minutes at 10 Hz; with two cameras of 128 pixels they take 5 GB."""
INBOX_LIMIT = 10_000
"""Records that wait for a slow learner before it asks the actors to keep the rest."""
EPISODES_PER_ACTOR = 2**32
"""An episode's number holds its actor's in the upper 32 bits."""
WINDOW = 256
"""Records that an actor may send beyond those that were received."""


def to_new_count(count: int | None, safe: int, drained: int) -> int:
    """How many more than `safe` become safe; ChannelError where `count` is more than were drained."""
    if count is not None and count > drained:
        raise ChannelError(f"cannot acknowledge {count} records: {drained} were drained.")
    return max(0, (drained if count is None else count) - safe)


def warn_of_loss(count: int) -> None:
    """Log how many records are given up, if any."""
    if count:
        _log.warning("an actor's channel was closed with %d records that the learner has not acknowledged", count)


class Outbox:
    """Records of an actor from the oldest that is not acknowledged, numbered from 0. Threads may share it."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._records: dict[int, StepRecord] = {}
        self._changed = threading.Condition()
        self.first = 0
        """Number of the oldest record that is kept: as many are acknowledged."""
        self.end = 0
        """Number of the next record."""

    def __len__(self) -> int:
        """Number of records that are kept."""
        return len(self._records)

    def append(self, record: StepRecord) -> None:
        """Keep a record; raise ChannelError when there is no room."""
        with self._changed:
            if self.end - self.first >= self._capacity:
                raise ChannelError(
                    f"cannot send: {self._capacity} records wait for the learner's acknowledgement, as many as can be "
                    "kept. Is the learner running, connected, and acknowledging?"
                )
            self._records[self.end] = record
            self.end += 1

    def get(self, number: int) -> StepRecord:
        """The record of a number in [first, end)."""
        with self._changed:
            return self._records[number]

    def forget(self, end: int) -> None:
        """Drop the records before number `end`: they are safe elsewhere."""
        with self._changed:
            while self.first < min(end, self.end):
                del self._records[self.first]
                self.first += 1
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Wait until nothing is kept; whether that happened in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self.first == self.end, timeout_s)


class Inbox:
    """Records that wait for the learner, and the progress of each actor's session. Threads may share it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._waiting: deque[tuple[str, int, StepRecord]] = deque()
        self._unsafe: deque[tuple[str, int]] = deque()  # what was drained and is not acknowledged
        self._safe_count = 0
        self._changed = threading.Condition(self._lock)
        self._received: dict[str, int] = {}  # session -> number of the next to be received
        self._acknowledged: dict[str, int] = {}  # session -> those before this number are safe
        self._drained: dict[str, int] = {}  # session -> those before this number were drained
        self._taken: dict[str, int] = {}  # session -> those before this number were announced
        self._next_episodes: dict[int, int] = {}  # upper half of the number -> first that was never received

    def __len__(self) -> int:
        """Number of records that wait."""
        return len(self._waiting)

    def open(self, session: str, first: int) -> None:
        """Meet an actor whose oldest record has number `first`: those before were safe with an earlier learner."""
        with self._lock:
            self._received[session] = max(self._received.get(session, 0), first)
            for positions in (self._acknowledged, self._drained, self._taken):
                positions.setdefault(session, first)

    def accept(self, session: str, number: int, record: StepRecord) -> None:
        """Take a record if it is the next of its actor; one that was seen, or follows a gap, will come again."""
        with self._lock:
            if self._received.get(session) == number:
                self._received[session] += 1
                self._waiting.append((session, number, record))
                actor = record.episode // EPISODES_PER_ACTOR
                self._next_episodes[actor] = max(self._next_episodes.get(actor, 0), record.episode + 1)
                self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Wait until a record waits; whether that happened in time."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._waiting), timeout_s)

    def next_episode(self, actor: int) -> int:
        """First number of an actor's episodes that no record bears that was received."""
        with self._lock:
            return self._next_episodes.get(actor, actor * EPISODES_PER_ACTOR)

    def drain(self) -> list[StepRecord]:
        """Take out everything that waits."""
        with self._lock:
            drained, self._waiting = self._waiting, deque()
            self._unsafe.extend((session, number) for session, number, _ in drained)
            self._drained.update((session, number + 1) for session, number, _ in drained)
        return [record for _, _, record in drained]

    def acknowledge(self, count: int | None = None) -> bool:
        """Mark the first `count` of all records ever drained as safe, or all of them; whether that is news."""
        with self._lock:
            new_count = to_new_count(count, self._safe_count, self._safe_count + len(self._unsafe))
            for _ in range(new_count):
                session, number = self._unsafe.popleft()
                self._acknowledged[session] = number + 1
                self._safe_count += 1
        return new_count > 0

    def announce(self) -> None:
        """Mark everything that was drained as taken in."""
        with self._lock:
            self._taken.update(self._drained)

    def taken(self, session: str) -> int:
        """Records of a session before this number are taken in."""
        with self._lock:
            return self._taken[session]

    def positions(self, session: str) -> tuple[int, int, int]:
        """(received, acknowledged, number that the actor must not reach yet) of a session that was opened."""
        with self._lock:
            received, room = self._received[session], WINDOW if len(self._waiting) < self._limit else 0
            return received, self._acknowledged[session], received + room
