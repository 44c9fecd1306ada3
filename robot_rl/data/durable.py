"""Files that are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

PARTIAL = ".partial"
"""Ends the name of a file that is being written."""


def write_durably(file: Path, content: bytes) -> None:
    """Make a file that is whole or absent after a kill or a power loss, and present once this returns.

    Raises:
        OSError: it could not be written; nothing is left.
    """
    partial = file.with_name(file.name + PARTIAL)
    try:
        with partial.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    synchronise_folder(file.parent)


def synchronise_folder(folder: Path) -> None:
    """Force what was made, renamed or deleted in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
