"""Ctrl-C, and the closing of the terminal, that let what is running come to an end."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SAME_S = 0.1


@contextmanager
def interruptible() -> Iterator[list[int]]:
    """Ctrl-C, SIGTERM or SIGHUP ends after the running episode; the list is empty until the first of them.

    A second Ctrl-C or SIGTERM ends at once. What comes within a tenth of a second counts as one: of a Ctrl-C, the
    terminal and a launch system both tell. SIGHUP is never the second: of a terminal that is closed, shell and kernel
    tell one after the other, and nobody is in a hurry. Where it was ignored it stays so, under nohup for example.
    """
    received: list[int] = []
    first_s = 0.0

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal first_s
        del frame
        if not received:
            first_s = time.monotonic()
            received.append(number)
        elif number != signal.SIGHUP and time.monotonic() - first_s > _SAME_S:
            raise KeyboardInterrupt

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    previous = {number: signal.signal(number, note) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
