"""One running process of a graph: its lines, its signals, its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from robot_rl.runtime.processes import leash

_LEASH = Path(leash.__file__)
_CHUNK = 1 << 16
_CHUNKS_PER_READ = 4
"""So that one process that prints without end does not keep the others' lines, and the signals, waiting."""
_LONGEST_LINE = 1 << 16


class SupervisedProcess:
    """A command in a session and process group of its own, under a leash that ends it if this process ends."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        grace_s: float,
        life: int,
        keep: Sequence[int] = (),
    ) -> None:
        """Start it.

        Args:
            command: program and arguments.
            environment: of the command, whole.
            grace_s: how long it may take to end after this process has died, before it is killed [s].
            life: the reading end of a pipe whose writing end is open in this process alone.
            keep: descriptors that stay open until it has ended, such as that of a lock.
        """
        # A signal that comes before there is a command is kept for it: see leash.py.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, leash.STOP_SIGNALS)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_LEASH), str(grace_s), *command],
                stdin=life,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
                pass_fds=tuple(keep),
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        assert self._process.stdout is not None
        self.output = self._process.stdout.fileno()
        """Descriptor that can be waited for; there is something to read, or the end."""
        os.set_blocking(self.output, False)
        self._partial = b""
        self.is_at_end = False
        """Whether everything that it has printed has been read."""

    @property
    def group(self) -> int:
        """Number of its process group."""
        return self._process.pid

    def read_lines(self) -> list[str]:
        """The lines that it has completed since the last call."""
        for _ in range(_CHUNKS_PER_READ):
            if not self._read_chunk():
                break
        return self._take_lines(is_last=self.is_at_end)

    def read_rest(self) -> list[str]:
        """All lines that are left once it has ended, the last one also where it is incomplete."""
        while self._read_chunk():
            pass
        return self._take_lines(is_last=True)

    def _read_chunk(self) -> bool:
        try:
            chunk = os.read(self.output, _CHUNK)
        except BlockingIOError:
            return False
        self.is_at_end = not chunk
        self._partial += chunk
        return bool(chunk)

    def _take_lines(self, is_last: bool) -> list[str]:
        *lines, self._partial = self._partial.split(b"\n")
        if self._partial and (is_last or len(self._partial) > _LONGEST_LINE):
            lines, self._partial = [*lines, self._partial], b""
        return [line.decode("utf-8", "backslashreplace") for line in lines]

    def poll(self) -> int | None:
        """None while it runs; then its exit status, or minus the signal that ended it.

        Nothing of its group is left then: what it had started is killed before the number may be used again.
        """
        if self._process.returncode is None:
            if os.waitid(os.P_PID, self.group, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                return None
            self.send(signal.SIGKILL)
            self._process.wait()
        return self._process.returncode

    def send(self, number: int) -> None:
        """Send a signal to it and to what it has started; nothing happens if it has ended."""
        if self._process.returncode is None:
            os.killpg(self.group, number)

    def close(self) -> None:
        """Kill it, if it still runs, and forget its output."""
        self.send(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
