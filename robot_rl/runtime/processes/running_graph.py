"""Where a running graph is to be found: its ROS domain and its namespace."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from robot_rl.errors import ConfigError

LAST_DOMAIN = 232
"""The ports of a higher one would lie beyond the last port that there is."""
_NAME = "robot_rl.graph"
_SOCKETS = Path("/proc/net/unix")
_ANNOUNCED = re.compile(rf"@{re.escape(_NAME)}\.(\d+)\.(\d+)\.([\w/]*)$", re.ASCII | re.MULTILINE)


@dataclass(frozen=True, order=True)
class RunningGraph:
    """A graph that runs.

    Attributes:
        domain: its ROS domain.
        namespace: of its nodes, without a slash before it; "" for none.
    """

    domain: int
    namespace: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.domain <= LAST_DOMAIN:
            raise ConfigError(f"a ROS domain is a number from 0 to {LAST_DOMAIN}, got {self.domain}.")

    @property
    def words(self) -> str:
        """What a command is told to find this graph and no other."""
        return f"--domain {self.domain}" + (f" --namespace {self.namespace}" if self.namespace else "")


def to_domain(text: str) -> int:
    """The domain that ROS_DOMAIN_ID says.

    Raises:
        ConfigError: it says none.
    """
    if not text.isascii() or not text.isdigit():
        raise ConfigError(f"ROS_DOMAIN_ID must be a number from 0 to {LAST_DOMAIN}, got {text!r}.")
    return int(text)


@contextmanager
def announced(graph: RunningGraph) -> Iterator[None]:
    """Have everybody on this machine find a graph while the context is open: see `list_announced`."""
    # The name of an abstract socket leaves no file behind, and is gone with the process, whatever happens.
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sign:
        sign.bind(f"\0{_NAME}.{os.getpid()}.{graph.domain}.{graph.namespace}")
        yield


def list_announced() -> set[RunningGraph]:
    """The graphs that `robot-rl up` runs on this machine, whoever started them."""
    found = _ANNOUNCED.findall(_SOCKETS.read_text(errors="replace"))
    return {RunningGraph(int(domain), namespace) for _, domain, namespace in found}


def find_graph(
    domain: int | None = None, namespace: str | None = None, environment: Mapping[str, str] = os.environ
) -> RunningGraph:
    """The graph that somebody means who says no more than is needed to tell it from others.

    One that was not announced, such as that of a launch file, is where it would be with what is said: without
    anything in ROS's own domain, 0.

    Args:
        domain: where to look; None for what ROS_DOMAIN_ID says, or wherever a graph is.
        namespace: of its nodes; None for any.
        environment: usually that of this process.

    Raises:
        ConfigError: several graphs run there, or there is no such domain.
    """
    if domain is None and environment.get("ROS_DOMAIN_ID"):
        domain = to_domain(environment["ROS_DOMAIN_ID"])
    wanted = None if namespace is None else namespace.strip("/")
    found = [
        graph
        for graph in sorted(list_announced())
        if domain in (None, graph.domain) and wanted in (None, graph.namespace)
    ]
    if len(found) > 1:
        choices = ", or ".join(f"--domain {graph.domain} --namespace {graph.namespace or repr('')}" for graph in found)
        raise ConfigError(f"{len(found)} graphs run on this machine; say which one is meant: {choices}.")
    return found[0] if found else RunningGraph(domain or 0, wanted or "")
