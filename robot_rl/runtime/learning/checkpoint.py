"""Checkpoints that are whole or not there."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from robot_rl.data.durable import PARTIAL, write_durably
from robot_rl.errors import CheckpointError

_PREFIX = "step_"


def save(folder: Path, step: int, state: Mapping[str, Any], keep: int = 3) -> Path:
    """Write a checkpoint and return its path; of older ones the newest `keep` - 1 stay.

    A kill at any moment leaves the one before.

    Raises:
        CheckpointError: the disk does not take it; what was there before still is.
    """
    path = folder / f"{_PREFIX}{step:09d}.pt"
    content = io.BytesIO()
    torch.save(dict(state), content)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for partial in folder.glob(f"{_PREFIX}*.pt{PARTIAL}"):  # of a kill in the middle of writing
            partial.unlink()
        write_durably(path, content.getvalue())
        for old in find(folder)[:-keep]:
            old.unlink()
    except OSError as error:
        again = "begin again"
        if find(folder):
            again = "`robot-rl resume RUN`, or the same command again, goes on from the one before"
        raise CheckpointError(f"{path} cannot be written: {error.strerror}; free space, then {again}.") from error
    return path


def find(folder: Path) -> list[Path]:
    """The checkpoints of a folder, oldest first."""
    return sorted(folder.glob(f"{_PREFIX}*.pt"))


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint; no code in it is run.

    Raises:
        CheckpointError: it cannot be read; whether there is one before it is said, too.
    """
    has_older = any(each < path for each in find(path.parent))
    way_on = "Remove it to go on from the one before." if has_older else "There is none before it: begin anew."
    return read(path, "checkpoint", way_on)


def read(path: Path, what: str, way_on: str) -> dict[str, Any]:
    """Read a file of torch's that holds a mapping; no code in it is run.

    Args:
        path: of the file.
        what: it is expected to be, for the error.
        way_on: a sentence on what can be done where it is not, for the error.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its parts raise
        raise CheckpointError(f"{path} cannot be read as a {what} ({type(error).__name__}). {way_on}") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} holds a {type(state).__name__} and no {what}. {way_on}")
    return state
