"""One segment of a stored run: columns as the arrays of a zarr 3 group, in a zip file.

Images lie in chunks of a few rows, every other column in one chunk; all are compressed with zstd, without loss.

zarr says once how each array is described. Segments differ in their numbers of rows only, and are put together here
from those descriptions: making the arrays of every batch with zarr takes 3 ms each, of the interpreter's one thread.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numcodecs.zstd import Zstd
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec
from zarr.core.buffer import Buffer
from zarr.storage import MemoryStore, ZipStore

from robot_rl.data.store_columns import IMAGES, Columns
from robot_rl.errors import StoreError
from robot_rl.specs import ArraySpec

_IMAGE_CHUNK_ROWS = 8  # neighbours resemble each other: a quarter smaller than single images; more gain little
_ZSTD_LEVEL = 1  # level 3 takes up to eight times as long for camera noise and saves a tenth
_DAMAGE = (OSError, KeyError, TypeError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile)
_ADVICE = "restore the file from a copy, or move it and all later ones away to keep the rows before it"


class SegmentEncoder:
    """Turns columns into the bytes of a segment's file."""

    def __init__(self, specs: Mapping[str, ArraySpec]) -> None:
        """Let zarr describe the arrays: column -> spec of one row."""
        self._zstd = Zstd(_ZSTD_LEVEL)
        described: dict[str, Buffer] = {}
        group = zarr.create_group(MemoryStore(described))
        for name, spec in specs.items():
            shape = (1, *spec.shape)
            group.create_array(
                name, shape=shape, chunks=shape, dtype=np.dtype(spec.dtype), compressors=ZstdCodec(level=_ZSTD_LEVEL)
            )
        self._documents: dict[str, Any] = {key: json.loads(value.to_bytes()) for key, value in described.items()}

    def encode(self, columns: Columns) -> bytes:
        """The file of a segment that holds these columns."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            arrays = {f"{name}/zarr.json" for name in columns}
            for key in self._documents.keys() - arrays:
                archive.writestr(key, json.dumps(self._documents[key]))
            for name, values in columns.items():
                rows = min(len(values), _IMAGE_CHUNK_ROWS) if name.startswith(IMAGES) else len(values)
                document = self._documents[f"{name}/zarr.json"]
                document["shape"][0] = len(values)
                document["chunk_grid"]["configuration"]["chunk_shape"][0] = rows
                archive.writestr(f"{name}/zarr.json", json.dumps(document))
                for k, start in enumerate(range(0, len(values), rows)):
                    chunk = np.ascontiguousarray(values[start : start + rows])
                    if len(chunk) < rows:  # zarr's chunks all have the same size
                        chunk = np.concatenate([chunk, np.zeros((rows - len(chunk), *chunk.shape[1:]), chunk.dtype)])
                    key = "/".join([name, "c", str(k), *["0"] * (chunk.ndim - 1)])
                    archive.writestr(key, self._zstd.encode(chunk))
        return buffer.getvalue()


def read_columns(file: Path, rows: int, specs: Mapping[str, ArraySpec]) -> Columns:
    """Columns of a segment of `rows` rows.

    Raises:
        FileNotFoundError: the file is not there (any more).
        StoreError: it is damaged, or holds something else.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            keys = archive.namelist()
        store = ZipStore(file, mode="r")
        group = zarr.open_group(store, mode="r", zarr_format=3)
    except _DAMAGE as error:
        if not file.exists():
            raise FileNotFoundError(file) from error
        raise StoreError(f"{file} is no zarr group in a zip file ({error}); {_ADVICE}.") from error
    try:
        return {name: _read_array(group, file, keys, name, rows, spec) for name, spec in specs.items()}
    finally:
        store.close()


def _read_array(group: zarr.Group, file: Path, keys: list[str], name: str, rows: int, spec: ArraySpec) -> NDArray[Any]:
    try:
        array = group.get(name)
        if not isinstance(array, zarr.Array):
            raise ValueError("it is missing")
        shape, dtype = (rows, *spec.shape), np.dtype(spec.dtype)
        if array.shape != shape or array.dtype != dtype:
            raise ValueError(f"it must be {dtype} {shape}, got {array.dtype} {array.shape}")
        lacking = array.nchunks - sum(key.startswith(f"{name}/c/") for key in keys)
        if lacking:  # zarr would read zeros
            raise ValueError(f"it lacks {lacking} of {array.nchunks} chunks")
        return np.asarray(array[:])
    except _DAMAGE as error:
        raise StoreError(f"{file}: array {name!r} is damaged: {error}; {_ADVICE}.") from error
