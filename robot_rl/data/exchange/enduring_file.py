"""A file for a library that a failed write leaves in pieces."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self


class EnduringFile:
    """A new file that tells the writer of no error, and raises it at the end, or when it is asked to.

    HDF5 that cannot write what it has in memory prints thousands of lines, and takes the process with it.
    """

    def __init__(self, path: Path) -> None:
        """Make the file."""
        self._file = path.open("x+b", buffering=0)
        self._error: OSError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if error is None:
            self.check()

    def check(self) -> None:
        """Raise the OSError that a write has met."""
        if self._error is not None:
            raise self._error

    def write(self, data: bytes | memoryview) -> int:
        """Write all of it, as far as the disk takes it."""
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while left and self._error is None:
                left = left[self._file.write(left) :]
        except OSError as error:
            self._error = error
        return size

    def read(self, size: int) -> bytes:
        """Read back; zeros where a write was lost."""
        whole = bytearray(size)
        self.readinto(memoryview(whole))
        return bytes(whole)

    def readinto(self, buffer: memoryview) -> int:
        """Read back; zeros where a write was lost."""
        whole = memoryview(buffer).cast("B")
        size = self._file.readinto(whole) or 0
        whole[size:] = bytes(len(whole) - size)
        return len(whole)

    def seek(self, offset: int, whence: int = 0) -> int:
        """See `io.IOBase.seek`."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """See `io.IOBase.tell`."""
        return self._file.tell()

    def truncate(self, size: int | None = None) -> int:
        """Make the file so long."""
        try:
            return self._file.truncate(size)
        except OSError as error:
            self._error = self._error or error
            return size or 0

    def flush(self) -> None:
        """Nothing waits here."""
