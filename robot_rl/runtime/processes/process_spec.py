"""What one process of the graph is, said so that `robot-rl up` and a launch file of ROS 2 can both start it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from robot_rl.errors import RobotRLError
from robot_rl.runtime.processes.leash import PATIENT_SHARE
from robot_rl.runtime.processes.restart_limit import Backoff, RestartLimit

_ENDED_EARLY = 1
"""What status 0 counts as, of a process that should have gone on."""


class Restart(StrEnum):
    """Whether a process that has failed is started again; so has one that ends while the run needs it."""

    NEVER = "never"
    """Its failure is the end of the graph."""
    ON_FAILURE = "on_failure"
    """After a pause that grows; one that keeps failing is the end of the graph, and so is status 2: an error that the
    process has explained, and that would only come again."""


@dataclass(frozen=True)
class RosExecutable:
    """A program that an installed ROS package brings, at PREFIX/lib/PACKAGE/NAME."""

    package: str
    name: str


@dataclass(frozen=True)
class ProcessSpec:
    """One process of the graph. Which nodes are in it, and which topics they have, is said by the nodes.

    Attributes:
        name: in logs and messages; unique within the graph.
        program: an executable of a ROS package, or a program and its first words.
        restart: what happens when it fails.
        backoff: how often, and after which pauses, it is started again.
        ends_run: whether the graph ends when this process has ended well.
        ends_itself: whether it ends without being asked once the run has ended well. Then it is asked to only when
            its grace time is over: it has something to finish. Of any other, status 0 is a failure, too, until then.
        moves_robot: whether it asks the robot to move: it is stopped before all others.
        needs_terminal: whether a person starts it, in a terminal of theirs: who starts the others says how.
        machine: another one, where a person starts it; "" for this one.
        grace_s: how long it may take to end when asked to, before it is killed [s].
        arguments: the words after the program: options, then KEY=VALUE overrides of the configuration.
        namespace: of its ROS nodes, such as "left_arm"; "" for none.
        log_file: where `robot-rl up` keeps its output (`ros2 launch` has logs of its own); None for nowhere.
    """

    name: str
    program: RosExecutable | tuple[str, ...]
    restart: Restart = Restart.ON_FAILURE
    backoff: Backoff = field(default_factory=Backoff)
    ends_run: bool = False
    ends_itself: bool = False
    moves_robot: bool = False
    needs_terminal: bool = False
    machine: str = ""
    grace_s: float = 10.0
    arguments: tuple[str, ...] = ()
    namespace: str = ""
    log_file: Path | None = None

    @property
    def by_hand(self) -> str:
        """Where a person starts it; "" where who starts the others does."""
        if self.machine:
            return f"on {self.machine}"
        return "in another terminal" if self.needs_terminal else ""

    @property
    def patience_s(self) -> float:
        """How long it may take before it is asked a second time, which ends what it would finish first [s]."""
        return PATIENT_SHARE * self.grace_s

    def limit_restarts(self) -> RestartLimit:
        """What counts its failures in one run of the graph."""
        return RestartLimit(self.backoff)

    def judge(self, code: int) -> int:
        """The exit status as a failure while the run goes on; 0 where it is well that it has ended."""
        return code or (0 if self.ends_run or self.ends_itself else _ENDED_EARLY)

    def may_restart(self, code: int) -> bool:
        """Whether it is started again when it has ended with this exit status (or by the signal -code)."""
        return self.restart is Restart.ON_FAILURE and code not in (0, RobotRLError.exit_status)
