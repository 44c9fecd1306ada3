"""A process of a driver: libfranka keeps Python's lock while it waits, so that each of its loops has one of its own."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Final

_POLL_S: Final = 1e-3
_END_S: Final = 5.0


class Child:
    """A process that this one has started."""

    def __init__(self, command: Sequence[str], files: Sequence[int], pause: Callable[[float], None]) -> None:
        """Start it.

        Args:
            command: with its words.
            files: numbers of open files that it gets, too.
            pause: lets some seconds pass while it is waited for.
        """
        self._pause = pause
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=files,
            start_new_session=True,  # Ctrl-C is for us, who end it
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        )

    @property
    def number(self) -> int:
        """For those who watch it."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """What it has ended with; None while it runs."""
        return self._process.poll()

    def wait(self, is_true: Callable[[], bool], limit_s: float) -> bool:
        """Wait for something that it says; whether it did before the time, or the process, was over."""
        deadline_s = time.monotonic() + limit_s
        while time.monotonic() < deadline_s:
            is_over = self.status is not None  # first: what it says last is heard
            if is_true():
                return True
            if is_over:
                return False
            self._pause(_POLL_S)
        return False

    def end(self) -> None:
        """Return when it has ended, as it was told to; after a while it is killed."""
        if not self.wait(lambda: self.status is not None, _END_S):
            self._process.kill()
        self._process.wait()
