"""Checks of cameras and of people's devices."""

from __future__ import annotations

import json
import re
import sys
from typing import Any, Final

from robot_rl_hardware.doctor.finding import Finding, Mark, Wanted, judge
from robot_rl_hardware.doctor.machine import Machine

_ASK_CAMERAS: Final = """
import json
import pyrealsense2 as rs
kinds = rs.camera_info
fields = {"name": kinds.name, "serial": kinds.serial_number, "usb": kinds.usb_type_descriptor}
print(json.dumps([
    {key: device.get_info(field) if device.supports(field) else "" for key, field in fields.items()}
    for device in rs.context().query_devices()
]))
"""
_RULES: Final = "the udev rules of hardware/README.md, and plug it in again"
_ONLY_ONE: Final = ""
"""What a camera's serial number is where the only one that is connected is meant."""
_HID: Final = re.compile(r"^HID_ID=\w+:0*(256F:\w+|46D:0*C62\w)", re.MULTILINE | re.IGNORECASE)
"""3Dconnexion's devices, and those that Logitech sold."""


def check_cameras(machine: Machine, wanted: Wanted) -> Finding:
    """RealSense cameras: those that are wanted, and whether they are at USB 3."""
    is_wanted = bool(wanted.cameras)
    library = machine.find_version("pyrealsense2")
    if library is None:
        return judge(False, is_wanted, "no pyrealsense2", "pip install 'robot-rl[realsense]'")
    printed = machine.run([sys.executable, "-c", _ASK_CAMERAS])
    if printed is None:
        advice = "install libusb-1.0 (Debian, Ubuntu: libusb-1.0-0); python -c 'import pyrealsense2' says more"
        return judge(False, is_wanted, f"pyrealsense2 {library} cannot be used", advice)
    cameras: list[dict[str, Any]] = json.loads(printed)
    found = ", ".join(f"{one['name']} {one['serial']} (USB {one['usb']})" for one in cameras) or "none connected"
    found = f"pyrealsense2 {library}: {found}"
    absent = sorted(set(wanted.cameras).difference(one["serial"] for one in cameras) - {_ONLY_ONE})
    if absent or (is_wanted and not cameras):
        missing = f"{found}; not {', '.join(absent)}" if absent else found
        return Finding(Mark.MISSING, missing, f"plug it in; if it is, {_RULES}")
    if _ONLY_ONE in wanted.cameras and len(cameras) > 1:
        return Finding(Mark.MISSING, found, "say which is meant: serial: 'NUMBER' in camera.realsense")
    slow = [one["serial"] for one in cameras if not str(one["usb"]).startswith("3")]
    if slow:
        return Finding(Mark.WARNING, found, f"{', '.join(slow)}: use a USB 3 port and a USB 3 cable")
    return Finding(Mark.OK, found)


def check_spacemouse(machine: Machine, wanted: Wanted) -> Finding:
    """The library, the device, and the right to read it."""
    is_wanted = wanted.teleop == "spacemouse"
    library = machine.find_version("pyspacemouse")
    if library is None:
        return judge(False, is_wanted, "no pyspacemouse", "pip install 'robot-rl[spacemouse]'")
    raw = [path.name for path in machine.find("sys/class/hidraw", "hidraw*") if _is_spacemouse(machine, path.name)]
    if not raw:
        return judge(False, is_wanted, f"pyspacemouse {library}, no device", "plug the SpaceMouse in")
    closed = [name for name in raw if not machine.may_read(machine.root / "dev" / name)]
    found = f"pyspacemouse {library}, device {', '.join(raw)}" + (", not readable" if closed else "")
    return judge(not closed, is_wanted, found, _RULES)


def _is_spacemouse(machine: Machine, name: str) -> bool:
    return _HID.search(machine.read(f"sys/class/hidraw/{name}/device/uevent") or "") is not None


def check_gamepad(machine: Machine, wanted: Wanted) -> Finding:
    """A joystick of the kernel's, and the right to read it."""
    is_wanted = wanted.teleop == "gamepad"
    pads = machine.find("dev/input", "js*")
    if not pads:
        return judge(False, is_wanted, "no gamepad", "plug it in, or pair it; `sudo modprobe joydev`")
    closed = [pad.name for pad in pads if not machine.may_read(pad)]
    found = ", ".join(pad.name for pad in pads) + (f"; not readable: {', '.join(closed)}" if closed else "")
    return judge(not closed, is_wanted, found, "add the user to the group `input`, and log in again")
