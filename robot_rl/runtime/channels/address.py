"""The address of a learner, tcp://HOST:PORT, and whose it is."""

from __future__ import annotations

import ipaddress
import socket
from typing import NamedTuple

from robot_rl.errors import ConfigError

_ANY = "*"


class Address(NamedTuple):
    """Where a learner listens.

    Attributes:
        host: name or number, without brackets; "*" for every interface of the learner's machine.
        port: a number, 0 for any that is free; "*" for the same.
    """

    host: str
    port: str

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is that of another machine: this one cannot bind it."""
        if self.host == _ANY:
            return False
        try:
            found = socket.getaddrinfo(self.host, None, type=socket.SOCK_STREAM)
        except OSError:  # a name that nobody knows here is not this machine's
            return True
        return not any(_can_bind(family, address[0]) for family, _, _, _, address in found)


def parse_address(text: str) -> Address:
    """The parts of tcp://HOST:PORT.

    Raises:
        ConfigError: the text has another form.
    """
    scheme, _, rest = text.partition("://")
    host, _, port = rest.rpartition(":")
    if scheme != "tcp" or not host or not (port == _ANY or (port.isdecimal() and int(port) < 2**16)):
        raise ConfigError(f"The address of a channel must be tcp://HOST:PORT, got {text!r}.")
    return Address(host.strip("[]"), port)


def _can_bind(family: int, host: str | int) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True
