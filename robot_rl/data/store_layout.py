"""The folder of a stored run, and why it survives a kill at any moment.

    store.json                          format, and the environment's spec
    attributes/<row>.json               config, code, weights and person of the rows from <row> on: one per writer
    rows/<first>-<stop>.zarr.zip        the rows first ... stop - 1: a segment
    lock                                held by the living writer, with its process id

A segment is a zarr 3 group in one zip file, never changed after it got its name. It is written under another name,
synchronised to the disk, renamed, and the folder synchronised: the rename is the commit. So there is nothing to
repair after a kill or a power loss: a segment is there whole, or not at all, and no write touches committed rows.
Zip keeps a checksum of every chunk. zarr's own folder store would rewrite the last chunk of every array and
its metadata for every batch, in some forty files without a common commit and without a synchronisation.

Small segments, one per batch, are replaced by a big one in the same way: it is committed first and the small ones are
deleted then. A segment within another is therefore left over and ignored. Every row is written twice at most while
the writer lives, plus once for each time that the run is closed.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robot_rl.data import store_spec
from robot_rl.data.durable import PARTIAL, synchronise_folder, write_durably
from robot_rl.data.json_object import read_json_object
from robot_rl.errors import StoreError
from robot_rl.specs import EnvironmentSpec

_FORMAT = "robot-rl-run-1"
HEADER = "store.json"
_LOCK, _ROWS, _ATTRIBUTES = "lock", "rows", "attributes"
_SEGMENT_NAME = re.compile(r"(\d{12})-(\d{12})\.zarr\.zip")
_ATTRIBUTES_NAME = re.compile(r"(\d{12})\.json")


@dataclass(frozen=True)
class Segment:
    """The rows `first` to `stop - 1` of a run, in one file."""

    first: int
    stop: int

    def __len__(self) -> int:
        """Number of rows."""
        return self.stop - self.first

    def file(self, store: Path) -> Path:
        """Where it lies in the store."""
        return store / _ROWS / f"{self.first:012d}-{self.stop:012d}.zarr.zip"


class StoreLock:
    """The right to write a store; the kernel takes it back when the process ends, however it ends."""

    def __init__(self, store: Path) -> None:
        """Take the lock.

        Raises:
            StoreError: another writer lives.
        """
        self._file = (store / _LOCK).open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            holder = self._file.read().strip()
            self._file.close()
            raise StoreError(f"{store} is being written by process {holder}; end it, or use another folder.") from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Let another writer have it."""
        self._file.close()


def make_folder(store: Path) -> None:
    """Make the folder of a store, unless it is there already.

    Raises:
        StoreError: it belongs to something else.
    """
    if store.exists() and not store.is_dir():
        raise StoreError(f"{store} is a file; give the folder of a run, or one that does not exist yet.")
    if store.is_dir() and not (store / HEADER).is_file():
        # a writer that was killed while it made the store leaves these
        foreign = {entry.name for entry in store.iterdir()} - {_LOCK, HEADER + PARTIAL}
        if foreign:
            raise StoreError(
                f"{store} is no stored run: it has no {HEADER} but {sorted(foreign)[:5]}; use another folder."
            )
    if not store.is_dir():
        try:
            store.mkdir(parents=True)
        except OSError as error:
            raise StoreError(f"{store} cannot be made: {error.strerror}; use another folder.") from error
        synchronise_folder(store.parent)


def prepare(store: Path, spec: EnvironmentSpec) -> None:
    """Write the header of a new store, or check that of an existing one, and delete what a killed writer left.

    Raises:
        StoreError: the store has another spec, or is damaged.
    """
    given = store_spec.to_json(spec)
    if (store / HEADER).is_file():
        stored = store_spec.to_json(read_spec(store))
        if stored != given:
            differing = "; ".join(list(store_spec.differences(stored, given))[:5])
            raise StoreError(f"{store} holds a run of another environment: {differing}; use another folder.")
    else:
        write_durably(store / HEADER, json.dumps({"format": _FORMAT, "spec": given}, indent=1).encode())
    own = (store / _ROWS, store / _ATTRIBUTES)
    for folder in own:
        folder.mkdir(exist_ok=True)
    synchronise_folder(store)
    # only where a writer of ours puts them, and no folders: an export that was killed leaves one of its own in here
    for folder in (store, *own):
        for partial in filter(Path.is_file, folder.glob("*" + PARTIAL)):
            partial.unlink()
    delete_replaced(store)


def read_spec(store: Path) -> EnvironmentSpec:
    """The environment's spec.

    Raises:
        StoreError: the folder is no store, or its header is damaged.
    """
    header = store / HEADER
    if not header.is_file():
        raise StoreError(f"{store} is no stored run: it has no {HEADER}; give the folder that a learner wrote.")
    values = _read_json(header)
    if values.get("format") != _FORMAT:
        raise StoreError(f"{header} has format {values.get('format')!r}, this version reads {_FORMAT!r} only.")
    try:
        return store_spec.from_json(values["spec"])
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{header} holds no spec ({error!r}); restore the file from a copy.") from error


def list_segments(store: Path) -> list[Segment]:
    """The segments that hold the rows 0, 1, 2, ... of the run, in their order.

    Raises:
        StoreError: a file is missing.
    """
    out: list[Segment] = []
    row = 0
    for segment in _found_segments(store):
        if segment.stop <= row:
            continue
        if segment.first != row:
            lost = f"rows {row} to {segment.first - 1} are missing" if segment.first > row else "rows overlap"
            raise StoreError(
                f"{segment.file(store)}: {lost} before it; restore the missing file from a copy, or move this file and "
                f"all later ones away to keep the rows before {row}."
            )
        out.append(segment)
        row = segment.stop
    return out


def delete_replaced(store: Path) -> None:
    """Delete the segments whose rows are in a bigger one."""
    for segment in set(_found_segments(store)).difference(list_segments(store)):
        segment.file(store).unlink()


def save_attributes(store: Path, row: int, attributes: Mapping[str, object]) -> None:
    """Say where the rows from `row` on come from.

    Raises:
        StoreError: they are not JSON.
    """
    try:
        content = json.dumps(dict(attributes), indent=1, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise StoreError(f"the attributes of a run must be JSON, so that anyone can read them: {error}.") from error
    write_durably(store / _ATTRIBUTES / f"{row:012d}.json", content)


def load_attributes(store: Path) -> dict[int, Mapping[str, Any]]:
    """First row -> where it and the rows after it come from, in their order.

    Raises:
        StoreError: a file is damaged.
    """
    found = ((_ATTRIBUTES_NAME.fullmatch(file.name), file) for file in sorted((store / _ATTRIBUTES).glob("*.json")))
    return {int(match[1]): _read_json(file) for match, file in found if match}


def _found_segments(store: Path) -> list[Segment]:
    """All that are there, by their first row, the longest first."""
    # A listing that runs while files come and go may miss one of either kind; two equal ones do not.
    before, names = None, _list_rows(store)
    while names != before:
        before, names = names, _list_rows(store)
    matches = [match for match in map(_SEGMENT_NAME.fullmatch, names) if match]
    found = [Segment(int(match[1]), int(match[2])) for match in matches]
    return sorted(found, key=lambda segment: (segment.first, -segment.stop))


def _list_rows(store: Path) -> list[str]:
    return sorted(os.listdir(store / _ROWS)) if (store / _ROWS).is_dir() else []


def _read_json(file: Path) -> Mapping[str, Any]:
    try:
        return read_json_object(file)
    except (OSError, ValueError) as error:
        raise StoreError(f"{file} cannot be read ({error}); restore it from a copy.") from error
