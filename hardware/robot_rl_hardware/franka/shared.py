"""Records that two processes share, without locks: one writes, the other reads a whole one or keeps its last."""

from __future__ import annotations

import mmap
import os
from typing import Final

import numpy as np
from numpy.typing import NDArray

_COUNT_BYTES: Final = 8
_HEADER_BYTES: Final = 64  # the counter has a cache line of its own
_ATTEMPTS: Final = 1000


class SharedRecord:
    """One record of a structured type, guarded by a counter that is odd while it is written (a sequence lock).

    The memory has no name: it is gone with the last process that has it, also where one was killed.
    """

    def __init__(self, dtype: np.dtype[np.void], file: int | None = None) -> None:
        """Make the memory, or take the one behind a file descriptor of whoever made it."""
        size = _HEADER_BYTES + dtype.itemsize
        self.file = os.memfd_create("record") if file is None else file
        if file is None:
            os.ftruncate(self.file, size)
        memory = mmap.mmap(self.file, size)
        # copied through views of memory, which takes half as long as through arrays
        self._count = memoryview(memory)[:_COUNT_BYTES].cast("Q")
        self._shared: NDArray[np.uint8] = np.frombuffer(memory, np.uint8, dtype.itemsize, _HEADER_BYTES)
        self._shared_bytes = self._shared.data
        self._own: NDArray[np.void] = np.zeros(1, dtype)
        self._own_bytes = self._own.view(np.uint8).data
        self._fields: NDArray[np.void] = self._shared.view(dtype)
        self._copy = memoryview(bytearray(dtype.itemsize))
        self._read_count = 0

    @property
    def record(self) -> NDArray[np.void]:
        """This side's copy, shape (1,): what `write` shows the other side, or `read` got from it."""
        return self._own

    @property
    def was_written(self) -> bool:
        """Whether `read` has ever got anything."""
        return self._read_count > 0

    def write(self) -> None:
        """Show `record` to the other side."""
        count = self._count[0]
        count += count & 1  # an earlier writer was killed while it wrote
        self._count[0] = count + 1
        self._shared_bytes[:] = self._own_bytes
        self._count[0] = count + 2

    def read(self) -> bool:
        """Bring `record` up to date; whether there was anything new. What was never finished is never taken."""
        for _ in range(_ATTEMPTS):
            before = self._count[0]
            if before == self._read_count:
                return False
            if before & 1:
                continue
            self._copy[:] = self._shared_bytes
            if self._count[0] == before:
                self._own_bytes[:] = self._copy
                self._read_count = before
                return True
        return False

    def peek(self, name: str) -> int:
        """One whole number of the other side's newest record: a word of memory is never half written."""
        return int(self._fields[name][0])

    def close(self) -> None:
        """Give the descriptor back; the memory lives as long as this object."""
        os.close(self.file)
