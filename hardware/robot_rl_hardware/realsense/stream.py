"""The colour stream of one device, opened and read through the library's pipeline."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot_rl.errors import DeviceError, SetupError
from robot_rl_hardware.realsense import options
from robot_rl_hardware.realsense.settings import Settings

_NS_PER_MS = 1_000_000
_BEGINS_WITHIN_S = 1.0
_LOOK_EVERY_S = 0.0005  # a recording of one picture is over in little more


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as the device gave it.

    Attributes:
        number: the device's count.
        device_ns: the device's stamp, on the clock that `domain` names.
        domain: device's, system's or the library's estimate of the system's.
        image: RGB, (H, W, 3), in memory of the library.
    """

    number: int
    device_ns: int
    domain: str
    image: NDArray[np.uint8]


class Stream:
    """An open stream."""

    def __init__(self, library: Any, pipeline: Any, device: Any) -> None:
        """Read from a pipeline that has been started."""
        self._pipeline = pipeline
        self._library, self._device = library, device

    def wait(self, timeout_s: float) -> Picture | None:
        """The next picture, or None where none comes in time.

        Raises:
            DeviceError: the device is gone.
        """
        try:
            is_there, pictures = self._pipeline.try_wait_for_frames(round(1000.0 * timeout_s))
            color = pictures.get_color_frame() if is_there else None
            if not color:
                return None
            return Picture(
                color.get_frame_number(),
                round(color.get_timestamp() * _NS_PER_MS),
                str(color.get_frame_timestamp_domain()),
                np.asanyarray(color.get_data()),
            )
        except RuntimeError as error:
            raise DeviceError(str(error)) from error

    @property
    def has_ended(self) -> bool:
        """Whether this is a recording that was played to its end; a device that is gone has not ended."""
        try:
            playback = self._device.as_playback() if self._device.is_playback() else None
            return playback is not None and playback.current_status() == self._library.playback_status.stopped
        except RuntimeError:
            return False


def load_library() -> Any:
    """The module pyrealsense2.

    Raises:
        SetupError: it is not installed, or cannot load libusb.
    """
    try:
        import pyrealsense2  # it looks for devices on the USB
    except ImportError as error:
        raise SetupError(
            f"A RealSense camera needs pyrealsense2 ({error}): pip install 'robot-rl[realsense]', "
            "and libusb-1.0 of the system."
        ) from error
    return pyrealsense2


@contextmanager
def opened(settings: Settings) -> Iterator[Stream]:
    """The stream of a camera, closed at the end; a recording is played once.

    Raises:
        SetupError: the library is missing.
        DeviceError: no such device or file, or it is in use, or has no such stream or option; in one line.
    """
    library = load_library()
    if settings.file and not Path(settings.file).is_file():
        raise DeviceError(f"{settings.source}: there is no such file.")
    try:  # a device that is being plugged in may refuse anything
        config = library.config()
        if settings.file:
            # The library would repeat it in a thread of its own: a recording that this begins again while the pipeline
            # is stopped goes on, and one that it finds not quite at its end is never begun again.
            library.config.enable_device_from_file(config, settings.file, repeat_playback=False)
        else:
            config.enable_device(find_serial(library, settings))
        pipeline = library.pipeline()
        config.enable_stream(
            library.stream.color, 0, settings.width, settings.height, library.format.rgb8, settings.rate_hz
        )
        device = pipeline.start(config).get_device()
    except DeviceError:  # one, too
        raise
    except RuntimeError as error:
        raise DeviceError(_explain(library, settings, str(error))) from error
    try:
        _apply_options(library, device, settings)
        if device.is_playback():
            _let_reader_begin(library, device.as_playback())
        yield Stream(library, pipeline, device)
    finally:
        with suppress(RuntimeError):  # the device is gone
            pipeline.stop()
            if device.is_playback():
                _let_reader_end(device.as_playback())


def _let_reader_begin(library: Any, playback: Any) -> None:
    """Wait until the library's thread reads from a recording that was started.

    Until then the library calls the recording one that has ended, and does not end one (2.59) that is stopped then. A
    recording that is over between two looks costs the whole time.
    """
    end_s = time.monotonic() + _BEGINS_WITHIN_S
    while playback.current_status() == library.playback_status.stopped and time.monotonic() < end_s:
        time.sleep(_LOOK_EVERY_S)


def _let_reader_end(playback: Any) -> None:
    """Wait until the library's thread no longer reads from a recording that was stopped.

    The library (2.59) frees a recording while a reading may still wait in its thread's queue, and crashes. A pause is
    done in the order of that queue; the second comes after a reading that was put there during the first.
    """
    for _ in range(2):
        playback.pause()


def find_serial(library: Any, settings: Settings) -> str:
    """The serial number of the device that is meant.

    Raises:
        DeviceError: it is not connected, or none is, or several are and none is named; the message lists them.
    """
    there = [_serial_of(library, device) for device in library.context().query_devices()]
    connected = ", ".join(there) or "none"
    if settings.serial and settings.serial not in there:
        raise DeviceError(f"{settings.source} is not connected; connected serial numbers: {connected}.")
    if not there:
        raise DeviceError(f"{settings.source}: no RealSense camera is connected.")
    if not settings.serial and len(there) > 1:
        raise DeviceError(f"{settings.source}: several are connected, choose a serial number: {connected}.")
    return settings.serial or there[0]


def _serial_of(library: Any, device: Any) -> str:
    key = library.camera_info.serial_number
    return str(device.get_info(key)) if device.supports(key) else ""


def _apply_options(library: Any, device: Any, settings: Settings) -> None:
    wanted = (settings.exposure, settings.gain, settings.white_balance_k)
    if settings.file:
        if any(value is not None for value in wanted):
            raise DeviceError(f"{settings.source}: exposure, gain and white balance are as recorded; leave them null.")
        return
    try:
        options.apply(library, _find_color_sensor(library, device), settings)
    except RuntimeError as error:
        raise DeviceError(f"{settings.source}: the sensor refuses its options: {error}.") from error


def _find_color_sensor(library: Any, device: Any) -> Any:
    """The sensor that makes the colour stream: of its own, or (D405) the stereo module's."""
    for sensor in device.query_sensors():
        if any(profile.stream_type() == library.stream.color for profile in sensor.get_stream_profiles()):
            return sensor
    raise RuntimeError("no sensor has a colour stream")  # a pipeline with one was started


def _explain(library: Any, settings: Settings, problem: str) -> str:
    """The library's message as one that says what to do."""
    lower = problem.lower()
    if "couldn't resolve" in lower:
        wanted = f"{settings.width}x{settings.height} at {settings.rate_hz} Hz"
        return f"{settings.source} has no colour stream {wanted}; it has {_list_profiles(library, settings)}."
    if any(word in lower for word in ("busy", "power state", "already opened")):
        return f"{settings.source} is in use by another process ({problem})."
    if any(word in lower for word in ("permission", "access")):
        return f"{settings.source} may not be opened: install librealsense's udev rules ({problem})."
    return f"{settings.source} cannot be opened: {problem}."


def _list_profiles(library: Any, settings: Settings) -> str:
    """The RGB streams of the device, such as "640x480 at 15, 30 Hz"."""
    try:
        context = library.context()
        if settings.file:
            device = context.load_device(settings.file)
        else:
            serial = find_serial(library, settings)
            device = next(each for each in context.query_devices() if _serial_of(library, each) == serial)
        sizes: dict[tuple[int, int], set[int]] = {}
        for sensor in device.query_sensors():
            for profile in sensor.get_stream_profiles():
                if profile.stream_type() == library.stream.color and profile.format() == library.format.rgb8:
                    video = profile.as_video_stream_profile()
                    sizes.setdefault((video.width(), video.height()), set()).add(profile.fps())
    except (RuntimeError, DeviceError, StopIteration) as error:
        return f"others, which cannot be listed ({error})"
    rates = {size: ", ".join(map(str, sorted(some))) for size, some in sorted(sizes.items())}
    return "; ".join(f"{width}x{height} at {some} Hz" for (width, height), some in rates.items()) or "none in RGB"
