"""The datagrams between robot and client, and what may go wrong with them."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Final

_LARGEST: Final = 2048

Address = tuple[str, int]


class Link:
    """A UDP socket that loses, delays or swaps states, and loses commands, when it is told to.

    Attributes:
        client: where states go to, None while nobody is connected.
        is_silent: whether nothing is sent at all.
        dropped_states, swapped_states, dropped_commands: how many of the next ones; of pairs the later comes first.
        delayed_states: how many of the next ones. delay_ms: by how much.
    """

    def __init__(self, host: str) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.setblocking(False)
        self.client: Address | None = None
        self.is_silent = False
        self.dropped_states = self.swapped_states = self.delayed_states = self.delay_ms = self.dropped_commands = 0
        self._held: list[tuple[int, int, bytes]] = []
        self._swapped: tuple[int, bytes] | None = None
        self._newest = 0

    def connect(self, client: Address | None) -> None:
        """Send to `client` from now on, None for nobody; nothing is under way any more."""
        self.client, self._newest = client, 0
        self._held.clear()
        self._swapped = None
        self.receive_all()

    def publish(self, number: int, datagram: bytes) -> int | None:
        """Send a state.

        Returns:
            Number of the newest state that the client has got by now, if that is news to it.
        """
        if self.client is None or self.is_silent:
            return None
        due = [one for one in self._held if one[0] <= number]
        self._held = [one for one in self._held if one[0] > number]
        sent = [self._send(old, old_datagram) for _, old, old_datagram in due]
        if self.dropped_states > 0:
            self.dropped_states -= 1
        elif self.delayed_states > 0:
            self.delayed_states -= 1
            self._held.append((number + self.delay_ms, number, datagram))
        elif self.swapped_states > 0 and self._swapped is None:
            self._swapped = number, datagram
        else:
            sent.append(self._send(number, datagram))
            if self._swapped is not None:
                self._send(*self._swapped)
                self._swapped = None
                self.swapped_states -= 1
        newest = max(sent, default=0)
        if newest <= self._newest:
            return None
        self._newest = newest
        return newest

    def behave(self) -> None:
        """Lose, delay and swap nothing more."""
        self.dropped_states = self.swapped_states = self.delayed_states = self.dropped_commands = 0

    def receive(self) -> bytes | None:
        """The next datagram from the client; None when there is none."""
        try:
            return self.socket.recv(_LARGEST)
        except BlockingIOError:
            return None
        except ConnectionError:  # an earlier state found nobody at the client's port
            return b""

    def receive_all(self) -> None:
        """Throw away what has arrived."""
        while self.receive() is not None:
            pass

    def is_command_lost(self) -> bool:
        """Whether the command that has just arrived is to be taken for lost."""
        if self.dropped_commands <= 0:
            return False
        self.dropped_commands -= 1
        return True

    def _send(self, number: int, datagram: bytes) -> int:
        if self.client is not None:
            with suppress(OSError):  # the client's port is gone; its TCP connection will tell
                self.socket.sendto(datagram, self.client)
        return number
