"""The channel between actors (environment, policy) and a learner (replay, updates), and the one within a process.

Records travel up at least once: an actor keeps each until the learner says that it is safe. Weights travel down, the
newest wins. What arrives twice, after a restart of the learner, carries the same episode and step.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from robot_rl.errors import ChannelError
from robot_rl.runtime.channels.mailbox import CAPACITY, Outbox, to_new_count, warn_of_loss
from robot_rl.runtime.channels.weights import Weights, check_weights
from robot_rl.specs import ArraySpec, EnvironmentSpec
from robot_rl.types import StepRecord

DEFAULT_ADDRESS = "tcp://127.0.0.1:5555"


@dataclass(frozen=True)
class Progress:
    """How far a run has come, as its learner tells an actor.

    Attributes:
        steps: environment steps that were taken in, of all actors.
        next_episode: number of the actor's first episode that is free.
        is_over: whether the run has all its steps, and the newest weights are what came of them.
    """

    steps: int
    next_episode: int
    is_over: bool = False


@runtime_checkable
class ActorChannel(Protocol):
    """The actor's end. No method but `flush`, `wait_taken` and `close` waits for anything."""

    @property
    def acknowledged(self) -> int:
        """How many of its records are safe with the learner."""
        ...

    @property
    def unacknowledged(self) -> int:
        """How many of its records are kept here because they are not."""
        ...

    @property
    def learner_version(self) -> int:
        """Newest version that the learner has published, as far as is known; -1 where none."""
        ...

    @property
    def is_connected(self) -> bool:
        """Whether the learner was heard within the last two seconds."""
        ...

    @property
    def progress(self) -> Progress | None:
        """How far the run has come, as far as is known; None before the learner was heard."""
        ...

    def send(self, record: StepRecord) -> None:
        """Queue a record, whose arrays must not change any more.

        Raises:
            SpecError: the record does not fit the environment's spec.
            ChannelError: the queue is full, or the channel is closed.
            RefusedError: the learner has refused this actor.
        """
        ...

    def latest(self) -> Weights | None:
        """Newest complete weights since the last call, or None; the arrays are the caller's. Raises as `flush`."""
        ...

    def flush(self, timeout_s: float) -> bool:
        """Wait until every record is acknowledged; whether that happened in time.

        Raises:
            ChannelError: the channel is closed.
            RefusedError: the learner has refused this actor.
        """
        ...

    def wait_taken(self, timeout_s: float) -> bool:
        """Wait until the learner has announced everything that was sent, and the weights it had by then are here.

        Before anything was sent that means: until there are weights and an announcement. What `latest` returns next
        are the newest that the learner had offered when it took in the newest record, so that an actor that waits
        after each time step acts with weights that depend on no duration. Raises as `flush`.

        Returns:
            Whether that happened in time; a learner that died is waited for, and the one that takes its place.
        """
        ...

    def close(self, *, has_finished: bool = False) -> None:
        """Give up what is not acknowledged, with a warning in the log, say goodbye, and release everything.

        Args:
            has_finished: whether the run is over for this actor, its last evaluation included.
        """
        ...


@runtime_checkable
class LearnerChannel(Protocol):
    """The learner's end. No method but `wait` and `close` waits for anything."""

    @property
    def finished_actors(self) -> int:
        """How many actors have said goodbye because the run is over."""
        ...

    def count_actors(self, within_s: float) -> int:
        """How many actors were heard within that time and have not said goodbye."""
        ...

    def wait(self, timeout_s: float) -> bool:
        """Wait until a record can be drained; whether that happened in time. ChannelError where closed."""
        ...

    def drain(self) -> list[StepRecord]:
        """Everything that arrived since the last call, in order for each actor; ChannelError where closed."""
        ...

    def acknowledge(self, count: int | None = None) -> None:
        """Say that the first `count` of all records ever drained (all of them, without it) are safe: forget them.

        Raises:
            ChannelError: fewer were drained, or the channel is closed.
        """
        ...

    def publish(self, weights: Weights) -> None:
        """Offer a copy of these weights instead of all earlier ones.

        Raises:
            ChannelError: the version is not greater than the last one, or the channel is closed.
            WireError: the tensors cannot be sent: their dtype, or their size.
        """
        ...

    def announce(self, steps: int, next_episodes: Mapping[int, int], *, is_over: bool = False) -> None:
        """Tell the actors that all that was drained is taken in, after what was published before.

        Args:
            steps: environment steps of the run.
            next_episodes: number of an actor -> its first episode that is free; of others, their first.
            is_over: whether the run has all its steps, and the newest weights are what came of them.
        """
        ...

    def close(self) -> None:
        """Release everything; actors keep what is not acknowledged for the next learner."""
        ...


def validate_record(record: StepRecord, spec: EnvironmentSpec) -> None:
    """Raise SpecError unless a record fits the environment."""
    observation = record.time_step.observation
    spec.observation.validate(observation)
    spec.action.validate(record.time_step.applied_action)
    if observation.base_action is not None:
        ArraySpec("base_action", (spec.action_size,), np.float32).validate(observation.base_action)


class _Link:
    """What the two ends within a process share."""

    def __init__(self, spec: EnvironmentSpec, capacity: int) -> None:
        self.spec, self.outbox = spec, Outbox(capacity)
        self.weights: Weights | None = None
        self.version = -1
        self.taken = 0
        self.changed = threading.Condition()
        self.progress: Progress | None = None
        self.closed: set[str] = set()
        self.finished_actors = 0

    def is_taken(self) -> bool:
        return self.progress is not None and self.version >= 0 and self.taken >= self.outbox.end

    def check(self, end: str) -> None:
        if end in self.closed:
            raise ChannelError(f"the {end}'s channel is closed.")


class _LocalActor:
    """The actor's end within one process."""

    def __init__(self, link: _Link) -> None:
        self._link = link

    @property
    def acknowledged(self) -> int:
        return self._link.outbox.first

    @property
    def unacknowledged(self) -> int:
        return len(self._link.outbox)

    @property
    def learner_version(self) -> int:
        return self._link.version

    @property
    def is_connected(self) -> bool:
        return not self._link.closed

    @property
    def progress(self) -> Progress | None:
        return self._link.progress

    def send(self, record: StepRecord) -> None:
        self._link.check("actor")
        validate_record(record, self._link.spec)
        self._link.outbox.append(record)
        with self._link.changed:
            self._link.changed.notify_all()

    def latest(self) -> Weights | None:
        self._link.check("actor")
        with self._link.changed:
            weights, self._link.weights = self._link.weights, None
        return weights

    def flush(self, timeout_s: float) -> bool:
        self._link.check("actor")
        return self._link.outbox.wait(timeout_s)

    def wait_taken(self, timeout_s: float) -> bool:
        link = self._link
        link.check("actor")
        with link.changed:
            return link.changed.wait_for(link.is_taken, timeout_s)

    def close(self, *, has_finished: bool = False) -> None:
        if "actor" not in self._link.closed:
            self._link.closed.add("actor")
            self._link.finished_actors += has_finished
            warn_of_loss(self.unacknowledged)


class _LocalLearner:
    """The learner's end within one process."""

    def __init__(self, link: _Link) -> None:
        self._link = link
        self._drained = 0

    @property
    def finished_actors(self) -> int:
        return self._link.finished_actors

    def count_actors(self, within_s: float) -> int:  # noqa: ARG002  it is heard at every moment
        return int("actor" not in self._link.closed)

    def wait(self, timeout_s: float) -> bool:
        self._link.check("learner")
        with self._link.changed:
            return self._link.changed.wait_for(lambda: self._link.outbox.end > self._drained, timeout_s)

    def drain(self) -> list[StepRecord]:
        self._link.check("learner")
        start, self._drained = self._drained, self._link.outbox.end
        return [self._link.outbox.get(number) for number in range(start, self._drained)]

    def acknowledge(self, count: int | None = None) -> None:
        self._link.check("learner")
        first = self._link.outbox.first
        self._link.outbox.forget(first + to_new_count(count, first, self._drained))

    def publish(self, weights: Weights) -> None:
        self._link.check("learner")
        check_weights(weights, self._link.version)
        copied = weights.copy()
        with self._link.changed:
            self._link.weights, self._link.version = copied, copied.version
            self._link.changed.notify_all()

    def announce(self, steps: int, next_episodes: Mapping[int, int], *, is_over: bool = False) -> None:
        self._link.check("learner")
        with self._link.changed:
            self._link.progress = Progress(steps, next_episodes.get(0, 0), is_over)
            self._link.taken = self._drained
            self._link.changed.notify_all()

    def close(self) -> None:
        self._link.closed.add("learner")


def make_local_channels(spec: EnvironmentSpec, capacity: int = CAPACITY) -> tuple[ActorChannel, LearnerChannel]:
    """Both ends of a channel within this process; it keeps `capacity` records until they are acknowledged."""
    link = _Link(spec, capacity)
    return _LocalActor(link), _LocalLearner(link)
