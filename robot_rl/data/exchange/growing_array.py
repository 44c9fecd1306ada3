"""A zarr array of unknown length, written in whole chunks."""

from __future__ import annotations

import numpy as np
import zarr
from numcodecs import Blosc

CHUNK_BYTES = 2_000_000
CHUNK_ROWS = 4096


class GrowingArray:
    """Collects rows and writes them as chunks get full, each once; `finish` writes what is left."""

    def __init__(self, group: zarr.Group, name: str, like: np.ndarray) -> None:
        """Create the array `name` for rows like those of `like`, chunked along the rows only."""
        row_bytes = like.itemsize * int(np.prod(like.shape[1:]))
        self._chunk = max(1, min(CHUNK_ROWS, CHUNK_BYTES // row_bytes))
        self._array = group.create_array(
            name,
            shape=(0, *like.shape[1:]),
            chunks=(self._chunk, *like.shape[1:]),
            dtype=like.dtype,
            fill_value=0,
            config={"write_empty_chunks": True},  # so that a missing one is known to be lost
            compressors=Blosc(cname="zstd", clevel=5, shuffle=Blosc.BITSHUFFLE),
        )
        self._waiting: list[np.ndarray] = []
        self._rows = 0

    def append(self, values: np.ndarray) -> None:
        """Add rows behind the others."""
        self._waiting.append(values)
        self._rows += len(values)
        if self._rows >= self._chunk:
            rows = np.concatenate(self._waiting)
            whole = self._rows // self._chunk * self._chunk
            self._array.append(rows[:whole])
            self._waiting, self._rows = [rows[whole:]], self._rows - whole

    def finish(self) -> None:
        """Write the rows that do not fill a chunk."""
        if self._rows:
            self._array.append(np.concatenate(self._waiting))
        self._waiting, self._rows = [], 0
