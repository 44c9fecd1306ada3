"""A gamepad through Linux's joystick interface."""

from __future__ import annotations

import logging
import os
import select
import struct
import threading
import time
from types import TracebackType

from robot_rl.clock import Clock
from robot_rl.control.hand import AxisMap, ButtonMap, Hand
from robot_rl.errors import DeviceError
from robot_rl.types import Command

_log = logging.getLogger(__name__)

# https://docs.kernel.org/input/joydev/joystick-api.html
_EVENT = struct.Struct("<IhBB")  # time [ms], value, type, number
_BUTTON, _AXIS, _INITIAL = 0x01, 0x02, 0x80
_FULL = 32767

_REPEAT_S = 0.02
_SILENCE_S = 0.2
_RETRY_S = 1.0
_MOST = 64  # axes or buttons


class Gamepad:
    """A person's device; a context manager that reads it in a thread of its own.

    A device that is not there, or is unplugged, is nobody's hand: it is told once, looked for again every second, and
    used when it is there. It speaks only when something changes, and a wireless one that has run out of battery does
    not: sticks that have not moved at all for `hold_s` are let go until they move, and buttons that are down until
    anything changes. Axes and buttons are numbered as the kernel does; left and up are positive, as in ROS.
    """

    def __init__(
        self, clock: Clock, axes: AxisMap, buttons: ButtonMap, device: str = "/dev/input/js0", hold_s: float = 3.0
    ) -> None:
        """Store what is read.

        Args:
            clock: of the stamps.
            axes, buttons: what they mean.
            device: file of the device.
            hold_s: how long sticks that do not move, and a button that is down, are believed [s].
        """
        self._device, self._hold_s = device, hold_s
        self._hand = Hand(clock, axes, buttons, _SILENCE_S)
        self._count = axes.count
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="gamepad", daemon=True)

    def __enter__(self) -> Gamepad:
        """Start to read."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the device."""
        self._has_ended.set()
        self._thread.join()

    def reset(self, seed: int | None = None) -> None:
        """An episode starts; a hand does what it does."""

    def read(self) -> Command | None:
        """What the person does now; None for nothing, also where no device is connected. Never waits."""
        return self._hand.take()

    def _serve(self) -> None:
        """Read the device whenever it is there."""
        told = ""
        while not self._has_ended.is_set():
            file = -1
            try:
                file = os.open(self._device, os.O_RDONLY | os.O_NONBLOCK)
                _log.info("the gamepad is there")
                told = ""
                self._listen(file)
            except (OSError, DeviceError) as error:
                if str(error) != told:
                    told = str(error)
                    _log.warning("no gamepad: %s. Looking for it every %g s.", told, _RETRY_S)
            finally:
                self._hand.let_go()
                if file >= 0:
                    os.close(file)
            self._has_ended.wait(_RETRY_S)

    def _listen(self, file: int) -> None:
        """Pass on what the device says, until the end or an error."""
        axes, down = [0.0] * max(1, self._count), [0] * _MOST
        heard_s = moved_s = time.monotonic()
        while not self._has_ended.is_set():
            if select.select([file], [], [], _REPEAT_S)[0]:
                events = os.read(file, 64 * _EVENT.size)
                if len(events) < _EVENT.size:
                    raise DeviceError(f"{self._device} was unplugged")
                heard_s = time.monotonic()
                for _, value, kind, number in _EVENT.iter_unpack(events[: len(events) // _EVENT.size * _EVENT.size]):
                    if kind & _AXIS and number < len(axes):
                        axes[number] = max(-1.0, min(1.0, -value / _FULL))
                        moved_s = time.monotonic()
                    elif kind == _BUTTON and number < _MOST:  # one that is down when it is opened was not pressed
                        down[number] = value
                        self._hand.push(down)
            if time.monotonic() - heard_s <= self._hold_s:
                self._hand.push(down)
            if time.monotonic() - moved_s <= self._hold_s:
                self._hand.move(axes)
