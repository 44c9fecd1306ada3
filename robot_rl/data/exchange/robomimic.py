"""Episodes as one HDF5 file in robomimic's layout (its documentation, «Datasets > Overview > Dataset Structure»).

`data/demo_<k>` is an episode: `obs/<name>` and `next_obs/<name>` are the observations before and after each of the T
actions (proprio float32 (T, n), images uint8 (T, H, W, 3)), `actions` (T, A), `rewards` (T,), `dones` (T,) which is 1
where the task ended, and `states`, empty as the documentation asks of data that is not robosuite's. `next_obs` holds
the last observation, so that nothing is missing for a learner, at the price of every picture being stored twice.

What robomimic has no place for stands beside these, and its readers pass it by: the datasets `sources`,
`policy_versions`, `stamps_ns` (T + 1), `base_actions` (T + 1, A), the attributes `is_terminal`, `is_success`,
`is_complete` and `paid_at_start` of a demo, and `robot_rl` of `data`: the names in their order, and what the recording
said of itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from robot_rl.data.episode import Episode
from robot_rl.data.exchange.enduring_file import EnduringFile
from robot_rl.data.exchange.foreign import (
    is_picture,
    make_demonstration,
    missing,
    repeat_last,
    stamps_at,
    to_pictures,
    to_rows,
)
from robot_rl.data.exchange.schema import order_by, with_schema
from robot_rl.data.exchange.target import new_target
from robot_rl.errors import ExchangeError
from robot_rl.types import Source

FOREIGN_RATE_HZ = 20.0
"""Rate of a file that does not say its own: the default of robosuite, where most come from."""

GYM_TYPE = 2
"""The number of a gymnasium environment among robomimic's environment types."""

GZIP_LEVEL = 1  # pictures shrink about as much as at the default of 4, in a third of the time


def export_episodes(
    episodes: Iterable[Episode], path: Path, *, rate_hz: float, task: str, said: Mapping[str, Any] | None = None
) -> None:
    """Write episodes to a new HDF5 file.

    Args:
        episodes: of one schema; drawn one at a time.
        path: of the file, which must not exist.
        rate_hz: control steps per second.
        task: becomes the name of the environment.
        said: what the recording says of itself, for `read_said`.

    Raises:
        ExchangeError: the file exists or cannot be written, there is no episode, or one does not fit the others.
    """
    with new_target(path) as target, EnduringFile(target) as raw, h5py.File(raw, "w") as file:
        schema, checked = with_schema(episodes)
        data = file.create_group("data")
        total = 0
        for number, episode in enumerate(checked):
            _write_demo(data.create_group(f"demo_{number}"), episode)
            total += len(episode)
            file.flush()
            raw.check()
        data.attrs["total"] = total
        environment = {"env_name": task, "env_type": GYM_TYPE, "env_kwargs": {"control_freq": rate_hz}}
        data.attrs["env_args"] = json.dumps(environment)
        ours = {"proprio": schema.proprio_names, "images": schema.image_names, "said": dict(said or {})}
        data.attrs["robot_rl"] = json.dumps(ours)


def _write_demo(demo: h5py.Group, episode: Episode) -> None:
    length = len(episode)
    demo.attrs["num_samples"] = length
    demo.attrs["is_terminal"] = episode.is_terminal
    demo.attrs["is_success"] = episode.is_success
    demo.attrs["is_complete"] = episode.is_complete
    demo.attrs["paid_at_start"] = episode.paid_at_start
    ends = np.zeros(length, np.int64)
    ends[-1] = episode.is_terminal
    demo["actions"], demo["rewards"], demo["dones"] = episode.actions, episode.rewards, ends
    demo["states"] = np.zeros((length, 0), np.float32)
    demo["sources"], demo["policy_versions"] = episode.sources, episode.policy_versions
    demo["stamps_ns"] = episode.stamps_ns
    if episode.base_actions is not None:
        demo["base_actions"] = episode.base_actions
    for group, rows in (("obs", slice(None, -1)), ("next_obs", slice(1, None))):
        for name, numbers in episode.proprio.items():
            demo[f"{group}/{name}"] = numbers[rows]
        for name, pictures in episode.images.items():
            one = (1, *pictures.shape[1:])
            demo.create_dataset(
                f"{group}/{name}", data=pictures[rows], chunks=one, compression="gzip", compression_opts=GZIP_LEVEL
            )


def read_said(path: Path) -> dict[str, Any]:
    """What the recording said of itself that a file was exported from; nothing of a file by others.

    Raises:
        ExchangeError: the file cannot be opened, or is no such file.
    """
    with _opened(path) as data:
        return dict(_read_ours(data).get("said", {}))


def import_episodes(path: Path) -> Iterator[Episode]:
    """Read the episodes of a file one by one, in the order of their numbers.

    Of a file by others: the last observation is that of `next_obs`, or repeated without it; actions and numbers
    become float32, observations with one axis or three become rows; who acted is `Source.DEMO`; stamps count from 0
    at `control_freq` of the environment, or `FOREIGN_RATE_HZ`; the task ended where the last of `dones` is 1,
    and well if the last reward is positive then. Actions are not rescaled.

    Raises:
        ExchangeError: the file cannot be opened, or lacks a field.
    """
    with _opened(path) as data:
        names = [name for name in data if name.startswith("demo_") and name[5:].isdigit()]
        if not names:
            raise missing(f"{path}: data", "demonstrations", "groups demo_0, demo_1, ...")
        ours = _read_ours(data)
        rate_hz = _rate_hz(data.attrs)
        for name in sorted(names, key=lambda name: int(name[5:])):
            yield _read_demo(data[name], f"{path}: data/{name}", ours, rate_hz)


@contextmanager
def _opened(path: Path) -> Iterator[h5py.Group]:
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ExchangeError(f"{path} cannot be opened as HDF5: {error}") from error
    with file:
        data = file.get("data")
        if not isinstance(data, h5py.Group):
            raise missing(str(path), "the group data", "data/demo_0, data/demo_1, ...")
        yield data


def _read_ours(data: h5py.Group) -> dict[str, Any]:
    return dict(json.loads(data.attrs["robot_rl"])) if "robot_rl" in data.attrs else {}


def _rate_hz(attributes: Mapping[str, Any]) -> float:
    settings = json.loads(attributes.get("env_args", "{}")).get("env_kwargs") or {}
    return float(settings.get("control_freq") or FOREIGN_RATE_HZ)


def _read_demo(demo: h5py.Group, where: str, ours: dict[str, Any], rate_hz: float) -> Episode:
    actions = to_rows(_read(demo, "actions", where, "numbers of shape (T, A)"), f"{where}/actions")
    proprio, images = _read_observations(demo, where, len(actions))
    proprio, images = order_by(proprio, ours.get("proprio", [])), order_by(images, ours.get("images", []))
    rewards = to_rows(demo["rewards"][()], f"{where}/rewards")[:, 0] if "rewards" in demo else None
    if not ours:
        is_terminal = "dones" in demo and bool(demo["dones"][-1])
        stamps_ns = stamps_at(rate_hz, len(actions) + 1)
        return make_demonstration((proprio, images), stamps_ns, actions, rewards, is_terminal=is_terminal)
    return Episode(
        proprio=proprio,
        images=images,
        stamps_ns=_read(demo, "stamps_ns", where, "T + 1 stamps"),
        actions=actions,
        rewards=_read(demo, "rewards", where, "T rewards"),
        sources=_read(demo, "sources", where, f"T of {[int(source) for source in Source]}"),
        policy_versions=_read(demo, "policy_versions", where, "T versions"),
        is_terminal=bool(demo.attrs["is_terminal"]),
        is_success=bool(demo.attrs["is_success"]),
        is_complete=bool(demo.attrs["is_complete"]),
        base_actions=demo["base_actions"][()] if "base_actions" in demo else None,
        paid_at_start=float(demo.attrs.get("paid_at_start", 0.0)),
    )


def _read(demo: h5py.Group, name: str, where: str, expected: str) -> np.ndarray:
    if name not in demo:
        raise missing(where, name, expected)
    return np.asarray(demo[name][()])


def _read_observations(
    demo: h5py.Group, where: str, length: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Proprio and images, T + 1 rows each."""
    if not isinstance(demo.get("obs"), h5py.Group):
        raise missing(where, "the group obs", "obs/<name> with T rows each (extract the observations first)")
    proprio: dict[str, np.ndarray] = {}
    images: dict[str, np.ndarray] = {}
    for name, dataset in demo["obs"].items():
        field = f"{where}/obs/{name}"
        if dataset.shape[:1] != (length,):
            raise ExchangeError(f"{field} must have {length} rows, one per action, got shape {dataset.shape}.")
        values = dataset[()]
        after = demo.get(f"next_obs/{name}")
        values = repeat_last(values) if after is None else np.concatenate([values, after[-1:]])
        if is_picture(values.shape):
            images[name] = to_pictures(values, field)
        else:
            proprio[name] = to_rows(values, field)
    return proprio, images
