"""A TCP connection that brings messages, each with a header that says how long it is."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import numpy as np

from robot_rl.errors import WireError

_CHUNK: Final = 65536
_LONGEST: Final = 1 << 16


class Connection:
    """One client's connection.

    Attributes:
        is_silent: whether messages are kept for later.
    """

    def __init__(self, accepted: socket.socket, host: str, header: np.dtype[np.void]) -> None:
        self.socket, self.host = accepted, host
        self.is_silent = False
        self._header, self._buffer, self._unsent = header, b"", b""
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def receive(self) -> bool:
        """Take in what has arrived; False when the client has closed the connection."""
        try:
            chunk = self.socket.recv(_CHUNK)
        except OSError:
            return False
        self._buffer += chunk
        return bool(chunk)

    def messages(self) -> Iterator[tuple[int, int, bytes]]:
        """(command, number, payload) of every message that is complete.

        Raises:
            WireError: a header says a length that no message has.
        """
        length = self._header.itemsize
        while len(self._buffer) >= length:
            header = np.frombuffer(self._buffer[:length], self._header)[0]
            size = int(header["size"])
            if not length <= size <= _LONGEST:
                raise WireError(f"a message says that it has {size} bytes; valid are {length} to {_LONGEST}.")
            if len(self._buffer) < size:
                return
            payload, self._buffer = self._buffer[length:size], self._buffer[size:]
            yield int(header["command"]), int(header["number"]), payload

    def send(self, message: bytes = b"") -> None:
        """Send a message, after those of a silence that is over; a client that is gone misses it."""
        self._unsent += message
        if self.is_silent:  # a broken network loses datagrams, but TCP delivers later
            return
        with suppress(OSError):
            self.socket.sendall(self._unsent)
        self._unsent = b""


def accept(listener: socket.socket, header: np.dtype[np.void]) -> Connection | None:
    """The next client's connection; None if the client has left already."""
    try:
        accepted, (host, _) = listener.accept()
        return Connection(accepted, host, header)
    except OSError:
        return None


def listen(host: str, port: int) -> socket.socket:
    """A socket that waits for connections there.

    Raises:
        OSError: somebody else listens there.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1)
    except OSError:
        listener.close()
        raise
    return listener
