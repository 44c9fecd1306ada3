"""Episodes as a zarr group in the layout of diffusion_policy's `ReplayBuffer`, zarr format 2 as its library reads.

`data/<name>` is an array of the rows of all episodes behind each other, one row per action: `action` (N, A), each
proprioceptive entry (N, n) and each camera uint8 (N, H, W, 3). `meta/episode_ends` int64 (E,) holds the row behind
each episode's last.

What the layout has no place for: the arrays `reward`, `source`, `policy_version`, `stamp_ns` and `base_action` of
`data`, one row per action like all others, and of `meta`, one row per episode: the observation after the last action
as `final_<name>`, `is_terminal`, `is_success`, `is_complete`, `paid_at_start`. The original's reader takes every array
of both groups along; a policy is trained on the keys that its configuration names.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.storage import LocalStore, ZipStore

from robot_rl.data.episode import Episode
from robot_rl.data.exchange.foreign import (
    is_picture,
    make_demonstration,
    missing,
    repeat_last,
    stamps_at,
    stamps_from,
    to_pictures,
    to_rows,
)
from robot_rl.data.exchange.growing_array import GrowingArray
from robot_rl.data.exchange.schema import with_schema
from robot_rl.data.exchange.target import new_target
from robot_rl.errors import ExchangeError

FOREIGN_RATE_HZ = 10.0
"""Rate of a group that has no times: the layout has no place for one, and its published tasks run at 10 Hz."""

RESERVED = ("action", "reward", "source", "policy_version", "stamp_ns", "base_action", "timestamp")
"""Names in `data` that are not of an observation."""


def export_episodes(
    episodes: Iterable[Episode], path: Path, *, rate_hz: float, task: str, said: Mapping[str, Any] | None = None
) -> None:
    """Write episodes to a new zarr group in a folder.

    Args:
        episodes: of one schema; drawn one at a time.
        path: of the folder, by custom `<name>.zarr`, which must not exist.
        rate_hz: control steps per second; kept as an attribute beside `task`.
        task: what was done, in words.
        said: what the recording says of itself, for `read_said`.

    Raises:
        ExchangeError: the folder exists, there is no episode, one does not fit the others, or has a reserved name.
    """
    with new_target(path) as target:
        schema, checked = with_schema(episodes)
        taken = sorted({*RESERVED} & {*schema.proprio_names, *schema.image_names})
        if taken:
            raise ExchangeError(f"no observation may be named {', '.join(taken)}: the layout has others by that name.")
        root = zarr.create_group(str(target), zarr_format=2)
        root.create_group("data")
        root.create_group("meta")
        arrays: dict[str, GrowingArray] = {}
        ends: list[int] = []
        for episode in checked:
            for name, values in {**_rows_of(episode), **_endings_of(episode)}.items():
                if name not in arrays:
                    arrays[name] = GrowingArray(root, name, values)
                arrays[name].append(values)
            ends.append((ends[-1] if ends else 0) + len(episode))
        for array in arrays.values():
            array.finish()
        root.create_array("meta/episode_ends", data=np.array(ends, np.int64), compressors=None)
        root.attrs["robot_rl"] = {
            "proprio": schema.proprio_names,
            "images": schema.image_names,
            "rate_hz": rate_hz,
            "task": task,
            "said": dict(said or {}),
        }


def _observed(episode: Episode) -> dict[str, np.ndarray]:
    """Name -> T + 1 rows."""
    values: dict[str, np.ndarray] = {**episode.proprio, **episode.images, "stamp_ns": episode.stamps_ns}
    return values if episode.base_actions is None else values | {"base_action": episode.base_actions}


def _rows_of(episode: Episode) -> dict[str, np.ndarray]:
    """Name -> one row per action."""
    rows = {name: values[:-1] for name, values in _observed(episode).items()} | {
        "action": episode.actions,
        "reward": episode.rewards,
        "source": episode.sources,
        "policy_version": episode.policy_versions,
    }
    return {f"data/{name}": values for name, values in rows.items()}


def _endings_of(episode: Episode) -> dict[str, np.ndarray]:
    """Name -> a single row."""
    rows = {f"final_{name}": values[-1:] for name, values in _observed(episode).items()} | {
        "is_terminal": np.array([episode.is_terminal]),
        "is_success": np.array([episode.is_success]),
        "is_complete": np.array([episode.is_complete]),
        "paid_at_start": np.array([episode.paid_at_start]),
    }
    return {f"meta/{name}": values for name, values in rows.items()}


def read_said(path: Path) -> dict[str, Any]:
    """What the recording said of itself that a group was exported from; nothing of a group by others.

    Raises:
        ExchangeError: this is no group.
    """
    with _opened(path) as root:
        ours = root.attrs.get("robot_rl")
        return dict(ours.get("said", {})) if isinstance(ours, dict) else {}


def import_episodes(path: Path) -> Iterator[Episode]:
    """Read the episodes of a folder or of a zip file (`.zarr.zip`) one by one.

    Of a group by others: every array of `data` but those of `RESERVED` is an observation, with four axes RGB pictures
    (whole numbers 0..255 of any type), else numbers that become float32 rows; the last observation is repeated; who
    acted is `Source.DEMO`; stamps are those of `timestamp` [s], or count from 0 at `FOREIGN_RATE_HZ`; the layout
    has no word on the ending, so episodes are truncated, without success. Actions are not rescaled.

    Raises:
        ExchangeError: this is no such group, it lacks a field, or an array is compressed in a way unknown here.
    """
    with _opened(path) as root:
        yield from _read_group(root, path)


@contextmanager
def _opened(path: Path) -> Iterator[zarr.Group]:
    if not path.exists():
        raise ExchangeError(f"{path} does not exist: expected a zarr folder or a .zarr.zip file.")
    if path.is_file() and not zipfile.is_zipfile(path):
        raise ExchangeError(f"{path} is neither a folder nor a zip file: expected a zarr folder or a .zarr.zip file.")
    store = ZipStore(path, mode="r") if path.is_file() else LocalStore(path, read_only=True)
    with closing(store):
        try:
            root = zarr.open_group(store, mode="r")
        except Exception as error:  # a broken zip and a missing group raise what their libraries raise
            raise ExchangeError(f"{path} cannot be opened as a zarr group: {error}") from error
        yield root


def _read_group(root: zarr.Group, path: Path) -> Iterator[Episode]:
    data, meta = _arrays_of(root, "data", path), _arrays_of(root, "meta", path)
    if "episode_ends" not in meta:
        raise missing(f"{path}: meta", "episode_ends", "the row behind each episode's last, int64 (E,)")
    if "action" not in data:
        raise missing(f"{path}: data", "action", "actions of shape (N, A)")
    ends = [int(end) for end in meta["episode_ends"]]
    if any(end <= start for start, end in pairwise([0, *ends])):
        raise ExchangeError(f"{path}: meta/episode_ends must rise from above 0, got {', '.join(map(str, ends))}.")
    ours = root.attrs.get("robot_rl")
    for name, rows in data.items():
        if ends and rows.shape[0] < ends[-1]:
            raise ExchangeError(
                f"{path}: data/{name} must have {ends[-1]} rows as episode_ends says, got {rows.shape}."
            )
    for number, (start, end) in enumerate(pairwise([0, *ends])):
        rows_of = {name: np.asarray(values[start:end]) for name, values in data.items()}
        if isinstance(ours, dict):
            endings = {name: np.asarray(values[number : number + 1]) for name, values in meta.items()}
            yield _to_episode(rows_of, endings, ours, f"{path}: episode {number}")
        else:
            yield _to_demonstration(rows_of, f"{path}: data")


def _arrays_of(root: zarr.Group, name: str, path: Path) -> dict[str, Any]:
    """Name -> array: in memory, but pictures, which are read episode by episode."""
    if name not in root:
        raise missing(str(path), f"the group {name}", "data/action, ... and meta/episode_ends")
    group = root[name]
    if not isinstance(group, zarr.Group):
        raise ExchangeError(f"{path}: {name} must be a group, got an array.")
    if isinstance(root.attrs.get("robot_rl"), dict):
        for key, array in group.arrays():
            if array.nchunks_initialized < array.nchunks:  # which zarr would read as zeros
                raise ExchangeError(f"{path}: {name}/{key} lacks a part: it was not copied to its end.")
    try:
        return {key: array if array.ndim == 4 else array[...] for key, array in sorted(group.arrays())}
    except (ValueError, KeyError) as error:
        raise ExchangeError(f"{path}: an array of {name} is stored in a way unknown here: {error}") from error


def _to_episode(
    rows: dict[str, np.ndarray], endings: dict[str, np.ndarray], ours: dict[str, Any], where: str
) -> Episode:
    """What `export_episodes` wrote, put together again."""
    needed = {"reward", "source", "policy_version", "stamp_ns", *ours["proprio"], *ours["images"]}
    ends = {"is_terminal", "is_success", "is_complete", "final_stamp_ns"}
    ends |= {f"final_{name}" for name in [*ours["proprio"], *ours["images"]]}
    absent = sorted(needed - {*rows}) + sorted(name for name in ends if not len(endings.get(name, ())))
    if absent:
        raise missing(where, ", ".join(absent), "every array that its attribute robot_rl announces")

    def whole(name: str) -> np.ndarray:
        return np.concatenate([rows[name], endings[f"final_{name}"]])

    return Episode(
        proprio={name: whole(name) for name in ours["proprio"]},
        images={name: whole(name) for name in ours["images"]},
        stamps_ns=whole("stamp_ns"),
        actions=rows["action"],
        rewards=rows["reward"],
        sources=rows["source"],
        policy_versions=rows["policy_version"],
        is_terminal=bool(endings["is_terminal"][0]),
        is_success=bool(endings["is_success"][0]),
        is_complete=bool(endings["is_complete"][0]),
        base_actions=whole("base_action") if "base_action" in rows else None,
        paid_at_start=float(endings["paid_at_start"][0]) if "paid_at_start" in endings else 0.0,
    )


def _to_demonstration(rows: dict[str, np.ndarray], where: str) -> Episode:
    """What others wrote."""
    proprio: dict[str, np.ndarray] = {}
    images: dict[str, np.ndarray] = {}
    for name, values in rows.items():
        if name in RESERVED:
            continue
        if is_picture(values.shape):
            images[name] = to_pictures(repeat_last(values), f"{where}/{name}")
        else:
            proprio[name] = to_rows(repeat_last(values), f"{where}/{name}")
    actions = to_rows(rows["action"], f"{where}/action")
    rewards = to_rows(rows["reward"], f"{where}/reward")[:, 0] if "reward" in rows else None
    if "timestamp" in rows:
        stamps_ns = stamps_from(rows["timestamp"], FOREIGN_RATE_HZ)
    else:
        stamps_ns = stamps_at(FOREIGN_RATE_HZ, len(actions) + 1)
    return make_demonstration((proprio, images), stamps_ns, actions, rewards, is_terminal=False)
