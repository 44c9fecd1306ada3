"""What arrives at a learner: written to the store, acknowledged when it is safe, and each time step taken once."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from robot_rl.data.store_writer import StoreWriter
from robot_rl.errors import StoreError
from robot_rl.runtime.channels.channel import LearnerChannel
from robot_rl.runtime.channels.mailbox import EPISODES_PER_ACTOR
from robot_rl.types import StepRecord

_DISK_TIMEOUT_S = 30.0


class Arrivals:
    """The records of a run; one thread at a time may use them.

    Attributes:
        drained: how many records have come since this was made, also those that came again.
        ended_episodes: how many episodes of the run have ended since then.
    """

    def __init__(self, channel: LearnerChannel, store: StoreWriter | None) -> None:
        """Drain `channel`; without a store nothing is written."""
        self._channel, self._store = channel, store
        self._unsafe: deque[int] = deque()  # rows of the store, of what was drained and is not on the disk yet
        self._safe_count = 0
        self._newest_steps: dict[int, int] = {}  # episode -> its newest step
        self._next_episodes: dict[int, int] = {}  # actor -> its first episode that is free
        self.drained = self.ended_episodes = 0

    def take(self) -> list[StepRecord]:
        """What came for the first time since the last call; what is safe by now is acknowledged.

        Raises:
            StoreError: it cannot be written.
        """
        drained = self._channel.drain()
        self.drained += len(drained)
        records = [record for record in drained if self.note(record)]
        self.ended_episodes += sum(record.time_step.is_last for record in records)
        if self._store is not None:
            for record in drained:  # one that came before is ignored there, and safe no later than its row
                self._unsafe.append(_append(self._store, record))
        self._acknowledge(len(drained))
        return records

    def note(self, record: StepRecord) -> bool:
        """Whether a record of the run comes for the first time: actors send again what was not acknowledged."""
        is_new = record.step > self._newest_steps.get(record.episode, -1)
        if is_new:
            self._newest_steps[record.episode] = record.step
            actor = record.episode // EPISODES_PER_ACTOR
            self._next_episodes[actor] = max(self._next_episodes.get(actor, 0), record.episode + 1)
        return is_new

    @property
    def next_episodes(self) -> Mapping[int, int]:
        """Actor -> number of its first episode that is free, of those that have sent something."""
        return self._next_episodes

    def first_episode(self, actor: int = 0) -> int:
        """Number of an actor's first episode that is free."""
        return self._next_episodes.get(actor, actor * EPISODES_PER_ACTOR)

    def _acknowledge(self, count: int) -> None:
        """Tell the actors what is safe: what is on the disk, or in memory where nothing is stored."""
        if self._store is None:
            self._safe_count += count
        else:
            while self._unsafe and self._unsafe[0] < self._store.acknowledged:
                self._unsafe.popleft()
                self._safe_count += 1
        self._channel.acknowledge(self._safe_count)


def _append(store: StoreWriter, record: StepRecord) -> int:
    """Append to the store; should the disk be too slow, wait for it rather than lose a time step."""
    try:
        return store.append(record)
    except StoreError:
        store.flush(_DISK_TIMEOUT_S)  # raises what is really wrong, if it is more than a full queue
        return store.append(record)
