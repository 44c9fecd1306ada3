"""The keyboard of a terminal as a person's device."""

from __future__ import annotations

import os
import sys
import termios
import tty
from types import TracebackType
from typing import Any

import numpy as np

from robot_rl.clock import Clock, to_ns
from robot_rl.errors import DeviceError
from robot_rl.types import Button, Command

TERMINAL = "/dev/tty"
"""The terminal that the process was started from, whatever its standard input is."""
HELP = (
    "w/s forward/back, a/d left/right, r/f up/down, u/o roll, i/k pitch, j/l yaw, c/v close/open the gripper, "
    "y success, n failure, x abort, space pause"
)

_MOTIONS = {"w": (0, 1), "s": (0, -1), "a": (1, 1), "d": (1, -1), "r": (2, 1), "f": (2, -1)}
_MOTIONS |= {"u": (3, 1), "o": (3, -1), "i": (4, 1), "k": (4, -1), "j": (5, 1), "l": (5, -1)}
_GRIPPER = {"c": -1.0, "v": 1.0}
_BUTTONS = {"y": Button.SUCCESS, "n": Button.FAILURE, "x": Button.ABORT, " ": Button.PAUSE}

_SAME_PRESS_S = 0.7  # a key that is held repeats itself, the first time after up to two thirds of a second
_NEVER_NS = -(10**15)


class Keyboard:
    """A person's device; a context manager during which the terminal passes on each key at once, and shows none.

    A terminal tells of presses and repetitions, and of no release: a key pushes with full strength when it comes, and
    then less and less, until the next repetition. Ctrl-C keeps its meaning.
    """

    def __init__(self, clock: Clock, strength: float = 0.5, release_s: float = 0.4, terminal: str = TERMINAL) -> None:
        """Store what is read.

        Args:
            clock: of the stamps.
            strength: deflection of a key, normalised.
            release_s: how long a key takes to fade [s].
            terminal: device file.
        """
        self._clock, self._strength, self._terminal = clock, strength, terminal
        self._release_ns = to_ns(release_s)
        self._signs = np.zeros(6)
        self._touched_ns = np.full(6, _NEVER_NS, np.int64)
        self._came_ns: dict[str, int] = {}
        self._file = -1
        self._before: list[Any] = []

    def __enter__(self) -> Keyboard:
        """Take the terminal.

        Raises:
            DeviceError: there is none.
        """
        try:
            self._file = os.open(self._terminal, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            self._before = termios.tcgetattr(self._file)
        except (OSError, termios.error) as error:
            self._close()
            raise DeviceError(
                f"The keyboard needs a terminal, and there is none ({error}): start this process by itself in one, "
                "not as a part of a graph."
            ) from error
        tty.setcbreak(self._file)
        # Ctrl-Z and Ctrl-\ would leave a terminal behind that shows nothing.
        settings = termios.tcgetattr(self._file)
        settings[6][termios.VSUSP] = settings[6][termios.VQUIT] = b"\0"
        termios.tcsetattr(self._file, termios.TCSANOW, settings)
        print(HELP, file=sys.stderr, flush=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back as it was."""
        try:
            termios.tcsetattr(self._file, termios.TCSAFLUSH, self._before)
        except termios.error:
            pass  # it was closed
        finally:
            self._close()

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def reset(self, seed: int | None = None) -> None:
        """An episode starts; fingers do what they do."""

    def read(self) -> Command | None:
        """What the person does now; None for nothing. Never waits.

        Raises:
            DeviceError: the terminal was closed.
        """
        now_ns = self._clock.now_ns()
        gripper, buttons = 0.0, set[Button]()
        for key in self._read_keys():
            if key in _MOTIONS:
                axis, sign = _MOTIONS[key]
                self._signs[axis], self._touched_ns[axis] = sign, now_ns
            elif key in _GRIPPER:
                gripper = _GRIPPER[key]
            elif key in _BUTTONS and not self._is_repetition(key, now_ns):
                buttons.add(_BUTTONS[key])
        ages_ns = np.abs(now_ns - self._touched_ns)  # the clock may have been set back since
        left = np.clip(1.0 - ages_ns / self._release_ns, 0.0, 1.0)
        twist = self._strength * self._signs * left
        if not twist.any() and gripper == 0.0 and not buttons:
            return None
        return Command(twist, now_ns, gripper, frozenset(buttons))

    def _read_keys(self) -> str:
        try:
            keys = os.read(self._file, 1024)
        except BlockingIOError:
            return ""
        except OSError as error:
            raise DeviceError(f"The keyboard's terminal was closed ({error}).") from error
        if not keys:
            raise DeviceError("The keyboard's terminal was closed.")
        return keys.decode("ascii", "ignore")

    def _is_repetition(self, key: str, now_ns: int) -> bool:
        came_ns = self._came_ns.get(key, _NEVER_NS)
        self._came_ns[key] = now_ns
        return abs(now_ns - came_ns) < to_ns(_SAME_PRESS_S)
