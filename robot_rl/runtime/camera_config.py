"""The configuration of the cameras: who makes the pictures that the policy sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from robot_rl.errors import ConfigError


@dataclass(frozen=True)
class RealSenseConfig:
    """One Intel RealSense camera, read by this machine.

    Attributes:
        name: of the camera, one of robot.cameras.
        serial: serial number of the device, in quotes; "" for the only one that is connected.
        file: recording (.db3) to play instead of a device; "" for a device.
        is_repeated: whether a recording starts again at its end.
        width, height, rate_hz: of the colour stream [pixels, 1/s].
        crop: (left, top, width, height) of the part of it that is used [pixels]; null for the largest square in the
            middle.
        exposure: in the sensor's own unit, 100 us for colour sensors, 1 us for the D405's; null for automatic.
        gain: in the sensor's unit; null for automatic.
        white_balance_k: colour temperature [K]; null for automatic.
        timeout_s: after so long without a new picture, the device is opened again [s].
        frozen_s: the same picture, bit for bit, for so long is that of a frozen camera [s].
    """

    # A list's entries do not pass through the check of keys that names the right ones.
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    name: str = "wrist"
    serial: str = ""
    file: str = ""
    is_repeated: bool = True
    width: int = 640
    height: int = 480
    rate_hz: int = 30
    crop: tuple[int, int, int, int] | None = None
    exposure: float | None = None
    gain: float | None = None
    white_balance_k: float | None = None
    timeout_s: float = 2.0
    frozen_s: float = 1.0


@dataclass(frozen=True)
class CameraConfig:
    """Who makes the pictures of robot.cameras.

    Attributes:
        kind: "sim", the simulated robot's cameras; or real ones, in the graph and in real time, with "realsense".
        realsense: the devices. One that robot.cameras does not name is not opened.
    """

    kind: Literal["sim", "realsense"] = "sim"
    realsense: tuple[RealSenseConfig, ...] = ()

    def __post_init__(self) -> None:
        names = [each.name for each in self.realsense]
        if len(set(names)) < len(names):
            raise ConfigError(f"camera.realsense has two cameras of one name: {', '.join(names)}.")

    @property
    def is_device(self) -> bool:
        """Whether they are real."""
        return self.kind == "realsense"

    def find(self, names: Sequence[str]) -> list[RealSenseConfig]:
        """The devices with these names.

        Raises:
            ConfigError: there is none of one of them.
        """
        devices = {each.name: each for each in self.realsense}
        for name in names:
            if name not in devices:
                listed = ", ".join(devices) or "empty"
                raise ConfigError(
                    f"robot.cameras has {name!r}, but camera.realsense is {listed}: give it an entry such as "
                    f"{{name: {name}, serial: '012345678901'}}."
                )
        return [devices[name] for name in names]
