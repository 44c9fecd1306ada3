"""A device's own time stamps on our clock."""

from __future__ import annotations

from collections import deque

_WINDOW = 300  # pictures: long enough for one that came without delay, short enough for clocks that drift apart


class StampMap:
    """Maps the device's clock to ours by the pictures that came with the least delay.

    Every picture arrives some time after its exposure. The delay varies (USB, other processes), but not below that of
    the cable: the smallest difference between arrival and the device's stamp among the last pictures is the offset of
    the clocks. So a picture that was held up keeps the moment at which it was taken. What remains is the least delay
    itself. No stamp lies in the future, and none goes back as long as our clock does not.
    """

    def __init__(self) -> None:
        self._offsets: deque[int] = deque(maxlen=_WINDOW)
        self._device_ns: int | None = None
        self._domain = ""
        self._last_ns: int | None = None

    def to_ours(self, device_ns: int, domain: str, arrival_ns: int) -> int:
        """The stamp of a picture on our clock [ns].

        Args:
            device_ns: the device's stamp.
            domain: which of its clocks; the offset is found anew where that changes, or where it has gone back.
            arrival_ns: when the picture was there, on our clock.
        """
        if domain != self._domain or (self._device_ns is not None and device_ns < self._device_ns):
            self._offsets.clear()
        self._domain, self._device_ns = domain, device_ns
        self._offsets.append(arrival_ns - device_ns)
        stamp_ns = device_ns + min(self._offsets)
        if self._last_ns is not None:
            stamp_ns = max(stamp_ns, self._last_ns + 1)
        self._last_ns = min(stamp_ns, arrival_ns)
        return self._last_ns
