"""Runs a check in a process of its own: whatever a library does there, there is an answer in time."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Final

from robot_rl_hardware.doctor.finding import Finding, Mark

_fork: Final = multiprocessing.get_context("fork")


def run_isolated(check: Callable[[], Finding], limit_s: float) -> Finding:
    """What the check finds; that nothing is known where it takes longer, crashes, or fails."""
    ours, theirs = _fork.Pipe(duplex=False)
    process = _fork.Process(target=_answer, args=(check, theirs), daemon=False)
    process.start()
    theirs.close()
    try:
        if not ours.poll(limit_s):
            return Finding(Mark.UNKNOWN, f"no answer within {limit_s:g} s", "look at it by hand")
        finding: Finding = ours.recv()
    except EOFError:
        return Finding(Mark.UNKNOWN, "the check has crashed", "a library of it does not fit this machine")
    finally:
        process.kill()
        process.join()
        ours.close()
    return finding


def _answer(check: Callable[[], Finding], pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, who ends this process
    try:
        finding = check()
    except Exception as error:  # noqa: BLE001  whatever it was, the person gets a line and the other checks
        finding = Finding(Mark.UNKNOWN, f"the check failed: {type(error).__name__}: {error}", "report it")
    pipe.send(finding)
