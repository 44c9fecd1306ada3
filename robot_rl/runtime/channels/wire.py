"""The messages between actor and learner as bytes: a typed header, and one raw buffer for each array.

The first frame is magic, format version and kind of message, then JSON: the fields, and name, dtype and shape of each
array. The other frames are the arrays in that order, C-contiguous and little-endian. Nothing that arrives is executed,
and nothing is believed: whatever does not fit exactly is a WireError.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, get_type_hints

import numpy as np
from numpy.typing import NDArray

from robot_rl.errors import WireError
from robot_rl.runtime.channels.weights import Weights, check_dtype
from robot_rl.specs import EnvironmentSpec
from robot_rl.types import Observation, Source, StepRecord, StepType, TimeStep

Buffer = bytes | memoryview
Arrays = Mapping[str, NDArray[Any]]

FORMAT = 2
MAX_HEADER_BYTES = 2**20
MAX_RECORD_BYTES = 64 * 2**20
MAX_WEIGHTS_BYTES = 2**31

_MAGIC = b"RRLW"
_PREFIX = struct.Struct("!4sHB")
_LEAST = {"version": -1, "steps": -1, "policy_version": -1, "stamp_ns": -(2**63)}
"""Of the fields that are whole numbers; 0 for all others."""


@dataclass(frozen=True)
class Hello:
    """An actor's heartbeat: who it is, what it expects, and the number of the oldest record that it keeps.

    Attributes:
        actor: its number among the actors of the learner; one that starts again takes the place of the one before.
    """

    session: str
    actor: int
    first: int
    configuration: str
    spec: str


@dataclass(frozen=True)
class Goodbye:
    """An actor leaves; `has_finished` where the run is over for it."""

    session: str
    has_finished: bool


@dataclass(frozen=True)
class Status:
    """The learner's answer: who it is, how far this actor's records and the run have come, its newest weights' version.

    Attributes:
        received: number of the next record that the learner takes.
        acknowledged: records before this number are safe.
        limit: number of the record that must not be sent yet.
        version: -1 before the first weights.
        taken: records before this number are taken in, and what was published then has at most that version.
        steps: environment steps of the run; -1 before the learner has announced any.
        next_episode: first number of this actor's episodes that is free.
        is_over: whether the run has all its steps, and the newest weights are what came of them.
    """

    learner: str
    received: int
    acknowledged: int
    limit: int
    version: int
    taken: int
    steps: int
    next_episode: int
    is_over: bool


@dataclass(frozen=True)
class Refusal:
    """The learner will not talk to this actor."""

    reason: str


@dataclass(frozen=True)
class Request:
    """An actor asks for the newest weights."""

    session: str


@dataclass(frozen=True, eq=False)
class Parcel:
    """A numbered record of an actor."""

    session: str
    number: int
    record: StepRecord


@dataclass(frozen=True, eq=False)
class Delivery:
    """The newest weights of a learner."""

    learner: str
    weights: Weights


Message = Hello | Status | Refusal | Request | Parcel | Delivery | Goodbye
_KINDS: tuple[type[Message], ...] = (Hello, Status, Refusal, Request, Parcel, Delivery, Goodbye)
_RECORD_FIELDS = {
    "session": str,
    "number": int,
    "episode": int,
    "step": int,
    "policy_version": int,
    "is_success": bool,
    "step_type": int,
    "reward": float,
    "discount": float,
    "source": int,
    "stamp_ns": int,
}


def spec_fingerprint(spec: EnvironmentSpec) -> str:
    """A short text that is the same for the same spec in every process."""
    parts: list[object] = [spec.action_size, spec.step_limit, float(spec.rate_hz)]
    for kind, entries in (("proprio", spec.observation.proprio), ("images", spec.observation.images)):
        for name, array in entries.items():
            bounds = (float(array.minimum), float(array.maximum))
            parts.append((kind, name, [int(n) for n in array.shape], np.dtype(array.dtype).str, bounds))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def to_frames(message: Message) -> list[Buffer]:
    """A message as frames; those of arrays share their memory where they are contiguous.

    Raises:
        WireError: an array's dtype has no place on the wire, or the message is too large.
    """
    if isinstance(message, Parcel):
        record, step = message.record, message.record.time_step
        observation = step.observation
        arrays: dict[str, NDArray[Any]] = {f"proprio/{name}": array for name, array in observation.proprio.items()}
        arrays |= {f"images/{name}": array for name, array in observation.images.items()}
        arrays["applied_action"] = step.applied_action
        if observation.base_action is not None:
            arrays["base_action"] = observation.base_action
        values: dict[str, Any] = {
            "session": message.session,
            "number": message.number,
            "episode": int(record.episode),
            "step": int(record.step),
            "policy_version": int(record.policy_version),
            "is_success": bool(record.is_success),
            "step_type": int(step.step_type),
            "reward": float(step.reward),
            "discount": float(step.discount),
            "source": int(step.source),
            "stamp_ns": int(observation.stamp_ns),
        }
        return _pack(Parcel, values, arrays)
    if isinstance(message, Delivery):
        values = {"learner": message.learner, "version": int(message.weights.version)}
        return _pack(Delivery, values, message.weights.tensors)
    return _pack(type(message), {field.name: getattr(message, field.name) for field in fields(message)}, {})


def from_frames(frames: Sequence[Buffer]) -> Message:
    """The message that `to_frames` made; its arrays are writable and its own.

    Raises:
        WireError: the frames do not follow the format; the message says where.
    """
    kind, values, arrays = _unpack(frames)
    if kind is Parcel:
        return _to_parcel(values, arrays)
    if kind is Delivery:
        _check_fields(values, {"learner": str, "version": int})
        return Delivery(values["learner"], Weights(values["version"], arrays))
    _check_fields(values, get_type_hints(kind))
    if arrays:
        raise WireError(f"a {kind.__name__} carries no arrays, got {str(list(arrays)[:5])[:200]}.")
    return kind(**values)


def _pack(kind: type[Message], values: Mapping[str, Any], arrays: Arrays) -> list[Buffer]:
    frames: list[Buffer] = []
    entries = []
    for name, array in arrays.items():
        check_dtype(name, array.dtype.str)
        entries.append([name, array.dtype.str, list(array.shape)])
        frames.append(np.asarray(array, order="C").reshape(-1).view(np.uint8).data)
    text = json.dumps({"fields": values, "arrays": entries}, separators=(",", ":"))
    header = _PREFIX.pack(_MAGIC, FORMAT, _KINDS.index(kind)) + text.encode()
    _check_size(kind, header, frames)
    return [header, *frames]


def _check_size(kind: type[Message], header: Buffer, frames: Sequence[Buffer]) -> None:
    limit = MAX_WEIGHTS_BYTES if kind is Delivery else MAX_RECORD_BYTES
    size = sum(len(frame) for frame in frames)
    if len(header) > MAX_HEADER_BYTES or size > limit:
        raise WireError(
            f"a {kind.__name__} may have {MAX_HEADER_BYTES} bytes of header and {limit} of arrays, "
            f"got {len(header)} and {size}."
        )


def _unpack(frames: Sequence[Buffer]) -> tuple[type[Message], dict[str, Any], dict[str, NDArray[Any]]]:
    header = bytes(frames[0][: MAX_HEADER_BYTES + 1]) if frames else b""
    if len(header) < _PREFIX.size or not header.startswith(_MAGIC):
        raise WireError(f"a message must begin with {_MAGIC!r}, got {header[:8]!r}.")
    _, version, number = _PREFIX.unpack_from(header)
    if version != FORMAT:
        raise WireError(f"the wire format must be version {FORMAT}, got {version}: update the older side.")
    if number >= len(_KINDS):
        raise WireError(f"the kind of a message must be below {len(_KINDS)}, got {number}.")
    kind = _KINDS[number]
    _check_size(kind, header, frames[1:])
    try:
        content = json.loads(header[_PREFIX.size :])
    except (ValueError, RecursionError) as error:
        raise WireError(f"the header of a {kind.__name__} must be JSON: {error}.") from error
    if not isinstance(content, dict) or set(content) != {"fields", "arrays"}:
        raise WireError(f"the header of a {kind.__name__} must hold fields and arrays.")
    values, entries = content["fields"], content["arrays"]
    if not isinstance(values, dict) or not isinstance(entries, list) or len(entries) != len(frames) - 1:
        raise WireError(f"a {kind.__name__} must have one frame for each array, got {len(frames) - 1} frames.")
    arrays: dict[str, NDArray[Any]] = {}
    for entry, frame in zip(entries, frames[1:], strict=True):
        name, array = _to_array(entry, frame)
        if name in arrays:
            raise WireError(f"a {kind.__name__} has the array {name[:50]!r} twice.")
        arrays[name] = array
    return kind, values, arrays


def _to_array(entry: object, frame: Buffer) -> tuple[str, NDArray[Any]]:
    match entry:
        case [str(name), str(dtype), list(shape)]:
            pass
        case _:
            raise WireError(f"an array must have name, dtype and shape, got {str(entry)[:100]}.")
    check_dtype(name, dtype)
    if len(shape) > 8 or not all(type(n) is int and 0 <= n < 2**31 for n in shape):
        raise WireError(f"{name[:50]} must have up to 8 dimensions from 0, got the shape {str(shape)[:100]}.")
    if math.prod(shape) * np.dtype(dtype).itemsize != len(frame):
        raise WireError(f"{name[:50]} of {dtype} {shape} does not fit into {len(frame)} bytes.")
    try:
        return name, np.frombuffer(frame, dtype).reshape(shape).copy()
    except ValueError as error:  # nothing of a huge shape: a zero among its dimensions
        raise WireError(f"{name[:50]} of {dtype} {shape} is too large for an array.") from error


def _check_fields(values: Mapping[str, Any], types: Mapping[str, type]) -> None:
    if set(values) != set(types):
        raise WireError(f"the fields must be {sorted(types)}, got {str(sorted(values))[:200]}.")
    for name, kind in types.items():
        value: Any = values[name]
        if type(value) is not kind:
            raise WireError(f"{name} must be {kind.__name__}, got {str(value)[:50]!r}.")
        if isinstance(value, int) and not _LEAST.get(name, 0) <= value < 2**63:
            raise WireError(f"{name} must be a whole number from {_LEAST.get(name, 0)} to 2^63 - 1, got {value}.")


def _to_parcel(values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Parcel:
    _check_fields(values, _RECORD_FIELDS)
    base_action = arrays.pop("base_action", None)
    applied_action = arrays.pop("applied_action", None)
    groups: dict[str, dict[str, NDArray[Any]]] = {"proprio": {}, "images": {}}
    for name, array in arrays.items():
        group, _, part = name.partition("/")
        if group not in groups:
            raise WireError(f"a record has no array {name[:50]!r}.")
        groups[group][part] = array
    if applied_action is None:
        raise WireError("a record must have an applied_action.")
    if not math.isfinite(values["reward"]) or values["discount"] not in (0.0, 1.0):
        raise WireError(f"reward must be finite and discount 0 or 1, got {values['reward']} and {values['discount']}.")
    try:
        step_type, source = StepType(values["step_type"]), Source(values["source"])
    except ValueError as error:
        raise WireError(f"a record has no such step type or source: {error}.") from error
    observation = Observation(groups["proprio"], groups["images"], values["stamp_ns"], base_action)
    time_step = TimeStep(step_type, observation, values["reward"], values["discount"], applied_action, source)
    names = ("episode", "step", "policy_version", "is_success")
    record = StepRecord(time_step, *(values[name] for name in names))
    return Parcel(values["session"], values["number"], record)
