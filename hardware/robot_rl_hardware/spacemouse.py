"""3Dconnexion's SpaceMouse, one or several, through pyspacemouse."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from robot_rl.clock import Clock
from robot_rl.control.hand import AxisMap, ButtonMap, Hand
from robot_rl.errors import DeviceError, SetupError
from robot_rl.types import Command

_log = logging.getLogger(__name__)

_POLL_S = 0.002  # one call returns one report, and a device sends up to 250 a second: translation and rotation
_RETRY_S = 1.0


class SpaceMouse:
    """A person's device; a context manager that reads it in a thread of its own.

    A device that is not there, or is unplugged, is nobody's hand: it is told once, looked for again every second, and
    used when it is there. Axes are x forward, y left, z up, and the rotations about these; those of several devices
    are joined one after the other, and so are their buttons.
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
        self._library: Any = None
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="spacemouse", daemon=True)

    def __enter__(self) -> SpaceMouse:
        """Start to read.

        Raises:
            SetupError: pyspacemouse is not installed.
        """
        try:
            import pyspacemouse  # it loads the HID library of the system
        except ImportError as error:
            raise SetupError(
                f"A SpaceMouse needs pyspacemouse ({error}): pip install 'robot-rl[spacemouse]'."
            ) from error
        self._library = pyspacemouse
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the devices."""
        self._has_ended.set()
        self._thread.join()

    def reset(self, seed: int | None = None) -> None:
        """An episode starts; a hand does what it does."""

    def read(self) -> Command | None:
        """What the person does now; None for nothing, also where no device is connected. Never waits."""
        return self._hand.take()

    def _serve(self) -> None:
        """Read the devices whenever they are there."""
        told = ""
        while not self._has_ended.is_set():
            try:
                with ExitStack() as stack:
                    mice = [stack.enter_context(self._open(number)) for number in self._devices]
                    _log.info("the SpaceMouse is there")
                    told = ""
                    self._listen(mice)
            except Exception as error:  # noqa: BLE001  whatever the libraries raise: it may be there again in a moment
                self._hand.let_go()
                if str(error) != told:
                    told = str(error)
                    _log.warning("no SpaceMouse: %s Looking for it every %g s.", told, _RETRY_S)
            self._has_ended.wait(_RETRY_S)

    def _open(self, number: int) -> Any:
        names = self._library.get_connected_devices()
        if number >= len(names):
            raise DeviceError(f"device {number} is wanted, and {len(names)} are connected.")
        name = names[number]
        convention = self._library.AxisConvention.ROS
        # its index counts the devices of one model; one too high would open the first
        return self._library.open(device=name, device_index=names[:number].count(name), axis_convention=convention)

    def _listen(self, mice: Sequence[Any]) -> None:
        """Pass on what the devices report, until the end or an error."""
        heard_s = [mouse.read().t for mouse in mice]
        while not self._has_ended.wait(_POLL_S):
            states = [mouse.read() for mouse in mice]
            now_s = [state.t for state in states]
            if now_s != heard_s:
                heard_s = now_s
                self._hand.move([v for s in states for v in (s.x, s.y, s.z, s.roll, s.pitch, s.yaw)])
                self._hand.push([is_down for state in states for is_down in state.buttons])
