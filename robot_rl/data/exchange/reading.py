"""Episodes of any layout, and one kind of error for whatever is wrong with a file."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sized
from pathlib import Path
from types import ModuleType
from typing import Any

from robot_rl.data.episode import Episode
from robot_rl.data.exchange import FORMATS
from robot_rl.errors import ExchangeError, RobotRLError, UnknownNameError

_SURPRISES = (ValueError, TypeError, KeyError, IndexError, AttributeError, OSError, RuntimeError)


def read_episodes(layout: str, path: Path) -> Iterator[Episode]:
    """The episodes at `path`, one after the other.

    Raises:
        UnknownNameError: no such layout.
        ExchangeError: it is not of the layout, or damaged. What a module has no words for is named as it was met.
    """
    module = load_layout(layout)
    try:
        for number, episode in enumerate(module.import_episodes(path)):
            _check_lengths(episode, f"{path}: episode {number}")
            yield episode
    except RobotRLError:
        raise
    except _SURPRISES as error:
        raise _to_error(layout, path, error) from error


def read_said(layout: str, path: Path) -> dict[str, Any]:
    """What the recording said of itself that was exported to `path`; empty for the data of others.

    Raises:
        UnknownNameError, ExchangeError: see `read_episodes`.
    """
    module = load_layout(layout)
    try:
        said: dict[str, Any] = module.read_said(path)
        return said
    except RobotRLError:
        raise
    except _SURPRISES as error:
        raise _to_error(layout, path, error) from error


def load_layout(name: str) -> ModuleType:
    """The module of a layout; UnknownNameError where there is none of this name."""
    if name not in FORMATS:
        raise UnknownNameError("layout", name, FORMATS)
    return importlib.import_module(FORMATS[name])


def _to_error(layout: str, path: Path, error: Exception) -> ExchangeError:
    what = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return ExchangeError(f"{path} is damaged, or not of the layout {layout}: {what}")


def _check_lengths(episode: Episode, where: str) -> None:
    steps = len(episode)
    if steps < 1:
        raise ExchangeError(f"{where} has no control step.")
    seen: dict[str, Sized] = {**episode.proprio, **episode.images, "the time stamps": episode.stamps_ns}
    chosen: dict[str, Sized] = {
        "rewards": episode.rewards,
        "sources": episode.sources,
        "policy versions": episode.policy_versions,
    }
    for rows, parts in ((steps + 1, seen), (steps, chosen)):
        for name, values in parts.items():
            if len(values) != rows:
                raise ExchangeError(f"{where}: {name} must have {rows} rows beside {steps} actions, got {len(values)}.")
