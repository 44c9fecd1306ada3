"""What the checks look at, so that tests can show them other machines."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

_PROGRAM_S: Final = 20.0


def run_program(words: Sequence[str]) -> str | None:
    """What a program prints; None where it does not exist, fails, or does not end."""
    try:
        ended = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PROGRAM_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return ended.stdout


def find_version(package: str) -> str | None:
    """Version of an installed package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _count_free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _may_read(path: Path) -> bool:
    return os.access(path, os.R_OK)


@dataclass(frozen=True)
class Machine:
    """A computer.

    Attributes:
        root: of its file system.
        environment: of this process.
        run, find_version: as the functions of this module.
        count_free_bytes: of the disk of a folder.
        may_read: whether the user may read a file.
    """

    root: Path = Path("/")
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    run: Callable[[Sequence[str]], str | None] = run_program
    find_version: Callable[[str], str | None] = find_version
    count_free_bytes: Callable[[Path], int] = _count_free_bytes
    may_read: Callable[[Path], bool] = _may_read

    def read(self, path: str) -> str | None:
        """Text of a file below the root, without the last line's end; None where there is none to be read."""
        try:
            return (self.root / path).read_text(errors="replace").rstrip("\n")
        except OSError:
            return None

    def find(self, folder: str, pattern: str) -> list[Path]:
        """Files of a folder below the root, in order; none where it does not exist."""
        return sorted((self.root / folder).glob(pattern))
