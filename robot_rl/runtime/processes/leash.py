"""A program that runs one command for `supervised_process.SupervisedProcess`, and never lets it outlive that.

    python leash.py GRACE_S COMMAND [ARGUMENT ...]

Leash, command and what that starts are one process group. Standard input is a pipe whose other end the supervisor alone
holds; nothing is ever written to it. It breaks when the supervisor ends, also by `kill -9`: then the group gets SIGINT
(the arm stops softly, the learner saves), SIGTERM where the command still runs after three quarters of the grace time
[s], and what is left of it is killed when that is over, or as soon as the command has ended. If the leash itself is
killed, the kernel kills the command; what that has started is left to the supervisor. A flag in the command alone
(PR_SET_PDEATHSIG) could do either a soft end or a sure one, and it would have to be set between fork and exec of a
supervisor that has threads.

Imports the standard library only, so that it starts in milliseconds.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Blocked by the supervisor when it starts the leash, and until the leash has started the command."""
PATIENT_SHARE = 0.75
"""Of the grace time, before SIGTERM: an actor whose robot is paused would wait for the person for ever."""
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_NOT_FOUND = 127  # as a shell says it


def main(arguments: list[str]) -> int:
    """Run the command until it or the supervisor ends; returns its exit status, or ends by the signal that ended it."""
    grace_s, command = float(arguments[0]), arguments[1:]
    wake, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    # The supervisor's signals go to the whole group: the command answers them, the leash stays until it has. Handlers,
    # unlike SIG_IGN, are not inherited by what is started.
    for number in (*STOP_SIGNALS, signal.SIGCHLD):
        signal.signal(number, _ignore)
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_make_bond(os.getpid()))
    except OSError as error:
        print(f"cannot start {command[0]}: {error.strerror}", file=sys.stderr)
        return _NOT_FOUND
    for number in signal.sigpending() & set(STOP_SIGNALS):  # came before there was a command that could answer
        process.send_signal(number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    poll = select.poll()
    poll.register(sys.stdin.fileno(), 0)  # POLLHUP alone, which is always reported
    poll.register(wake, select.POLLIN)
    while process.poll() is None:
        events = poll.poll()
        if any(descriptor == wake for descriptor, _ in events):
            os.read(wake, 4096)
        if any(descriptor != wake for descriptor, _ in events):
            _end_group(process, grace_s)
    return _follow(process.returncode)


def _ignore(number: int, frame: FrameType | None) -> None:
    del number, frame


def _make_bond(leash: int) -> Callable[[], None]:
    """What the new process does before it becomes the command: it asks to be killed when the leash dies."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up here: after the fork, only what is loaded may be used

    def bond() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != leash:  # it died before it could be asked for
            os._exit(_NOT_FOUND)

    return bond


def _end_group(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """End everything in this process group, the leash with it."""
    for number, share in ((signal.SIGINT, PATIENT_SHARE), (signal.SIGTERM, 1.0 - PATIENT_SHARE)):
        if process.poll() is None:
            os.killpg(0, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(share * grace_s)
    os.killpg(0, signal.SIGKILL)


def _follow(code: int) -> int:
    """The command's exit status; where a signal ended it, the same signal ends the leash."""
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
