"""Windows of recorded episodes for imitation: the newest observations, and the chunk of actions around them.

Rows are kept once; windows are cut when they are read. At the beginning of an episode the first observation and the
first action are repeated, at its end the last action.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robot_rl.data.episode import Episode
from robot_rl.errors import ExchangeError

_OPENING, _WIDE_OPEN = "gripper", 0.9
"""The part of an observation that tells how far a gripper is open, from 0 to 1."""

LEAST_STEPS = 2
"""Control steps that a chunk is learned from."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ChunkRows:
    """Recorded control steps, one behind the other.

    Attributes:
        proprio: (N, P), the observation before each action.
        images: camera -> (N, H, W, 3), uint8.
        actions: (N, A).
        starts: first row of each episode, and at the end N; of one that pauses have divided, of each part.
        owners: number of the episode that each part is of, (parts,).
    """

    proprio: Floats
    images: Mapping[str, NDArray[np.uint8]]
    actions: Floats
    starts: NDArray[np.int64]
    owners: NDArray[np.int64]

    def __len__(self) -> int:
        """N."""
        return len(self.actions)

    @property
    def episodes(self) -> int:
        """Number of episodes."""
        return len(np.unique(self.owners))

    def select(self, episodes: Sequence[int]) -> NDArray[np.int64]:
        """The rows of these episodes."""
        parts = [part for episode in episodes for part in np.flatnonzero(self.owners == episode)]
        ranges = [np.arange(self.starts[part], self.starts[part + 1]) for part in parts]
        return np.concatenate(ranges) if ranges else np.zeros(0, np.int64)

    def observation_rows(self, rows: NDArray[np.int64], steps: int) -> NDArray[np.int64]:
        """Rows of the newest `steps` observations of each row, oldest first, shape (B, T)."""
        first = self._first_rows(rows)
        offsets = np.arange(1 - steps, 1)
        seen: NDArray[np.int64] = np.maximum(rows[:, None] + offsets, first[:, None])
        return seen

    def chunk_rows(self, rows: NDArray[np.int64], horizon: int, past: int) -> NDArray[np.int64]:
        """Rows of the actions of each row's chunk, the present at position `past`, shape (B, H)."""
        first, last = self._first_rows(rows), self._last_rows(rows)
        wanted = rows[:, None] + np.arange(-past, horizon - past)
        inside: NDArray[np.int64] = np.clip(wanted, first[:, None], last[:, None])
        return inside

    def _first_rows(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        first: NDArray[np.int64] = self.starts[np.searchsorted(self.starts, rows, side="right") - 1]
        return first

    def _last_rows(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        last: NDArray[np.int64] = self.starts[np.searchsorted(self.starts, rows, side="right")] - 1
        return last


def gather_rows(
    episodes: Iterable[Sequence[Episode]], proprio: Sequence[str], cameras: Sequence[str] = (), held: Sequence[int] = ()
) -> ChunkRows:
    """The control steps of episodes.

    Args:
        episodes: each as the parts that pauses have left of it, in the order in which they are counted in error
            messages.
        proprio: names of the parts of the observation, in their order.
        cameras: names of the cameras that are looked at.
        held: elements of the action, such as a gripper's, that are three-way commands, of which 0 leaves things as
            they are: they become the newest command that was given, so that they have two values; open (1) at first.

    Raises:
        ExchangeError: there is no episode, nothing to see but pictures, or an episode lacks a part, has a part of
            another shape than the first episode's, fewer than two steps, or a number that is not finite.
    """
    if not proprio:
        raise ExchangeError("data: there is no proprioception in it; a policy needs at least one part of it.")
    shapes: dict[str, tuple[int, ...]] = {}
    seen: list[Floats] = []
    images: dict[str, list[NDArray[np.uint8]]] = {name: [] for name in cameras}
    actions: list[Floats] = []
    owners: list[int] = []
    for number, part in ((number, part) for number, whole in enumerate(episodes) for part in whole):
        _check(part, number, proprio, cameras)
        _check_shapes(part, number, proprio, cameras, shapes)
        count = len(part)
        seen.append(np.concatenate([part.proprio[name][:count] for name in proprio], axis=1))
        actions.append(_hold(part, held))
        owners.append(number)
        for name in cameras:
            images[name].append(part.images[name][:count])
    if not actions:
        raise ExchangeError("data: there is no episode to learn from: none is whole and a success.")
    starts = np.concatenate([[0], np.cumsum([len(each) for each in actions])]).astype(np.int64)
    return ChunkRows(
        np.concatenate(seen),
        {name: np.concatenate(images.pop(name)) for name in tuple(images)},  # or all would be in memory twice
        np.concatenate(actions),
        starts,
        np.array(owners),
    )


def _hold(episode: Episode, held: Sequence[int]) -> Floats:
    """The actions with the newest command in place of a recorded "stay".

    Before the first command, as after a pause or where the part is in the gripper from the start, what the gripper does
    already: it is closed unless it is wide open.
    """
    actions = episode.actions.copy()
    opening = episode.proprio.get(_OPENING)
    at_start = -1.0 if opening is not None and float(opening[0, 0]) < _WIDE_OPEN else 1.0
    for element in held:
        commands = actions[:, element]
        newest = np.maximum.accumulate(np.where(np.abs(commands) > 0.5, np.arange(len(commands)), -1))
        actions[:, element] = np.where(newest < 0, at_start, np.sign(commands[newest]))
    return actions


def _check(episode: Episode, number: int, proprio: Sequence[str], cameras: Sequence[str]) -> None:
    where = f"data: episode {number}"
    if len(episode) < LEAST_STEPS:
        raise ExchangeError(
            f"{where} has {len(episode)} control steps; a chunk is learned from at least {LEAST_STEPS}."
        )
    for kind, names, values in (("proprio", proprio, episode.proprio), ("images", cameras, episode.images)):
        missing = [name for name in names if name not in values]
        if missing:
            raise ExchangeError(f"{where} lacks {kind} {missing[0]!r}; it has: {', '.join(values) or 'none'}.")
    fields = {"actions": episode.actions, **{f"proprio {name!r}": episode.proprio[name] for name in proprio}}
    for name, numbers in fields.items():
        bad = np.argwhere(~np.isfinite(numbers))
        if len(bad):
            step, element = (int(each) for each in bad[0])
            raise ExchangeError(f"{where}: {name} is {numbers[step, element]} at step {step}, element {element}.")


def _check_shapes(
    episode: Episode, number: int, proprio: Sequence[str], cameras: Sequence[str], shapes: dict[str, tuple[int, ...]]
) -> None:
    """Compare with the shapes of the first episode, which are written down when it comes."""
    fields = {
        "actions": episode.actions.shape[1:],
        **{f"proprio {name!r}": episode.proprio[name].shape[1:] for name in proprio},
        **{f"images {name!r}": episode.images[name].shape[1:] for name in cameras},
    }
    for name, shape in fields.items():
        if shapes.setdefault(name, shape) != shape:
            raise ExchangeError(
                f"data: episode {number}: {name} has shape {shape} in each step, that of episode 0 has {shapes[name]}."
            )
