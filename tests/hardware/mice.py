"""SpaceMice that tests move, press and unplug: what they send are HID reports, which the real pyspacemouse decodes."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FAKE_HID = Path(__file__).with_name("fake_hid")
COMPACT, PRO, ENTERPRISE = "256f c635", "046d c62b", "256f c633"
_PERIOD_S = 0.008
_FULL = 350  # counts of a full deflection


class Mouse:
    """A device on a desk. While it is awake it repeats what is pushed and pressed, 125 times a second.

    Attributes:
        values: normalised deflection (x forward, y left, z up, roll, pitch, yaw), sent as translation and rotation in
            the device's own axes: x right, y back, z down.
        buttons: bits of the buttons that are down.
    """

    def __init__(self, folder: Path, product: str = COMPACT, values: tuple[float, ...] = (0.0,) * 6) -> None:
        self.folder, self.values, self.buttons = folder, values, 0
        self.is_awake = True
        folder.mkdir()
        (folder / "id").write_text(product)
        self._reports = (folder / "reports").open("ab", buffering=0)
        self._lock = threading.Lock()
        self.plug()

    @property
    def opened(self) -> int:
        """How often it was opened."""
        log = self.folder / "opened"
        return len(log.read_text().splitlines()) if log.exists() else 0

    def plug(self) -> None:
        (self.folder / "plugged").touch()

    def unplug(self) -> None:
        (self.folder / "plugged").unlink()

    def send(self, *reports: bytes) -> None:
        """Send reports as they are, at once."""
        with self._lock:
            self._reports.write(b"".join(bytes([len(report)]) + report for report in reports))

    def press(self, bits: int) -> bytes:
        """The report of a Compact's two buttons."""
        return bytes([3, bits])

    def repeat(self) -> None:
        """Send what is pushed and pressed."""
        x, y, z, roll, pitch, yaw = (round(_FULL * value) for value in self.values)
        self.send(
            bytes([1]) + struct.pack("<hhh", -y, -x, -z),
            bytes([2]) + struct.pack("<hhh", -pitch, -roll, -yaw),
            self.press(self.buttons),
        )

    def close(self) -> None:
        self._reports.close()


@contextmanager
def desk(folder: Path) -> Iterator[list[Mouse]]:
    """A desk to put devices on; they send while it is there."""
    mice: list[Mouse] = []
    is_over = threading.Event()

    def send() -> None:
        while not is_over.wait(_PERIOD_S):
            for mouse in mice:
                if mouse.is_awake:
                    mouse.repeat()

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield mice
    finally:
        is_over.set()
        thread.join()
        for mouse in mice:
            mouse.close()


def to_environment(folder: Path) -> dict[str, str]:
    """What a process needs to find these devices, and no others."""
    path = os.environ.get("PYTHONPATH", "")
    return {"FAKE_HID": str(folder), "PYTHONPATH": os.pathsep.join(filter(None, (str(FAKE_HID), path)))}
