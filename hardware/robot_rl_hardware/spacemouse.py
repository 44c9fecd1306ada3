"""3Dconnexion's SpaceMouse, one or several, through pyspacemouse."""

from __future__ import annotations

import json
import logging
import select
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from robot_rl.clock import Clock
from robot_rl.control.hand import AxisMap, ButtonMap, Hand
from robot_rl.errors import SetupError
from robot_rl.types import Command

_log = logging.getLogger(__name__)

_RETRY_S = 1.0
_START_S = 30.0
_END_S = 5.0


class SpaceMouse:
    """A person's device; a context manager during which `spacemouse_reader` reads it in a process of its own.

    A device that is not there, or is unplugged, is nobody's hand: it is told once, looked for again every second, and
    used when it is there. So is a reading process that has died. Axes are x forward, y left, z up, and the rotations
    about these; those of several devices are joined one after the other, and so are their buttons, of which a device
    may have any number.
    """

    def __init__(
        self, clock: Clock, axes: AxisMap, buttons: ButtonMap, devices: Sequence[int] = (0,), silence_s: float = 0.2
    ) -> None:
        """Store what is read.

        Args:
            clock: of the stamps.
            axes, buttons: what they mean.
            devices: numbers of the devices that make one, among those that are connected.
            silence_s: how long a deflection is believed; a device repeats one that is held [s].
        """
        self._devices = tuple(devices)
        self._hand = Hand(clock, axes, buttons, silence_s)
        self._process: subprocess.Popen[str] | None = None
        self._is_starting = threading.Lock()
        self._has_ended = threading.Event()
        self._told = ""
        self._thread = threading.Thread(target=self._serve, name="spacemouse", daemon=True)

    def __enter__(self) -> SpaceMouse:
        """Start to read.

        Raises:
            SetupError: a library is missing.
        """
        self._process = self._start()
        try:
            self._check_libraries(self._process)
        except SetupError:
            self._end(self._process)
            assert self._process.stdout is not None
            self._process.stdout.close()
            raise
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the devices."""
        with self._is_starting:
            self._has_ended.set()
            if self._process is not None:
                self._end(self._process)
        self._thread.join()

    def reset(self, seed: int | None = None) -> None:
        """An episode starts; a hand does what it does."""

    def read(self) -> Command | None:
        """What the person does now; None for nothing, also where no device is connected. Never waits."""
        return self._hand.take()

    def _start(self) -> subprocess.Popen[str]:
        program = (sys.executable, "-P", "-m", "robot_rl_hardware.spacemouse_reader")
        return subprocess.Popen(
            [*program, str(_RETRY_S), *map(str, self._devices)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for us, who end it
        )

    def _check_libraries(self, process: subprocess.Popen[str]) -> None:
        """Wait for its first word."""
        assert process.stdout is not None
        is_there, _, _ = select.select([process.stdout], [], [], _START_S)
        word = json.loads(process.stdout.readline() or "{}") if is_there else {}
        if "ready" not in word:
            missing = word.get("missing", f"a process that reads it, which has not started within {_START_S:g} s")
            raise SetupError(f"A SpaceMouse needs {missing}.")

    def _end(self, process: subprocess.Popen[str]) -> None:
        """End a reading process; it closes the devices."""
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _serve(self) -> None:
        """Take what the process says; start another one when it dies."""
        while (process := self._process) is not None:
            assert process.stdout is not None
            for line in process.stdout:
                self._take(json.loads(line))
            process.stdout.close()
            self._hand.let_go()
            if self._has_ended.is_set():
                return
            self._end(process)
            self._tell(f"the process that reads it has ended with status {process.returncode}.")
            self._has_ended.wait(_RETRY_S)
            with self._is_starting:
                if self._has_ended.is_set():
                    return
                self._process = self._start()

    def _take(self, word: dict[str, Any]) -> None:
        if "axes" in word:
            self._hand.move(word["axes"])
            self._hand.push(word["buttons"])
        elif "present" in word:
            _log.info("the SpaceMouse is there")
            self._told = ""
        elif "ready" not in word:
            self._hand.let_go()
            self._tell(word.get("absent") or word.get("missing") or str(word))

    def _tell(self, problem: str) -> None:
        if problem != self._told:
            self._told = problem
            _log.warning("no SpaceMouse: %s Looking for it every %g s.", problem, _RETRY_S)
