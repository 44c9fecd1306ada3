"""Items of one shape, numbered by slot, in memory or in a file."""

from __future__ import annotations

import os
import tempfile
import weakref
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from robot_rl.errors import SetupError, SpecError

Slots = NDArray[np.int64]


class SlotArray(Protocol):
    """What a `FileArray` and a plain array have in common: both are indexed by an array of slots."""

    def __getitem__(self, slots: Slots, /) -> NDArray[Any]: ...

    def __setitem__(self, slots: Slots, items: NDArray[Any], /) -> None: ...

    @property
    def nbytes(self) -> int:
        """Bytes taken, in memory or on disk."""


class FileArray:
    """Items in a sparse file without a name, which vanishes with its process.

    It is read and written by calls, not mapped: mapped pages count as memory of the process, and a full disk would
    kill it instead of raising OSError. Items that were never written are zero.
    """

    def __init__(self, directory: Path, count: int, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        """Make room for `count` items of `shape` in a file in `directory`, which is made where it is missing.

        Raises:
            SetupError: no file can be made there.
        """
        self.count, self.shape, self.dtype = count, shape, np.dtype(dtype)
        self._item_bytes = int(np.prod(shape)) * self.dtype.itemsize
        try:
            directory.mkdir(parents=True, exist_ok=True)
            file = tempfile.TemporaryFile(buffering=0, dir=directory)  # noqa: SIM115  it lives as long as the array
        except OSError as error:
            raise SetupError(
                f"cannot keep items in {directory}: {error.strerror}. Choose another directory."
            ) from error
        weakref.finalize(self, file.close)
        self._descriptor = file.fileno()
        os.ftruncate(self._descriptor, count * self._item_bytes)

    @property
    def nbytes(self) -> int:
        """Bytes that the file really takes on its disk."""
        return os.fstat(self._descriptor).st_blocks * 512

    def __getitem__(self, slots: Slots, /) -> NDArray[Any]:
        out = np.empty((len(slots), *self.shape), self.dtype)
        for item, slot in zip(out, self._checked(slots), strict=True):
            if os.preadv(self._descriptor, [item], slot * self._item_bytes) != self._item_bytes:
                raise OSError(f"item {slot} could not be read whole.")
        return out

    def __setitem__(self, slots: Slots, items: NDArray[Any], /) -> None:
        items = np.ascontiguousarray(items, self.dtype)
        if items.shape != (len(slots), *self.shape):
            raise SpecError(f"{len(slots)} items must have shape {(len(slots), *self.shape)}, got {items.shape}.")
        for item, slot in zip(items, self._checked(slots), strict=True):
            if os.pwritev(self._descriptor, [item], slot * self._item_bytes) != self._item_bytes:
                raise OSError(f"item {slot} could not be written whole.")

    def _checked(self, slots: Slots) -> list[int]:
        if len(slots) and not (slots.min() >= 0 and slots.max() < self.count):
            raise IndexError(f"slots must lie in [0, {self.count - 1}], got {slots.min()} to {slots.max()}.")
        return [int(slot) for slot in slots]


def make_slot_array(count: int, shape: tuple[int, ...], dtype: DTypeLike, directory: Path | None = None) -> SlotArray:
    """Zeros for `count` items of `shape`: in a file in `directory`, or in memory without one."""
    if directory is None:
        return np.zeros((count, *shape), dtype)
    return FileArray(directory, count, shape, dtype)
