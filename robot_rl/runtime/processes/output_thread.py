"""Writes lines for a reader who may stall, such as a pager, without ever keeping their author waiting."""

from __future__ import annotations

import os
import threading
from collections import Counter, deque
from contextlib import suppress
from typing import TextIO

LINES = 2000
"""Of one source that may wait to be written; what comes beyond them is left out."""


class OutputThread:
    """A stream with a thread that writes to it.

    Each source has a share of its own, so that one that prints without end does not keep the others' lines out.
    """

    def __init__(self, stream: TextIO) -> None:
        """Start the thread; only `close` ends it."""
        self._stream = _open_beside(stream)
        self._is_own = self._stream is not stream
        self._waiting: deque[tuple[str, str]] = deque()
        self._counts: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._is_closed = False
        self.is_broken = False
        """Whether the reader, a terminal or a program, has gone."""
        # A daemon: who interrupts `close` while the reader stalls ends the process all the same.
        self._thread = threading.Thread(target=self._run, name="output", daemon=True)
        self._thread.start()

    def put(self, source: str, text: str) -> None:
        """Have a line (or several, with their ends) written, or leave it out where too much of its source waits."""
        with self._changed:
            count, left_out = self._counts[source], self._left_out[source]
            # once something is left out, until there is room for much: a note for every other line would be noise
            if count >= (LINES // 2 if left_out else LINES):
                self._left_out[source] += 1
                return
            self._note_gap(source)
            self._append(source, text)

    def close(self) -> None:
        """Wait until everything that was put has been read, or the reader has gone."""
        with self._changed:
            for source in tuple(self._left_out):
                self._note_gap(source)
            self._is_closed = True
            self._changed.notify()
        self._thread.join()
        if self._is_own:
            with suppress(OSError):  # what a broken stream still holds
                self._stream.close()

    def _note_gap(self, source: str) -> None:
        left_out = self._left_out.pop(source, 0)
        if left_out:
            self._append(source, f"--- {left_out} lines of {source} are left out here: nobody read them in time\n")

    def _append(self, source: str, text: str) -> None:
        if not self.is_broken:
            self._waiting.append((source, text))
            self._counts[source] += 1
            self._changed.notify()

    def _run(self) -> None:
        while (text := self._take()) is not None:
            try:
                self._stream.write(text)
                self._stream.flush()
            except OSError:  # a broken pipe, or a terminal that was closed
                with self._changed:
                    self.is_broken = True
                    self._waiting.clear()
                    self._counts.clear()
                return

    def _take(self) -> str | None:
        """The next text; None once there is none and will be none."""
        with self._changed:
            while not self._waiting:
                if self._is_closed:
                    return None
                self._changed.wait()
            source, text = self._waiting.popleft()
            self._counts[source] -= 1
            return text


def _open_beside(stream: TextIO) -> TextIO:
    """The same output with a buffer of its own, which the interpreter does not wait for when it ends."""
    stream.flush()
    try:
        descriptor = os.dup(stream.fileno())
    except OSError:  # one in memory, whose reader cannot stall
        return stream
    return os.fdopen(descriptor, "w", encoding=stream.encoding, errors="backslashreplace")
