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
_NAME, _CLAIM, _ROBOT = "robot_rl.graph", "robot_rl.claim", "robot_rl.robot"
_ELSEWHERE = (
    "Both would move the same arm. End it first, or set ROS_DOMAIN_ID to another domain; where it is unset, "
    "`robot-rl up` finds a free one."
)
_LONGEST_NAMESPACE = 64
"""A running graph is announced by it, in a name of 107 characters."""
_NAMESPACE = re.compile(r"[A-Za-z_]\w*(/[A-Za-z_]\w*)*", re.ASCII)
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
        check_namespace(self.namespace)

    @property
    def words(self) -> str:
        """What a command is told to find this graph and no other."""
        return f"--domain {self.domain}" + (f" --namespace {self.namespace}" if self.namespace else "")


def check_namespace(namespace: str) -> None:
    """Raise ConfigError where this is neither "" nor a namespace of ROS, without a slash before it."""
    if namespace and not (_NAMESPACE.fullmatch(namespace) and len(namespace) <= _LONGEST_NAMESPACE):
        raise ConfigError(
            f"{namespace!r} is no namespace: letters, digits and _, at most {_LONGEST_NAMESPACE}, not beginning with a "
            "digit, such as left_arm."
        )


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


@contextmanager
def claimed(graph: RunningGraph) -> Iterator[int]:
    """The descriptor of a claim: nobody else on this machine has it until all who keep the descriptor open have ended.

    Two graphs in one place would be one: the second driver would recover and move the arm of the first.

    Raises:
        ConfigError: the graph runs already, or its processes are still ending.
    """
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as claim:
        try:
            claim.bind(f"\0{_CLAIM}.{graph.domain}.{graph.namespace}")
        except OSError as error:
            pids = [pid for pid, other in _read_announced() if other == graph]
            by = f"`robot-rl up` with the process id {pids[0]}" if pids else "one whose processes are still ending"
            raise ConfigError(f"A graph runs already in {_describe(graph)}: {by}. {_ELSEWHERE}") from error
        yield claim.fileno()


@contextmanager
def robot_claimed(graph: RunningGraph) -> Iterator[None]:
    """Be the only process on this machine that serves the robot of a graph, whoever has started it.

    Raises:
        ConfigError: another one does.
    """
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as claim:
        try:
            claim.bind(f"\0{_ROBOT}.{graph.domain}.{graph.namespace}")
        except OSError as error:
            raise ConfigError(f"A robot is served already in {_describe(graph)}. {_ELSEWHERE}") from error
        yield


def _describe(graph: RunningGraph) -> str:
    return f"ROS domain {graph.domain}" + (f", namespace {graph.namespace}" if graph.namespace else "")


def list_announced() -> set[RunningGraph]:
    """The graphs that `robot-rl up` runs on this machine, whoever started them."""
    return {graph for _, graph in _read_announced()}


def _read_announced() -> list[tuple[int, RunningGraph]]:
    """The process id of each `robot-rl up`, and its graph."""
    found = _ANNOUNCED.findall(_SOCKETS.read_text(errors="replace"))
    return [(int(pid), RunningGraph(int(domain), namespace)) for pid, domain, namespace in found]


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
