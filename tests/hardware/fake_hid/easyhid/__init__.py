"""What pyspacemouse uses of easyhid, with the devices of tests.hardware.mice: folders that hold their reports."""

from __future__ import annotations

import os
from pathlib import Path


class HIDException(Exception):  # noqa: N818  its name in easyhid
    """Derives from nothing more special, as there."""


class Device:
    product_string, manufacturer_string, release_number, serial_number = "SpaceMouse", "3Dconnexion", 1, "1"

    def __init__(self, folder: Path) -> None:
        self.path = str(folder)
        self._folder = folder
        self.vendor_id, self.product_id = (int(word, 16) for word in (folder / "id").read_text().split())
        self._reports = None

    def open(self) -> None:
        with (self._folder / "opened").open("a") as log:
            log.write(f"{os.getpid()}\n")
        self._reports = (self._folder / "reports").open("rb")
        self._reports.seek(0, os.SEEK_END)

    def close(self) -> None:
        if self._reports is not None:
            self._reports.close()
            self._reports = None

    def set_nonblocking(self, is_nonblocking: bool) -> None:
        assert is_nonblocking

    def read(self, size: int) -> bytearray:
        """The next report, cut and padded to a size as easyhid does; empty where there is none."""
        if not (self._folder / "plugged").exists():
            raise HIDException("Failed to read from HID device: -1")
        start = self._reports.tell()
        length = self._reports.read(1)
        report = self._reports.read(length[0]) if length else b""
        if not length or len(report) < length[0]:  # it is being written
            self._reports.seek(start)
            return bytearray()
        return bytearray(report[:size].ljust(size, b"\0"))


class Enumeration:
    def __init__(self) -> None:
        if os.environ["FAKE_HID"] == "no library":
            raise AttributeError("function/symbol 'hid_enumerate' not found")
        folders = sorted(Path(os.environ["FAKE_HID"]).iterdir())
        self.device_list = [Device(folder) for folder in folders if (folder / "plugged").exists()]

    def find(self) -> list[Device]:
        return self.device_list
