"""Camera images by slot, each kept once: plain in memory, compressed in memory, or on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numcodecs import Zstd
from numpy.typing import NDArray

from robot_rl.data.slot_array import SlotArray, Slots, make_slot_array
from robot_rl.errors import ConfigError, SpecError, UnknownNameError

Images = NDArray[np.uint8]
FrameKind = Literal["raw", "compressed", "disk"]

_LEVEL = 1
"""Of zstd: on frames with noise, level 3 takes half as long again and saves nothing."""
_CHUNK = 64
"""Frames that are undone together: enough to make numpy's calls cheap, few enough for the processor's cache."""


class FrameStore(Protocol):
    """Images of one camera by slot; one that was never put is black."""

    def put(self, slot: int, image: Images) -> None:
        """Keep a copy of `image`, uint8 (H, W, 3), in place of what was there."""

    def get(self, slots: Slots) -> Images:
        """The images at `slots`, int64 (B,), as uint8 (B, H, W, 3), bit for bit as they were put."""

    @property
    def nbytes(self) -> int:
        """Bytes that the images take, in memory or on disk."""


class RawFrames:
    """Images as they are, in memory or in a file."""

    def __init__(self, array: SlotArray, height: int, width: int) -> None:
        """Keep images of (height, width) pixels in `array`, whose items are uint8 (H, W, 3)."""
        self._array, self._shape = array, (height, width, 3)

    @property
    def nbytes(self) -> int:
        """Bytes that the images take, in memory or on disk."""
        return self._array.nbytes

    def put(self, slot: int, image: Images) -> None:
        """Keep a copy of `image`, uint8 (H, W, 3).

        Raises:
            SpecError: another shape or dtype.
        """
        self._array[np.array([slot])] = _checked(image, self._shape)[np.newaxis]

    def get(self, slots: Slots) -> Images:
        """The images at `slots`, uint8 (B, H, W, 3)."""
        return self._array[slots]


class CompressedFrames:
    """Images without loss in a fraction of the memory: differences of rows, packed by zstd.

    The difference to the row above makes zstd good at noisy frames (three quarters of its bytes without), and costs
    next to nothing, because it is undone for many frames at once.
    """

    def __init__(self, capacity: int, height: int, width: int) -> None:
        """Make room for `capacity` images of (height, width) pixels."""
        self._shape = (height, width, 3)
        self._codec = Zstd(level=_LEVEL)
        black: bytes = self._codec.encode(np.zeros(self._shape, np.uint8))
        self._packed = [black] * capacity
        self._nbytes = 0
        self._black = black

    @property
    def nbytes(self) -> int:
        """Bytes of the packed images."""
        return self._nbytes

    def put(self, slot: int, image: Images) -> None:
        """Keep `image`, uint8 (H, W, 3).

        Raises:
            SpecError: another shape or dtype.
        """
        difference = _checked(image, self._shape).copy()
        difference[1:] -= image[:-1]  # wraps around at 256, and back when it is undone
        before = self._packed[slot]
        packed = self._packed[slot] = self._codec.encode(difference)
        self._nbytes += len(packed) - (0 if before is self._black else len(before))

    def get(self, slots: Slots) -> Images:
        """The images at `slots`, uint8 (B, H, W, 3)."""
        out = np.empty((len(slots), *self._shape), np.uint8)
        for start in range(0, len(slots), _CHUNK):
            chunk = out[start : start + _CHUNK]
            for image, slot in zip(chunk, slots[start : start + _CHUNK], strict=True):
                self._codec.decode(self._packed[slot], image)
            for row in range(1, self._shape[0]):
                chunk[:, row] += chunk[:, row - 1]
        return out


def make_frame_store(
    kind: FrameKind, capacity: int, height: int, width: int, directory: Path | None = None
) -> FrameStore:
    """A store of `capacity` images of (height, width) pixels.

    Args:
        kind: "raw", plain in memory; "compressed", packed in memory without loss; "disk", plain in a file.
        directory: where the file is made; only and always for "disk".

    Raises:
        ConfigError: a directory is missing, or given to a kind that stays in memory.
        UnknownNameError: no such kind.
    """
    if kind not in ("raw", "compressed", "disk"):
        raise UnknownNameError("kind of frame store", kind, ("raw", "compressed", "disk"))
    if (directory is not None) != (kind == "disk"):
        said = "none was given" if directory is None else f"got {directory} for {kind!r}"
        raise ConfigError(f'images are kept in a directory if and only if their kind is "disk": {said}.')
    if kind == "compressed":
        return CompressedFrames(capacity, height, width)
    return RawFrames(make_slot_array(capacity, (height, width, 3), np.uint8, directory), height, width)


def _checked(image: Images, shape: tuple[int, int, int]) -> Images:
    if image.shape != shape or image.dtype != np.uint8:
        raise SpecError(f"an image must be uint8 {shape}, got {image.dtype} {image.shape}.")
    return image
