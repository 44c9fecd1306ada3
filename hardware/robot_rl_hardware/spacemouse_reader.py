"""Reads SpaceMice in a process of its own, for `spacemouse.SpaceMouse`.

    python -m robot_rl_hardware.spacemouse_reader RETRY_S NUMBER ...

It says what happens in lines of JSON on standard output, one for each report of a device, so that nothing is lost
while the other process is busy. It ends when standard input does: with the process that started it, also where that
was killed. Imports little, so that it starts at once.
"""

from __future__ import annotations

import json
import os
import select
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, TextIO

_POLL_S = 0.002  # a device sends up to 250 reports a second, translation and rotation
_MOST_REPORTS = 64  # that the kernel keeps for one device


class Reader:
    """Devices that are joined: their axes one after the other, and so their buttons."""

    def __init__(self, library: Any, numbers: Sequence[int]) -> None:
        """Store which devices are meant: their numbers among those that are connected, from 0."""
        self._library, self._numbers = library, numbers
        self._mice: list[Any] = []
        self._states: list[Any] = []  # the library's own, which it changes with every report

    def open(self, stack: ExitStack) -> None:
        """Open the devices, for as long as the stack is; RuntimeError where one is missing."""
        names = self._library.get_connected_devices()
        if max(self._numbers) >= len(names):
            raise RuntimeError(f"device {max(self._numbers)} is wanted, and {len(names)} are connected.")
        convention = self._library.AxisConvention.ROS
        # the library's index counts the devices of one model; one too high would open the first
        places = [(names[number], names[:number].count(names[number])) for number in self._numbers]
        self._mice = [
            stack.enter_context(self._library.open(device=name, device_index=index, axis_convention=convention))
            for name, index in places
        ]
        self._states = [mouse.read() for mouse in self._mice]

    def reports(self) -> Iterator[dict[str, list[float]]]:
        """What the devices have said since this was asked last, report by report."""
        for mouse, state in zip(self._mice, self._states, strict=True):
            for _ in range(_MOST_REPORTS):
                heard_s = state.t
                if mouse.read().t == heard_s:  # one call reads one report, if there is one
                    break
                yield {
                    "axes": [value for s in self._states for value in (s.x, s.y, s.z, s.roll, s.pitch, s.yaw)],
                    "buttons": [int(is_down) for s in self._states for is_down in s.buttons],
                }


def main(arguments: Sequence[str]) -> int:
    """Read devices until standard input ends."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # the library prints
    retry_s, numbers = float(arguments[0]), [int(word) for word in arguments[1:]]
    try:
        library = _load_library()
        _say(out, ready=True)
        _serve(Reader(library, numbers), out, retry_s)
    except _MissingError as error:
        _say(out, missing=str(error))
    except BrokenPipeError:  # nobody listens any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
    return 0


class _MissingError(Exception):
    """A library is not installed."""


def _load_library() -> Any:
    try:
        import pyspacemouse  # it loads the HID library of the system

        pyspacemouse.get_connected_devices()
    except ImportError as error:
        raise _MissingError(f"pyspacemouse ({error}): pip install 'robot-rl[spacemouse]'") from error
    except (OSError, RuntimeError) as error:
        hint = "Debian and Ubuntu: apt-get install libhidapi-hidraw0"
        raise _MissingError(f"the HID library of the system ({error}); {hint}") from error
    return pyspacemouse


def _serve(reader: Reader, out: TextIO, retry_s: float) -> None:
    """Read the devices whenever they are there."""
    from easyhid import HIDException  # pyspacemouse's own library, which lets its errors through

    while True:
        try:
            with ExitStack() as stack:
                reader.open(stack)
                _say(out, present=True)
                while not _is_over(_POLL_S):
                    for report in reader.reports():
                        _say(out, **report)
                return
        except BrokenPipeError:
            raise
        except (HIDException, OSError, RuntimeError, ValueError) as error:  # it may be there again in a moment
            _say(out, absent=str(error))
        if _is_over(retry_s):
            return


def _say(out: TextIO, **what: Any) -> None:
    out.write(json.dumps(what) + "\n")


def _is_over(wait_s: float) -> bool:
    """Wait; whether standard input has ended meanwhile. Nothing is ever written to it."""
    return bool(select.select([sys.stdin], [], [], wait_s)[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
