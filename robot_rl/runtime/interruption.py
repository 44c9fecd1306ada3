"""Ctrl-C that lets what is running come to an end."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SAME_S = 0.1


@contextmanager
def interruptible() -> Iterator[list[int]]:
    """Ctrl-C or SIGTERM ends after the running episode, a second one at once; the list is empty until the first.

    What comes within a tenth of a second counts as one: of a Ctrl-C, the terminal and a launch system both tell.
    """
    received: list[int] = []
    first_s = 0.0

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal first_s
        del frame
        if not received:
            first_s = time.monotonic()
            received.append(number)
        elif time.monotonic() - first_s > _SAME_S:
            raise KeyboardInterrupt

    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
