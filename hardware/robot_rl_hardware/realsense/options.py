"""Exposure, gain and white balance of a sensor."""

from __future__ import annotations

from typing import Any

from robot_rl.errors import DeviceError
from robot_rl_hardware.realsense.settings import Settings


def apply(library: Any, sensor: Any, settings: Settings) -> None:
    """Give a sensor its options: what the settings say, and automatic for the rest, where it can be set at all.

    Args:
        library: pyrealsense2.
        sensor: that of the colour stream.
        settings: of the camera.

    Raises:
        DeviceError: the sensor has no such option, or not this value; the message says which it has.
    """
    names = library.option
    _choose(sensor, settings, "exposure", names.enable_auto_exposure, names.exposure, settings.exposure)
    if settings.gain is not None:
        _set(sensor, settings, "gain", names.gain, settings.gain)
    white = settings.white_balance_k
    _choose(sensor, settings, "white_balance_k", names.enable_auto_white_balance, names.white_balance, white)


def _choose(sensor: Any, settings: Settings, name: str, automatic: Any, manual: Any, value: float | None) -> None:
    """Switch between automatic and a value."""
    can_switch = sensor.supports(automatic) and not sensor.is_option_read_only(automatic)
    if can_switch:
        sensor.set_option(automatic, float(value is None))
    if value is not None:
        _set(sensor, settings, name, manual, value)


def _set(sensor: Any, settings: Settings, name: str, option: Any, value: float) -> None:
    if not sensor.supports(option) or sensor.is_option_read_only(option):
        raise DeviceError(f"{settings.source}: its sensor has no {name} to set; leave it null.")
    limits = sensor.get_option_range(option)
    if not limits.min <= value <= limits.max:
        raise DeviceError(f"{settings.source}: {name} must be in [{limits.min:g}, {limits.max:g}], got {value:g}.")
    sensor.set_option(option, value)
