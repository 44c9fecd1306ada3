"""The columns of a LeRobotDataset v3.0: their description in `meta/info.json`, their Arrow types, their values.

A feature is `{"dtype": ..., "shape": [...], "names": ...}`. A numeric one of shape [1] is a column of scalars, one of
shape [n] a column of lists of n; one of dtype "image" is a struct of the encoded bytes and a file name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from robot_rl.data.episode import Episode
from robot_rl.data.exchange.schema import Schema
from robot_rl.errors import ExchangeError

Feature = dict[str, Any]

STATE = "observation.state"
PICTURES = "observation.images."
PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def to_features(schema: Schema) -> dict[str, Feature]:
    """Name -> feature, of all columns that an export writes.

    The names of a state's elements are `<entry>.<k>`: `split_state` finds the entries again by them.
    """
    features: dict[str, Feature] = {}
    state = [f"{name}.{k}" for name, size in schema.proprio for k in range(size)]
    if state:
        features[STATE] = {"dtype": "float32", "shape": [len(state)], "names": state}
    for name, (height, width) in schema.images:
        names = ["height", "width", "channels"]
        features[PICTURES + name] = {"dtype": "image", "shape": [height, width, 3], "names": names}
    size, names = schema.action_size, [f"action.{k}" for k in range(schema.action_size)]
    features["action"] = {"dtype": "float32", "shape": [size], "names": names}
    if schema.has_base:
        features["base_action"] = {"dtype": "float32", "shape": [size], "names": names}
    scalars = {"next.reward": "float32", "next.done": "bool", "next.truncated": "bool", "next.success": "bool"}
    scalars |= {"source": "int8", "policy_version": "int64", "stamp_ns": "int64", "timestamp": "float32"}
    scalars |= dict.fromkeys(("frame_index", "episode_index", "index", "task_index"), "int64")
    return features | {name: {"dtype": dtype, "shape": [1], "names": None} for name, dtype in scalars.items()}


def to_arrow_schema(features: Mapping[str, Feature]) -> pa.Schema:
    """The schema of `data/*.parquet`, with the note by which Hugging Face's reader knows pictures from bytes."""
    fields: list[pa.Field] = []
    notes: dict[str, Feature] = {}
    for name, feature in features.items():
        if feature["dtype"] == "image":
            fields.append(pa.field(name, PICTURE))
            notes[name] = {"_type": "Image"}
            continue
        arrow, size = pa.type_for_alias(feature["dtype"]), feature["shape"][0]
        kind = {"dtype": feature["dtype"], "_type": "Value"}
        fields.append(pa.field(name, arrow if size == 1 else pa.list_(arrow, size)))
        notes[name] = kind if size == 1 else {"feature": kind, "length": size, "_type": "Sequence"}
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": notes}})})


def to_columns(episode: Episode, number: int, first_row: int, rate_hz: float) -> dict[str, np.ndarray]:
    """Name -> T rows, pictures as uint8 (T, H, W, 3), of episode `number` whose first row is `first_row`."""
    length = len(episode)
    is_last = np.arange(length) == length - 1
    columns: dict[str, np.ndarray] = {PICTURES + name: values[:-1] for name, values in episode.images.items()}
    if episode.proprio:
        columns[STATE] = np.concatenate(list(episode.proprio.values()), axis=1)[:-1]
    if episode.base_actions is not None:
        columns["base_action"] = episode.base_actions[:-1]
    return columns | {
        "action": episode.actions,
        "next.reward": episode.rewards,
        "next.done": is_last & episode.is_complete,
        "next.truncated": is_last & (episode.is_complete and not episode.is_terminal),
        "next.success": is_last & episode.is_success,
        "source": episode.sources,
        "policy_version": episode.policy_versions,
        "stamp_ns": episode.stamps_ns[:-1],
        "timestamp": (np.arange(length) / rate_hz).astype(np.float32),
        "frame_index": np.arange(length),
        "episode_index": np.full(length, number),
        "index": np.arange(first_row, first_row + length),
        "task_index": np.zeros(length, np.int64),
    }


def to_table(columns: Mapping[str, np.ndarray], schema: pa.Schema) -> pa.Table:
    """The rows of one episode as an Arrow table."""
    arrays = []
    for field in schema:
        values = columns[field.name]
        if field.type == PICTURE:
            rows = [{"bytes": encode(v), "path": f"frame-{k:06d}.png"} for k, v in enumerate(values)]
            arrays.append(pa.array(rows, PICTURE))
        elif pa.types.is_fixed_size_list(field.type):
            flat = pa.array(np.ascontiguousarray(values).reshape(-1), field.type.value_type)
            arrays.append(pa.FixedSizeListArray.from_arrays(flat, field.type.list_size))
        else:
            arrays.append(pa.array(np.ascontiguousarray(values).reshape(-1), field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def to_array(table: pa.Table, name: str, where: str) -> np.ndarray:
    """A numeric column, one axis per level of lists: (T,), (T, n), ..."""
    values = table[name].combine_chunks()
    shape = [len(values)]
    while pa.types.is_nested(values.type) and values.null_count == 0:
        lengths = set(values.value_lengths().to_pylist())
        if len(lengths) != 1:
            raise ExchangeError(f"{where}: column {name} must have as many elements in every row, got {lengths}.")
        shape.append(lengths.pop())
        values = values.flatten()
    if values.null_count:
        raise ExchangeError(f"{where}: column {name} must have no empty row, got {values.null_count}.")
    return np.asarray(values.to_numpy(zero_copy_only=False)).reshape(shape)


def split_state(state: np.ndarray, feature: Feature) -> dict[str, np.ndarray]:
    """A state by its entries: elements named `<entry>.0`, `<entry>.1`, ... belong together; else it is one, "state"."""
    names = feature.get("names")
    if not isinstance(names, Sequence) or len(names) != state.shape[1]:
        return {"state": state}
    entries: dict[str, list[int]] = {}
    for column, name in enumerate(names):
        entry, _, index = str(name).rpartition(".")
        if not entry or index != str(len(entries.get(entry, []))):
            return {"state": state}
        entries.setdefault(entry, []).append(column)
    return {entry: np.ascontiguousarray(state[:, columns]) for entry, columns in entries.items()}


def check_rgb(feature: Feature, where: str) -> None:
    """Raise ExchangeError unless a feature's pictures have three channels, first or last."""
    shape = feature["shape"]
    if len(shape) != 3 or 3 not in (shape[0], shape[2]):
        raise ExchangeError(f"{where} must be RGB pictures of shape (H, W, 3) or (3, H, W), got {shape}.")


def encode(picture: np.ndarray) -> bytes:
    """RGB (H, W, 3) as PNG, without loss."""
    return cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()


def decode(encoded: bytes | None, where: str) -> np.ndarray:
    """An encoded picture as RGB uint8 (H, W, 3).

    Raises:
        ExchangeError: there are no bytes, or they are no picture.
    """
    picture = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR) if encoded else None
    if picture is None:
        raise ExchangeError(f"{where} must hold the bytes of a picture (PNG, JPEG), got {len(encoded or b'')} others.")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
