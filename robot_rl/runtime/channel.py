"""The channel between actors (environment, policy) and a learner (replay, updates), and the one within a process.

Records travel up at least once: an actor keeps each until the learner says that it is safe. Weights travel down, the
newest wins. What arrives twice, after a restart of the learner, carries the same episode and step.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from robot_rl.errors import ChannelError, WireError
from robot_rl.runtime.mailbox import CAPACITY, Outbox, to_new_count, warn_of_loss
from robot_rl.specs import ArraySpec, EnvironmentSpec
from robot_rl.types import StepRecord

DTYPES = frozenset(("|b1", "|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f2", "<f4", "<f8"))
"""What arrays that travel may hold, as numpy writes it."""


def check_dtype(name: str, dtype: str) -> None:
    """Raise WireError unless an array of this dtype may travel."""
    if dtype not in DTYPES:
        raise WireError(f"{name[:50]} must have one of the dtypes {sorted(DTYPES)}, got {dtype[:20]!r}.")


@dataclass(frozen=True, eq=False)
class Weights:
    """The tensors of a policy, by name, and their version; versions of one learner increase from 0."""

    version: int
    tensors: Mapping[str, NDArray[Any]]

    def copy(self) -> Weights:
        """The same in memory of its own, so that an update in place cannot tear it."""
        return Weights(self.version, {name: np.array(tensor, order="C") for name, tensor in self.tensors.items()})


@runtime_checkable
class ActorChannel(Protocol):
    """The actor's end. No method but `flush` and `close` waits for anything."""

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

    def send(self, record: StepRecord) -> None:
        """Queue a record, whose arrays must not change any more.

        Raises:
            SpecError: the record does not fit the environment's spec.
            ChannelError: the queue is full, the learner has refused this actor, or the channel is closed.
        """
        ...

    def latest(self) -> Weights | None:
        """Newest complete weights since the last call, or None; the arrays are the caller's. Raises as `flush`."""
        ...

    def flush(self, timeout_s: float) -> bool:
        """Wait until every record is acknowledged; whether that happened in time.

        Raises:
            ChannelError: the learner has refused this actor, or the channel is closed.
        """
        ...

    def close(self) -> None:
        """Give up what is not acknowledged, with a warning in the log, and release everything."""
        ...


@runtime_checkable
class LearnerChannel(Protocol):
    """The learner's end. No method but `close` waits for anything."""

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


def check_weights(weights: Weights, newest: int) -> None:
    """Raise ChannelError unless the weights are newer than version `newest`, WireError where they cannot travel."""
    if weights.version <= newest:
        raise ChannelError(f"the version of published weights must be greater than {newest}, got {weights.version}.")
    for name, tensor in weights.tensors.items():
        check_dtype(name, tensor.dtype.str)


class _Link:
    """What the two ends within a process share."""

    def __init__(self, spec: EnvironmentSpec, capacity: int) -> None:
        self.spec, self.outbox, self.lock = spec, Outbox(capacity), threading.Lock()
        self.weights: Weights | None = None
        self.version = -1
        self.closed: set[str] = set()

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

    def send(self, record: StepRecord) -> None:
        self._link.check("actor")
        validate_record(record, self._link.spec)
        self._link.outbox.append(record)

    def latest(self) -> Weights | None:
        self._link.check("actor")
        with self._link.lock:
            weights, self._link.weights = self._link.weights, None
        return weights

    def flush(self, timeout_s: float) -> bool:
        self._link.check("actor")
        return self._link.outbox.wait(timeout_s)

    def close(self) -> None:
        if "actor" not in self._link.closed:
            self._link.closed.add("actor")
            warn_of_loss(self.unacknowledged)


class _LocalLearner:
    """The learner's end within one process."""

    def __init__(self, link: _Link) -> None:
        self._link = link
        self._drained = 0

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
        with self._link.lock:
            self._link.weights, self._link.version = copied, copied.version

    def close(self) -> None:
        self._link.closed.add("learner")


def make_local_channels(spec: EnvironmentSpec, capacity: int = CAPACITY) -> tuple[ActorChannel, LearnerChannel]:
    """Both ends of a channel within this process; it keeps `capacity` records until they are acknowledged."""
    link = _Link(spec, capacity)
    return _LocalActor(link), _LocalLearner(link)
