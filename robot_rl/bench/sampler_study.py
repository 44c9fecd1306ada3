"""What `robot-rl bench samplers` has measured, kept part by part: a study that is cut off goes on from there."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from robot_rl.data.durable import write_durably
from robot_rl.data.json_object import read_json_object
from robot_rl.errors import ConfigError
from robot_rl.runtime.run_folder import find_revision

T = TypeVar("T")

_CONDITIONS: Final = "study.json"
_DAMAGE: Final = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)


class Study:
    """A folder with a file for each part that has been measured, and with the conditions that hold for all of them.

    Attributes:
        path: of the folder.
        revisions: of the code that made the parts which were found or kept.
    """

    def __init__(self, path: Path, conditions: Mapping[str, Any]) -> None:
        """Make the folder, or open the one that is there.

        Args:
            path: of the folder.
            conditions: words that every part depends on, fit for JSON.

        Raises:
            ConfigError: there is a study under other conditions in it, or it cannot be written.
        """
        self.path, self.revisions = path, set[str]()
        self._revision = find_revision()
        there = _read_conditions(path)
        if there is None:
            self._write(path / _CONDITIONS, (json.dumps(conditions) + "\n").encode())
        elif there != conditions:
            differing = [key for key in conditions if there.get(key) != conditions[key]]
            theirs, ours = (" ".join(f"{key}={each.get(key)}" for key in differing) for each in (there, conditions))
            raise ConfigError(f"{path} holds a study with {theirs}, not {ours}: choose another run_dir.")

    def find(self, name: str, kind: type[T]) -> T | None:
        """A part that was kept, a dataclass of arrays and numbers; None where it was not.

        Raises:
            ConfigError: its file is damaged.
        """
        file = self._file_of(name)
        if not file.is_file():
            return None
        try:
            with np.load(io.BytesIO(file.read_bytes())) as arrays:
                values = {key: arrays[key] if arrays[key].ndim else arrays[key].item() for key in arrays.files}
            self.revisions.add(values.pop("revision"))
            return kind(**values)
        except _DAMAGE as error:
            raise ConfigError(f"{file} is damaged, or of another version: delete it to measure it again.") from error

    def keep(self, name: str, part: Any) -> None:
        """Write a part to the disk, whole or not at all.

        Raises:
            ConfigError: it cannot be written.
        """
        content = io.BytesIO()
        np.savez_compressed(content, revision=np.array(self._revision), **vars(part))
        self._write(self._file_of(name), content.getvalue())
        self.revisions.add(self._revision)

    def _file_of(self, name: str) -> Path:
        return self.path / f"{name}.npz"

    def _write(self, file: Path, content: bytes) -> None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_durably(file, content)
        except OSError as error:
            raise ConfigError(f"{file} cannot be written: {error.strerror}.") from error


def choose_folder(conditions: Mapping[str, Any]) -> Path:
    """The study under these conditions in runs/, or the first name there that is free."""
    name = f"samplers-{conditions['task']}-{conditions['seed']}"
    path, number = Path("runs") / name, 1
    while path.exists() and _read_conditions(path) != conditions:
        number += 1
        path = Path("runs") / f"{name}-{number}"
    return path


def _read_conditions(path: Path) -> dict[str, Any] | None:
    """Those of the study in a folder; None where there is none.

    Raises:
        ConfigError: what says so cannot be read.
    """
    file = path / _CONDITIONS
    if not file.is_file():
        return None
    try:
        return read_json_object(file)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
