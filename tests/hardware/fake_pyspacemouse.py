"""The part of pyspacemouse that the driver uses, with devices that tests move, press and unplug."""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass, field
from types import ModuleType


class AxisConvention(enum.StrEnum):
    ROS = "ros"


class HidError(Exception):
    """Derives from nothing more special, like that of easyhid."""


@dataclass
class State:
    t: float = -1.0
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    roll: float = 0.0
    pitch: float = 0.0
    yaw: float = 0.0
    buttons: list[int] = field(default_factory=lambda: [0, 0])


@dataclass
class Mouse:
    """A device on the desk: `values` and `buttons` are reported while it is plugged in and awake."""

    name: str = "SpaceMouse Compact"
    values: tuple[float, ...] = (0.0,) * 6
    buttons: tuple[int, ...] = (0, 0)
    is_plugged: bool = True
    is_awake: bool = True
    opened: int = 0
    closed: int = 0
    state: State = field(default_factory=State)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.closed += 1

    def read(self) -> State:
        if not self.is_plugged:
            raise HidError("read failed")
        if self.is_awake:
            names = ("x", "y", "z", "roll", "pitch", "yaw")
            for name, value in zip(names, self.values, strict=True):
                setattr(self.state, name, value)
            self.state.buttons[:] = self.buttons
            self.state.t = time.perf_counter()
        return self.state


def make_module(mice: list[Mouse]) -> ModuleType:
    module = ModuleType("pyspacemouse")

    def connected():
        return [mouse.name for mouse in mice if mouse.is_plugged]

    def open_one(*, device, device_index, axis_convention):
        assert axis_convention is AxisConvention.ROS
        found = [mouse for mouse in mice if mouse.is_plugged and mouse.name == device]
        mouse = found[device_index if device_index < len(found) else 0]  # as the library does
        mouse.opened += 1
        mouse.state = State()
        return mouse

    module.AxisConvention, module.get_connected_devices, module.open = AxisConvention, connected, open_one
    return module
