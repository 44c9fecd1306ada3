"""A ROS domain for one graph, so that two graphs on one machine do not hear each other."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

from robot_rl.errors import SetupError

DOMAINS = range(1, 102)
"""Everybody's default, 0, is left alone; from 102 on, the ports are those that Linux gives to anybody."""
_FIRST_PORT, _PORTS_PER_DOMAIN = 7400, 250
_MULTICAST, _FIRST_PARTICIPANT = 0, 10
"""Offsets of the UDP ports, given by the DDS standard, that a domain in which somebody is has bound."""


@contextmanager
def reserve_domain() -> Iterator[int]:
    """A domain in which nobody is, and that no other graph takes while the context is open.

    Raises:
        SetupError: all are taken.
    """
    start = os.getpid()  # where the search begins: two graphs seldom try the same one first
    for domain in (DOMAINS[(start + offset) % len(DOMAINS)] for offset in range(len(DOMAINS))):
        # An abstract socket is a lock that leaves no file behind and that the kernel lets go of, whatever happens.
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as lock:
            try:
                lock.bind(f"\0robot_rl.ros_domain.{domain}")
            except OSError:
                continue
            if not is_domain_used(domain):
                yield domain
                return
    raise SetupError(f"All ROS domains from {DOMAINS[0]} to {DOMAINS[-1]} are in use; set ROS_DOMAIN_ID to choose one.")


def is_domain_used(domain: int) -> bool:
    """Whether a participant of that domain runs on this machine, by its UDP ports."""
    for offset in (_MULTICAST, _FIRST_PARTICIPANT):
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
            try:
                probe.bind(("", _FIRST_PORT + _PORTS_PER_DOMAIN * domain + offset))
            except OSError:
                return True
    return False
