"""What a RealSense camera is told when it is opened."""

from __future__ import annotations

from dataclasses import dataclass

from robot_rl.errors import ConfigError

Crop = tuple[int, int, int, int]


@dataclass(frozen=True)
class Settings:
    """One camera, its colour stream, and how long it is waited for.

    Attributes:
        name: what the project calls the camera, in messages.
        serial: serial number of the device; "" for the only one that is connected.
        file: recording (.db3) to play instead of a device, at the pace at which it was made; "" for a device.
        is_repeated: whether a recording starts again at its end.
        width, height: of the stream [pixels].
        rate_hz: pictures per second of the stream.
        crop: (left, top, width, height) of the part that is used [pixels]; None for the largest part in the middle
            with the proportions of the picture that is asked for.
        exposure: in the sensor's own unit, which is 100 us for the colour sensors and 1 us for stereo sensors such as
            the D405's; None for automatic exposure and gain.
        gain: in the sensor's unit; only where `exposure` is given.
        white_balance_k: colour temperature [K]; None for automatic.
        timeout_s: without a new picture for so long, the device is opened again, and `read` raises [s].
        frozen_s: a picture that comes again and again for so long, bit for bit, is that of a frozen camera: a sensor
            that works is noisy [s].
    """

    name: str = "wrist"
    serial: str = ""
    file: str = ""
    is_repeated: bool = True
    width: int = 640
    height: int = 480
    rate_hz: int = 30
    crop: Crop | None = None
    exposure: float | None = None
    gain: float | None = None
    white_balance_k: float | None = None
    timeout_s: float = 2.0
    frozen_s: float = 1.0

    def __post_init__(self) -> None:
        for name in ("width", "height", "rate_hz", "timeout_s", "frozen_s"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"camera {self.name!r}: {name} must be positive, got {getattr(self, name)}.")
        if self.serial and self.file:
            raise ConfigError(f"camera {self.name!r} has a serial number and a file: give one of them.")
        if self.gain is not None and self.exposure is None:
            raise ConfigError(f"camera {self.name!r}: a gain needs an exposure, automatic exposure sets both.")
        if self.crop is not None and not self._is_inside(self.crop):
            raise ConfigError(
                f"camera {self.name!r}: crop must be (left, top, width, height) inside the stream's "
                f"{self.width} x {self.height} pixels, got {tuple(self.crop)}."
            )

    def _is_inside(self, crop: Crop) -> bool:
        left, top, width, height = crop
        fits = left + width <= self.width and top + height <= self.height
        return left >= 0 and top >= 0 and width >= 1 and height >= 1 and fits

    @property
    def source(self) -> str:
        """The camera in words, for messages."""
        what = (
            f"recording {self.file}" if self.file else f"serial number {self.serial}" if self.serial else "any device"
        )
        return f"camera {self.name!r} ({what})"
