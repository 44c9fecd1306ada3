"""What all episodes of one exported data set have in common, and the check that they do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import DTypeLike

from robot_rl.data.episode import Episode
from robot_rl.errors import ExchangeError


@dataclass(frozen=True)
class Schema:
    """Names and sizes that all episodes share.

    Attributes:
        proprio: (name, size) in their order.
        images: (name, (height, width)) in their order.
        action_size: A.
        has_base: whether the actions of a base policy are there.
    """

    proprio: tuple[tuple[str, int], ...]
    images: tuple[tuple[str, tuple[int, int]], ...]
    action_size: int
    has_base: bool

    @property
    def proprio_names(self) -> list[str]:
        """Names of the proprioceptive entries."""
        return [name for name, _ in self.proprio]

    @property
    def image_names(self) -> list[str]:
        """Names of the cameras."""
        return [name for name, _ in self.images]


def with_schema(episodes: Iterable[Episode]) -> tuple[Schema, Iterator[Episode]]:
    """The schema of the first episode, and all episodes, each checked against it when it is drawn.

    Raises:
        ExchangeError: there is no episode, or, later, one that is not well-formed or differs from the first.
    """
    rest = iter(episodes)
    first = next(rest, None)
    if first is None:
        raise ExchangeError("there is nothing to export: expected at least one episode.")
    schema = _schema_of(first, 0)
    return schema, _checked(chain([first], rest), schema)


def _checked(episodes: Iterable[Episode], expected: Schema) -> Iterator[Episode]:
    for number, episode in enumerate(episodes):
        found = _schema_of(episode, number)
        if found != expected:
            raise ExchangeError(
                f"episode {number} differs from episode 0, and a data set has one layout: expected {expected}, "
                f"got {found}."
            )
        yield episode


def _schema_of(episode: Episode, number: int) -> Schema:
    """Schema of a well-formed episode."""
    length, where = len(episode), f"episode {number}"
    if length == 0:
        raise ExchangeError(f"{where} has no control step: expected at least one.")
    action_size = int(episode.actions.shape[-1])
    _check_names(list(episode.proprio) + list(episode.images), where)
    _check_array(f"{where}: actions", episode.actions, np.float32, (length, action_size))
    _check_array(f"{where}: rewards", episode.rewards, np.float32, (length,))
    _check_array(f"{where}: sources", episode.sources, np.int8, (length,))
    _check_array(f"{where}: policy_versions", episode.policy_versions, np.int64, (length,))
    _check_array(f"{where}: stamps_ns", episode.stamps_ns, np.int64, (length + 1,))
    if episode.base_actions is not None:
        _check_array(f"{where}: base_actions", episode.base_actions, np.float32, (length + 1, action_size))
    for name, numbers in episode.proprio.items():
        _check_array(f"{where}: proprio {name!r}", numbers, np.float32, (length + 1, *numbers.shape[1:2]))
    for name, pictures in episode.images.items():
        _check_array(f"{where}: image {name!r}", pictures, np.uint8, (length + 1, *pictures.shape[1:3], 3))
    return Schema(
        tuple((name, numbers.shape[1]) for name, numbers in episode.proprio.items()),
        tuple((name, (pictures.shape[1], pictures.shape[2])) for name, pictures in episode.images.items()),
        action_size,
        episode.base_actions is not None,
    )


def _check_array(name: str, array: np.ndarray, dtype: DTypeLike, shape: tuple[int, ...]) -> None:
    if array.dtype != np.dtype(dtype) or array.shape != shape or 0 in shape:
        raise ExchangeError(
            f"{name} must be {np.dtype(dtype)} of shape {shape} without an empty axis, "
            f"got {array.dtype} of shape {array.shape}."
        )


def _check_names(names: list[str], where: str) -> None:
    """A name becomes a part of a path and of a column, and is looked up among proprio and images alike."""
    for name in names:
        if not name or "/" in name or name.startswith("."):
            raise ExchangeError(f"{where}: the name {name!r} must not be empty, contain '/' or begin with '.'.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ExchangeError(f"{where}: {', '.join(twice)} names both a proprioceptive entry and an image: rename one.")


def order_by(values: Mapping[str, np.ndarray], names: Iterable[str]) -> dict[str, np.ndarray]:
    """`values` in the order of `names`, what they do not name behind."""
    first = [name for name in names if name in values]
    return {name: values[name] for name in [*first, *(name for name in values if name not in first)]}
