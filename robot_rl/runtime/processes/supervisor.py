"""Runs the processes of a graph without a launch system: starts, watches, restarts and stops them."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from robot_rl.runtime.interruption import interruptible
from robot_rl.runtime.processes.executables import to_command
from robot_rl.runtime.processes.merged_log import MergedLog
from robot_rl.runtime.processes.process_spec import ProcessSpec
from robot_rl.runtime.processes.restart_limit import RestartLimit
from robot_rl.runtime.processes.supervised_process import SupervisedProcess

_TICK_S = 0.05
_INTERRUPTED = 130
_BROKEN_PIPE = 141


@dataclass
class _Member:
    """A process of the graph, and how it is doing."""

    spec: ProcessSpec
    command: list[str]
    limit: RestartLimit
    running: SupervisedProcess | None = None
    restart_at_s: float | None = None
    code: int | None = None
    """How it ended last."""
    result: str = ""
    """The last line that is a JSON object."""
    is_asked: bool = False
    """Whether it was asked to end."""
    ask_at_s: float = 0.0
    """It is not asked before."""
    urge_at_s: float = float("inf")
    """When it is asked a second time, which ends what it would finish first."""
    kill_at_s: float = float("inf")
    """When its time to end is over."""


class Supervisor:
    """The processes of one graph, from their start until none of them is left.

    All of them are stopped when the one that ends the run has ended well, when one fails that may not be restarted
    (again), and at Ctrl-C, SIGTERM or the end of the terminal: first what moves the robot, then the others as they are
    listed, each when the one before has ended. What ends by itself when the run has ended well is given the time to;
    any other that ends before has failed, whatever its status. A second Ctrl-C kills them. If this process itself is
    killed, their leashes end them.
    """

    def __init__(
        self,
        processes: Sequence[ProcessSpec],
        log: MergedLog,
        environment: Mapping[str, str],
        keep: Sequence[int] = (),
    ) -> None:
        """Prepare; nothing is started.

        Args:
            processes: in the order in which they are started.
            log: where their output goes.
            environment: of all of them.
            keep: descriptors that stay open until all have ended, such as that of a lock, even if this process dies.

        Raises:
            SetupError: one of the programs is not installed.
        """
        self._members = [
            _Member(process, to_command(process, environment), process.limit_restarts()) for process in processes
        ]
        self._log, self._environment, self._keep = log, environment, keep
        self._to_stop: list[_Member] | None = None
        self._code: int | None = None
        """What to return, where it is not what the process that ends the run returned."""
        self._fallback = 0
        """What to return where there is nothing else."""

    def run(self) -> int:
        """Run the graph to its end.

        Returns the exit status of the process that ends the run, also where it was asked to end; of the one that
        failed, where that was the end; 128 + N if signal N ended it.
        """
        with interruptible() as interrupted, _open_life() as life:
            try:
                for member in self._members:
                    self._start(member, life)
                while any(member.running or member.restart_at_s is not None for member in self._members):
                    self._read()
                    for member in self._members:
                        self._attend(member, life)
                    if self._to_stop is None:
                        self._notice_outside(interrupted)
                    self._go_on_stopping(is_hurried=bool(interrupted))
            finally:
                for member in self._members:
                    if member.running is not None:
                        member.running.close()
        return self._exit_status()

    def result(self) -> str:
        """The last JSON object that the process that ends the run has printed as a line; "" where there is none."""
        return "".join(member.result for member in self._members if member.spec.ends_run)

    def _start(self, member: _Member, life: int) -> None:
        member.restart_at_s = None
        member.running = SupervisedProcess(member.command, self._environment, member.spec.grace_s, life, self._keep)

    def _read(self) -> None:
        """Wait for output, but not for long, and show it."""
        sources = {member.running.output: member for member in self._members if member.running is not None}
        poll = select.poll()
        for descriptor, member in sources.items():
            if member.running is not None and not member.running.is_at_end:
                poll.register(descriptor, select.POLLIN)
        for descriptor, _ in poll.poll(_TICK_S * 1e3):
            member = sources[descriptor]
            self._show(member, member.running.read_lines() if member.running is not None else [])

    def _show(self, member: _Member, lines: list[str]) -> None:
        for line in lines:
            if line.startswith("{"):
                member.result = line
            self._log.show(member.spec.name, line)

    def _attend(self, member: _Member, life: int) -> None:
        """What one process needs now: an end noticed, a restart, a kill."""
        now_s = time.monotonic()
        if member.running is not None:
            code = member.running.poll()
            if code is not None:
                self._show(member, member.running.read_rest())
                member.running.close()
                member.running, member.code = None, code
                self._on_end(member, code, now_s)
            elif now_s > member.urge_at_s:
                member.running.send(signal.SIGTERM)
                member.urge_at_s = float("inf")
            elif now_s > member.kill_at_s:
                self._log.say(f"{member.spec.name} has not ended within {member.spec.grace_s:g} s and is killed")
                member.running.send(signal.SIGKILL)
                member.kill_at_s = float("inf")
        elif member.restart_at_s is not None and now_s >= member.restart_at_s:
            self._start(member, life)

    def _notice_outside(self, interrupted: list[int]) -> None:
        """Stop if somebody wants that."""
        if interrupted:
            self._fallback = _INTERRUPTED
            self._stop(f"{signal.Signals(interrupted[0]).name}: stopping (Ctrl-C or SIGTERM now kills everything)")
        elif self._log.is_broken:
            self._code = _BROKEN_PIPE
            self._stop("nobody reads this any more: stopping")

    def _on_end(self, member: _Member, code: int, now_s: float) -> None:
        name, how = member.spec.name, _describe(code)
        if self._to_stop is not None:
            self._log.say(f"{name} {how}")
            return
        failure = member.spec.judge(code)
        if failure == 0:
            if member.spec.ends_run:
                self._stop(f"{name} has ended well, stopping the others", is_well=True)
            else:
                self._log.say(f"{name} has ended well, the others go on")
            return
        if failure != code:
            code, how = failure, f"{how} before the run was over"
        if not member.spec.may_restart(code):
            self._code = code
            self._stop(f"{name} {how}, stopping the others")
        elif (pause_s := member.limit.next_pause_s(now_s)) is None:
            self._code = code
            limit = member.spec.backoff
            self._stop(
                f"{name} {how}, after {limit.restarts} restarts within {limit.window_s:g} s: giving up, "
                "stopping the others"
            )
        else:
            self._log.say(f"{name} {how}, restarting it in {pause_s:g} s")
            member.restart_at_s = now_s + pause_s

    def _stop(self, reason: str, *, is_well: bool = False) -> None:
        self._log.say(reason)
        self._to_stop = sorted(self._members, key=lambda member: not member.spec.moves_robot)  # stable: as listed
        for member in self._members:
            member.restart_at_s = None
            if is_well and member.spec.ends_itself:
                member.ask_at_s = time.monotonic() + member.spec.grace_s

    def _go_on_stopping(self, is_hurried: bool) -> None:
        """Ask the first of those that still run to end."""
        while self._to_stop and self._to_stop[0].running is None:
            self._to_stop.pop(0)
        if not self._to_stop or self._to_stop[0].is_asked:
            return
        member, now_s = self._to_stop[0], time.monotonic()
        if member.running is not None and (is_hurried or now_s >= member.ask_at_s):
            member.running.send(signal.SIGINT)
            member.is_asked = True
            member.urge_at_s, member.kill_at_s = now_s + member.spec.patience_s, now_s + member.spec.grace_s

    def _exit_status(self) -> int:
        ended = [member.code for member in self._members if member.spec.ends_run and member.code is not None]
        code = self._code if self._code is not None else (ended or [self._fallback])[0]
        return 128 - code if code < 0 else code


@contextmanager
def _open_life() -> Iterator[int]:
    """The reading end of a pipe that breaks when this process ends, in whatever way."""
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)


def _describe(code: int) -> str:
    """How a process ended, as the end of a sentence."""
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"has ended with status {code}"
