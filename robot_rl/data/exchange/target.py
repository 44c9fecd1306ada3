"""A place to write to that becomes the target only when everything is written."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from robot_rl.data.durable import synchronise_folder
from robot_rl.errors import ExchangeError


@contextmanager
def new_target(path: Path) -> Iterator[Path]:
    """A path beside `path`, of the same name, that is moved to `path` when the block ends well.

    After an error nothing is left; a killed process leaves a hidden folder `.<name>.*.partial`, never a target.

    Raises:
        ExchangeError: something exists at `path` already, which is not touched; or it cannot be written there.
    """
    _refuse_existing(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    except OSError as error:
        raise ExchangeError(f"{path} cannot be made: {error.strerror}; choose another path.") from error
    with made as folder:
        unfinished = Path(folder) / path.name
        try:
            yield unfinished
        except OSError as error:
            raise ExchangeError(f"{path} cannot be written: {error.strerror or error}; free space.") from error
        _refuse_existing(path)
        unfinished.rename(path)
        synchronise_folder(path.parent)


def _refuse_existing(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise ExchangeError(f"{path} exists already and is not overwritten: choose a new path, or remove it first.")
