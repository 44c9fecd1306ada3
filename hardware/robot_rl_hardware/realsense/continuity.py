"""Whether a stream goes on: pictures that were lost, that came twice, and a camera that has frozen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robot_rl.clock import to_ns


class Continuity:
    """Judges each picture of a device by those before it.

    Attributes:
        lost: pictures that the device has numbered and that did not come.
        same_s: for how long the same picture has come again and again [s].
    """

    def __init__(self, frozen_s: float) -> None:
        """Nothing has come yet; `frozen_s` is how long one and the same picture is believed [s]."""
        self.lost = 0
        self.same_s = 0.0
        self._frozen_ns = to_ns(frozen_s)
        self._number: int | None = None
        self._device_ns: int | None = None
        self._image: NDArray[np.uint8] | None = None
        self._changed_ns = 0

    @property
    def is_frozen(self) -> bool:
        """Whether the camera shows nothing but the same picture, bit for bit."""
        return to_ns(self.same_s) >= self._frozen_ns

    def is_new(self, number: int, device_ns: int, image: NDArray[np.uint8], arrival_ns: int) -> bool:
        """Whether this is a picture of another moment than the one before: not the same again, nor of a frozen camera.

        A number that went back is that of a device that counts from the beginning. A frozen camera stays frozen when
        it is opened again, until it shows something else.

        Args:
            number, device_ns: the device's number and stamp of the picture.
            image: it.
            arrival_ns: when it was there, on any clock that does not go back.
        """
        if self._number is not None and self._device_ns is not None:
            if number == self._number or device_ns == self._device_ns:
                return False
            if number > self._number:
                self.lost += number - self._number - 1
        self._number, self._device_ns = number, device_ns
        if self._image is None or not np.array_equal(image, self._image):
            self._image, self._changed_ns = image, arrival_ns
        self.same_s = (arrival_ns - self._changed_ns) * 1e-9
        return not self.is_frozen

    def start_over(self) -> None:
        """The device is opened again: it may count from anywhere, and what was missed meanwhile was not lost by it."""
        self._number = self._device_ns = None
