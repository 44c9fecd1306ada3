"""What both ends of the channel over ZeroMQ have in common."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod

import zmq

from robot_rl.errors import ChannelError

HEARTBEAT_S = 0.5
"""Each side speaks at least so often."""


_SHOWN = 800


def shorten(text: str) -> str:
    """The beginning of a text that holds what the other side said, which may be anything of any length, as one line."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 3] + "..."


class ZmqEnd(ABC):
    """What both ends have: a context, a thread that alone touches the sockets, and a way to wake it."""

    def __init__(self, name: str) -> None:
        """Prepare everything but the sockets; the subclass starts the thread."""
        self._context = zmq.Context(io_threads=2)
        self._context.linger = 0
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._wake_lock = threading.Lock()
        self._is_closing = False
        self._poller = zmq.Poller()
        self._poller.register(self._wake_fd, zmq.POLLIN)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def _run(self) -> None:
        """What the thread does until `_is_closing`."""

    def _wake(self) -> None:
        with self._wake_lock:
            if not self._is_closing:
                os.eventfd_write(self._wake_fd, 1)

    def _poll(self, timeout_s: float) -> dict[object, int]:
        """Sockets that have something; what woke the thread is cleared."""
        events: dict[object, int] = dict(self._poller.poll(max(0, int(1000 * timeout_s) + 1)))
        if self._wake_fd in events:
            os.eventfd_read(self._wake_fd)
        return events

    def _check(self) -> None:
        if self._is_closing:
            raise ChannelError("the channel is closed.")
        if not self._thread.is_alive():
            raise ChannelError("the channel's thread has died; the log says of what.")

    def _close(self) -> bool:
        """Stop the thread, so that the sockets are the caller's to close; False if that has happened before."""
        with self._wake_lock:
            was_closing, self._is_closing = self._is_closing, True
            if not was_closing:
                os.eventfd_write(self._wake_fd, 1)
        if not was_closing:
            self._thread.join()
            os.close(self._wake_fd)
        return not was_closing
