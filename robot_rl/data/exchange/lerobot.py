"""Episodes as a LeRobotDataset v3.0 (Hugging Face's documentation, «LeRobotDataset v3.0», and its reader).

One row per action: `observation.state` is the proprio side by side, `observation.images.<name>` PNG bytes in the table
(videos would lose bits), `action`, `next.reward`, `next.done`, `next.truncated`, `next.success`, and the columns of
every such data set (`timestamp` is `frame_index` over the rate, as its readers check; the true times are `stamp_ns`).

What the layout has no place for are further columns, which its readers keep as they are: `source`, `policy_version`,
`stamp_ns` and `base_action` of each row, and in `meta/episodes` the columns `robot_rl/...`: how the episode ended, and
the observation after its last action. No row is made up for that one, for a reader would train on its action.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from robot_rl.data.episode import Episode
from robot_rl.data.exchange.foreign import make_demonstration, missing, stamps_from, to_rows
from robot_rl.data.exchange.lerobot_features import PICTURES, STATE, Feature, check_rgb, decode, split_state, to_array
from robot_rl.data.exchange.lerobot_video import read_frames
from robot_rl.data.exchange.lerobot_writer import OWN, DatasetWriter
from robot_rl.data.exchange.schema import with_schema
from robot_rl.data.exchange.target import new_target
from robot_rl.data.json_object import read_json_object
from robot_rl.errors import ExchangeError

OWN_COLUMNS = (
    ("sources", "source", "int8"),
    ("policy_versions", "policy_version", "int64"),
    ("stamps_ns", "stamp_ns", "int64"),
    ("base_actions", "base_action", "float32"),
)
"""Field of an episode, name and type of its column."""

SAID = "meta/robot_rl.json"
"""What the recording says of itself, beside the files of the layout."""
PER_ACTION = ("sources", "policy_versions")
REQUIRED_COLUMNS = ("action", "episode_index", "frame_index", "timestamp")
VIDEO_KEYS = ("chunk_index", "file_index", "from_timestamp")
REQUIRED_KEYS = {"codebase_version": "v3.0", "fps": "frames per second", "features": "the columns", "data_path": "path"}


def export_episodes(
    episodes: Iterable[Episode], path: Path, *, rate_hz: float, task: str, said: Mapping[str, Any] | None = None
) -> None:
    """Write episodes to a new data set.

    Args:
        episodes: of one schema; drawn one at a time.
        path: of the folder, which must not exist.
        rate_hz: control steps per second.
        task: what was done, in words, as LeRobot's policies read it.
        said: what the recording says of itself, for `read_said`.

    Raises:
        ExchangeError: the folder exists, there is no episode, or one does not fit the others.
    """
    with new_target(path) as target:
        schema, checked = with_schema(episodes)
        with closing(DatasetWriter(target, schema, rate_hz, task)) as writer:
            for episode in checked:
                writer.add(episode)
            writer.finish()
        (target / SAID).write_text(json.dumps(dict(said or {}), indent=4) + "\n", encoding="utf-8")


def read_said(path: Path) -> dict[str, Any]:
    """What the recording said of itself that a data set was exported from; nothing of a data set by others.

    Raises:
        ExchangeError: that cannot be read.
    """
    file = path / SAID
    try:
        return read_json_object(file) if file.is_file() else {}
    except ValueError as error:
        raise ExchangeError(f"{file} cannot be read as JSON: {error}") from error


def import_episodes(path: Path) -> Iterator[Episode]:
    """Read the episodes of a data set one by one, in the order of `meta/episodes`.

    Of a data set by others: `observation.state` becomes the entries that its names tell (`<entry>.0`, `<entry>.1`,
    ...), else "state", and any other number `observation.<name>` an entry of its own; pictures are taken from tables
    and videos alike; the last observation is repeated; who acted is `Source.DEMO`; stamps are those of `timestamp`;
    the task ended where the last row has `next.done` without `next.truncated`, and well where it has `next.success`,
    or without such a column a positive reward at a terminal end. Actions are not rescaled.

    Raises:
        ExchangeError: this is no such data set, or it lacks a file, a key or a column.
    """
    description_path = path / "meta/info.json"
    if not description_path.is_file():
        raise missing(str(path), "meta/info.json", "the description of a LeRobotDataset v3.0")
    try:
        description = read_json_object(description_path)
    except ValueError as error:
        raise ExchangeError(f"{description_path} cannot be read as JSON: {error}") from error
    for key, expected in REQUIRED_KEYS.items():
        if key not in description:
            raise missing(str(description_path), key, expected)
    version = str(description["codebase_version"])
    if not version.startswith("v3."):
        raise ExchangeError(f"{description_path}: codebase_version must be v3.0, got {version}: convert it first.")
    for name in REQUIRED_COLUMNS:
        if name not in description["features"]:
            raise missing(str(description_path), f"the feature {name}", f"all of {', '.join(REQUIRED_COLUMNS)}")
    for row in _episode_rows(path):
        yield _read_episode(path, description, row)


def _episode_rows(path: Path) -> Iterator[dict[str, Any]]:
    """What is said of each episode, but its statistics."""
    files = sorted((path / "meta/episodes").glob("*/*.parquet"))
    if not files:
        raise missing(str(path), "meta/episodes", "meta/episodes/chunk-000/file-000.parquet")
    for file in files:
        try:
            with pq.ParquetFile(file) as reader:
                names = [name for name in reader.schema_arrow.names if not name.startswith("stats/")]
                for key in ("episode_index", "data/chunk_index", "data/file_index"):
                    if key not in names:
                        raise missing(str(file), f"the column {key}", "where the rows of the episode are")
                for batch in reader.iter_batches(batch_size=16, columns=names, use_threads=False):
                    yield from batch.to_pylist()
        except pa.ArrowException as error:
            raise ExchangeError(f"{file} cannot be read as a table: {error}") from error


def _read_episode(path: Path, description: dict[str, Any], row: dict[str, Any]) -> Episode:
    features: dict[str, Feature] = description["features"]
    number = row["episode_index"]
    indices = {"chunk_index": row["data/chunk_index"], "file_index": row["data/file_index"]}
    file = path / description["data_path"].format(**indices)
    if not file.is_file():
        raise missing(str(path), str(file.relative_to(path)), f"the rows of episode {number}")
    table = _read_rows(file, features, number)
    where = f"{file}: episode {number}"
    columns = {
        name: to_array(table, name, where)
        for name, feature in features.items()
        if feature["dtype"] not in ("image", "video", "string", "language")
    }
    proprio = _proprio_of(columns, features, row, where)
    images = _images_of(path, description, table, columns, row)
    actions = to_rows(columns["action"], f"{where}, action")
    stamps_ns = stamps_from(columns["timestamp"], float(description["fps"]))
    episode = _make_foreign(proprio, images, stamps_ns, actions, columns)
    return replace(episode, **_own_fields(columns, features, row, round(1e9 / description["fps"])))


def _own_fields(
    columns: dict[str, np.ndarray], features: dict[str, Feature], row: dict[str, Any], period_ns: int
) -> dict[str, Any]:
    """What our own columns say of an episode, each for itself: tools that edit a data set may drop some of them."""
    fields: dict[str, Any] = {}
    last = {name: row.get(OWN + name) for name in ("stamp_ns", "base_action")}
    if last["stamp_ns"] is None and "stamp_ns" in columns:
        last["stamp_ns"] = columns["stamp_ns"][-1] + period_ns
    for field, name, dtype in OWN_COLUMNS:
        if name in columns and features[name]["dtype"] == dtype:
            fields[field] = columns[name] if field in PER_ACTION else _with_last(columns[name], last.get(name))
    if "base_actions" in fields:
        fields["base_actions"] = to_rows(fields["base_actions"], "base_action")
    if (paid := row.get(OWN + "paid_at_start")) is not None:
        fields["paid_at_start"] = float(paid)
    endings = {field: row.get(OWN + field) for field in ("is_terminal", "is_success", "is_complete")}
    return fields | {field: bool(value) for field, value in endings.items() if value is not None}


def _read_rows(file: Path, features: dict[str, Feature], number: int) -> pa.Table:
    """The rows of one episode, in their order."""
    try:
        present = pq.read_schema(file).names
        for name, feature in features.items():
            if feature["dtype"] != "video" and name not in present:
                raise missing(str(file), f"the column {name}", f"{feature['dtype']} as in meta/info.json")
        table = pq.read_table(file, filters=[("episode_index", "=", number)], use_threads=False)
    except pa.ArrowException as error:
        raise ExchangeError(f"{file} cannot be read as a table: {error}") from error
    if not len(table):
        raise missing(f"{file}: episode {number}", "rows", "one per action")
    return table.sort_by("frame_index")


def _make_foreign(
    proprio: dict[str, np.ndarray],
    images: dict[str, np.ndarray],
    stamps_ns: np.ndarray,
    actions: np.ndarray,
    columns: dict[str, np.ndarray],
) -> Episode:
    def ends_with(name: str) -> bool:
        return name in columns and bool(columns[name].reshape(-1)[-1])

    return make_demonstration(
        (proprio, images),
        stamps_ns,
        actions,
        columns["next.reward"].astype(np.float32) if "next.reward" in columns else None,
        is_terminal=ends_with("next.done") and not ends_with("next.truncated"),
        is_success=ends_with("next.success") if "next.success" in columns else None,
    )


def _with_last(values: np.ndarray, last: Any) -> np.ndarray:
    """T rows and the one after them, or without it the last again."""
    row = values[-1:] if last is None else np.asarray(last, values.dtype).reshape(1, *values.shape[1:])
    return np.concatenate([values, row])


def _proprio_of(
    columns: dict[str, np.ndarray], features: dict[str, Feature], row: dict[str, Any], where: str
) -> dict[str, np.ndarray]:
    proprio: dict[str, np.ndarray] = {}
    for name, values in columns.items():
        if name.startswith("observation."):
            whole = _with_last(to_rows(values, f"{where}, {name}"), row.get(OWN + name))
            entries = split_state(whole, features[name]) if name == STATE else {}
            proprio |= entries or {name.removeprefix("observation."): whole}
    return proprio


def _images_of(
    path: Path, description: dict[str, Any], table: pa.Table, columns: dict[str, np.ndarray], row: dict[str, Any]
) -> dict[str, np.ndarray]:
    images: dict[str, np.ndarray] = {}
    for name, feature in description["features"].items():
        where = f"{path}: {name} of episode {row['episode_index']}"
        if feature["dtype"] not in ("image", "video"):
            continue
        check_rgb(feature, where)
        if feature["dtype"] == "image":
            encoded = [struct["bytes"] for struct in table[name].to_pylist()]
            pictures = np.stack([decode(one, where) for one in encoded])
        else:
            video = f"videos/{name}/"
            place: dict[str, Any] = {key: row.get(video + key) for key in VIDEO_KEYS}
            if None in place.values() or not description.get("video_path"):
                raise missing(where, "its place", f"video_path in meta/info.json, {video}... in meta/episodes")
            file = path / description["video_path"].format(video_key=name, **place)
            times_s = place["from_timestamp"] + columns["timestamp"].astype(np.float64).reshape(-1)
            pictures = read_frames(file, times_s, 0.5 / description["fps"])
        last = row.get(OWN + name)
        short = name.removeprefix(PICTURES).removeprefix("observation.")
        images[short] = _with_last(pictures, None if last is None else decode(last, where))
    return images
