"""Messages as bytes: there and back bit for bit, and nothing but WireError for what is no message."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_rl.errors import WireError
from robot_rl.runtime.channels import wire
from robot_rl.runtime.channels.weights import DTYPES, Weights
from robot_rl.runtime.channels.wire import (
    Delivery,
    Goodbye,
    Hello,
    Parcel,
    Refusal,
    Request,
    Status,
    from_frames,
    to_frames,
)
from robot_rl.specs import ArraySpec, ObservationSpec
from tests.contracts import CHANNEL_SPEC, assert_same_record, make_record

HELLO = Hello("session", 1, 3, "fingerprint ü", "spec")


def travel(message):
    return from_frames([bytes(frame) for frame in to_frames(message)])


def header(kind=0, content=None, magic=b"RRLW", version=wire.FORMAT):
    fields = {"session": "s", "actor": 0, "first": 3, "configuration": "c", "spec": "e"}
    content = {"fields": fields, "arrays": []} if content is None else content
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return struct.pack("!4sHB", magic, version, kind) + text


def with_fields(kind, **changes):
    message = {0: HELLO, 1: Status("l", 1, 1, 2, -1, 1, 7, 2, False), 4: Parcel("s", 0, make_record(0, 0))}[kind]
    frames = [bytes(frame) for frame in to_frames(message)]
    content = json.loads(frames[0][7:])
    content["fields"] |= changes
    return [header(kind, content), *frames[1:]]


def weights_frames(*entries, frames):
    return [header(5, {"fields": {"learner": "l", "version": 1}, "arrays": list(entries)}), *frames]


MESSAGES = [
    HELLO,
    Status("l", 5, 4, 2**62, -1, 3, 1000, 2**33, True),
    Refusal("no"),
    Request("s"),
    Goodbye("s", True),
]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_without_arrays_survives(message):
    assert travel(message) == message


@pytest.mark.parametrize("has_base", [False, True])
@pytest.mark.parametrize("step", [0, 3, 7])
def test_a_record_survives_bit_for_bit(step, has_base):
    record = make_record(2**40 + 1, step, has_base)
    parcel = travel(Parcel("s", 12, record))
    assert (parcel.session, parcel.number) == ("s", 12)
    assert_same_record(record, parcel.record)


def test_numpy_scalars_in_a_record_survive():
    record = make_record(0, 1)
    time_step = replace(record.time_step, reward=np.float32(0.1), discount=np.float64(1.0))
    record = replace(record, time_step=time_step, episode=np.int64(5), is_success=np.bool_(True))
    arrived = travel(Parcel("s", 0, record)).record
    assert (arrived.episode, arrived.is_success) == (5, True)
    assert np.float32(arrived.time_step.reward) == np.float32(0.1)


@pytest.mark.parametrize("dtype", sorted(DTYPES))
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 5)])
def test_tensors_of_every_dtype_and_shape_survive_bit_for_bit(dtype, shape):
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.random.default_rng(0).integers(0, 2 if dtype == "|b1" else 256, size, np.uint8)
    tensor = np.frombuffer(raw.tobytes(), dtype).reshape(shape)  # among the floats any bits, not a number too
    arrived = travel(Delivery("l", Weights(8, {"a.0/weight": tensor}))).weights
    assert arrived.version == 8
    other = arrived.tensors["a.0/weight"]
    assert (other.dtype, other.shape, other.tobytes()) == (tensor.dtype, shape, tensor.tobytes())
    assert other.flags.writeable
    assert other.flags.aligned


def test_tensors_that_are_not_contiguous_survive():
    tensor = np.arange(24).reshape(4, 6)[::-2, ::3].T
    arrived = travel(Delivery("l", Weights(0, {"a": tensor}))).weights.tensors["a"]
    np.testing.assert_array_equal(arrived, tensor)


def test_a_contiguous_array_is_not_copied_on_its_way_out():
    tensor = np.zeros(10)
    frame = to_frames(Delivery("l", Weights(0, {"a": tensor})))[1]
    assert np.shares_memory(np.frombuffer(frame, np.uint8), tensor)


@pytest.mark.parametrize("tensor", [np.zeros(2, ">f4"), np.zeros(2, complex), np.array(["a"]), np.array([None])])
def test_a_dtype_without_a_place_on_the_wire_is_refused(tensor):
    with pytest.raises(WireError, match="policy must have one of the dtypes"):
        to_frames(Delivery("l", Weights(0, {"policy": tensor})))


def test_a_message_that_is_too_large_is_refused_on_both_sides(monkeypatch):
    parcel = Parcel("s", 0, make_record(0, 0))
    frames = to_frames(parcel)
    monkeypatch.setattr(wire, "MAX_RECORD_BYTES", 100)
    for call in (lambda: to_frames(parcel), lambda: from_frames(frames)):
        with pytest.raises(WireError, match="100 of arrays"):
            call()


ONE = np.zeros(1, np.float32).tobytes()
MALFORMED = {
    "nothing": ([], "must begin"),
    "an empty frame": ([b""], "must begin"),
    "other magic": ([header(magic=b"HTTP")], "must begin"),
    "a newer format": ([header(version=3)], "version 2, got 3"),
    "an unknown kind": ([header(7)], "below 7, got 7"),
    "no JSON": ([header(0, b"{")], "JSON"),
    "no text": ([header(0, b"\xff\xfe")], "JSON"),
    "deep JSON": ([header(0, b"[" * 100_000)], "JSON"),
    "a list": ([header(0, [])], "fields and arrays"),
    "a long header": ([header(0, b" " * 2**20)], "bytes of header"),
    "no arrays": ([header(0, {"fields": {}})], "fields and arrays"),
    "a frame too many": ([header(), b"x"], "one frame for each"),
    "a frame too few": (weights_frames(["a", "<f4", [1]], frames=[]), "one frame for each"),
    "a missing field": ([header(0, {"fields": {"session": "s"}, "arrays": []})], "fields must be"),
    "another field": (with_fields(0, extra=1), "fields must be"),
    "a wrong type": (with_fields(0, first="3"), "first must be int"),
    "a truth for a number": (with_fields(1, received=True), "received must be int"),
    "a negative number": (with_fields(1, acknowledged=-1), "acknowledged must be a whole number from 0"),
    "a number that is too large": (with_fields(1, limit=2**63), "limit must be a whole number"),
    "arrays that do not belong": (
        [header(0, {**json.loads(header()[7:]), "arrays": [["a", "<f4", [1]]]}), ONE],
        "no arr",
    ),
    "pickled objects": (weights_frames(["a", "|O", [1]], frames=[b"x" * 8]), "dtypes"),
    "a structured dtype": (weights_frames(["a", "<f4,<f4", [1]], frames=[b"x" * 8]), "dtypes"),
    "a wrong size": (weights_frames(["a", "<f4", [2]], frames=[ONE]), "does not fit"),
    "a huge shape": (weights_frames(["a", "<f4", [2**30] * 8], frames=[ONE]), "does not fit"),
    "a shape of nothing that is huge": (weights_frames(["a", "<f4", [0, *[2**31 - 1] * 3]], frames=[b""]), "too large"),
    "a negative shape": (weights_frames(["a", "<f4", [-1]], frames=[ONE]), "dimensions"),
    "a shape of fractions": (weights_frames(["a", "<f4", [1.0]], frames=[ONE]), "dimensions"),
    "nine dimensions": (weights_frames(["a", "<f4", [1] * 9], frames=[ONE]), "dimensions"),
    "no shape": (weights_frames(["a", "<f4"], frames=[ONE]), "name, dtype and shape"),
    "a name twice": (weights_frames(["a", "<f4", [1]], ["a", "<f4", [1]], frames=[ONE, ONE]), "twice"),
    "a source that does not exist": (with_fields(4, source=9), "source"),
    "a step type that does not exist": (with_fields(4, step_type=3), "step type"),
    "a reward that is no number": (with_fields(4, reward=float("nan")), "reward"),
    "half a discount": (with_fields(4, discount=0.5), "discount"),
    "a record without an action": (
        [with_fields(4)[0].replace(b"applied_action", b"proprio/x")] + with_fields(4)[1:],
        "app",
    ),
    "an array in no group": ([with_fields(4)[0].replace(b"proprio/", b"secrets/")] + with_fields(4)[1:], "no array"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_what_is_no_message_is_an_error_that_says_why(case):
    frames, words = MALFORMED[case]
    with pytest.raises(WireError, match=words):
        from_frames(frames)


@given(st.lists(st.binary(max_size=60), max_size=4), st.integers(0, 7), st.booleans())
def test_noise_is_never_anything_but_a_wire_error(frames, kind, has_prefix):
    if has_prefix and frames:
        frames[0] = header(kind, frames[0])
    with pytest.raises(WireError):
        from_frames(frames)


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_changed_byte_in_the_header_gives_a_message_or_a_wire_error(place, value):
    frames = [bytes(frame) for frame in to_frames(Parcel("s", 0, make_record(0, 1)))]
    changed = bytearray(frames[0])
    changed[place % len(changed)] = value
    try:
        message = from_frames([bytes(changed), *frames[1:]])
    except WireError:
        return
    assert isinstance(message, Parcel)


def test_the_fingerprint_of_a_spec_is_that_of_its_content():
    same = replace(CHANNEL_SPEC, rate_hz=10)
    assert wire.spec_fingerprint(same) == wire.spec_fingerprint(CHANNEL_SPEC)
    observation = CHANNEL_SPEC.observation
    taller = {"wrist": ArraySpec("wrist", (5, 4, 3), np.uint8)}
    others = [
        replace(CHANNEL_SPEC, rate_hz=20.0),
        replace(CHANNEL_SPEC, action_size=6),
        replace(CHANNEL_SPEC, observation=ObservationSpec(observation.proprio, taller)),
        replace(CHANNEL_SPEC, observation=ObservationSpec(dict(reversed(observation.proprio.items())), {})),
    ]
    assert len({wire.spec_fingerprint(spec) for spec in (CHANNEL_SPEC, *others)}) == 5
