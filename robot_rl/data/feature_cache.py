"""What a frozen encoder made of the images of one camera, kept so that it need not see them again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robot_rl.data.slot_array import make_slot_array
from robot_rl.errors import SpecError

Features = NDArray[np.float16]
Rows = NDArray[np.int64]

NOTHING = -1


class FeatureCache:
    """Features of the newest `capacity` rows of a ring, for each row those of K augmented copies of its image.

    It goes by the numbers of rows, as the ring does, so that features of a row that was overwritten are never taken
    for those of its successor in the same slot.
    """

    def __init__(self, capacity: int, copies: int, tokens: int, channels: int, directory: Path | None = None) -> None:
        """Make room: in memory, or in a file in `directory`; 2 capacity copies tokens channels bytes either way."""
        if min(capacity, copies, tokens, channels) < 1:
            raise SpecError(
                f"capacity, copies, tokens and channels must be at least 1, got {(capacity, copies, tokens, channels)}."
            )
        self.capacity, self.shape = capacity, (copies, tokens, channels)
        self._items = make_slot_array(capacity * copies, (tokens, channels), np.float16, directory)
        self._number = np.full(capacity, NOTHING, np.int64)

    @property
    def nbytes(self) -> int:
        """Bytes that the features take, in memory or on disk."""
        return self._items.nbytes

    def has(self, rows: Rows) -> NDArray[np.bool_]:
        """Which of the rows numbered `rows` have features here, shape (B,)."""
        return np.asarray((rows >= 0) & (self._number[rows % self.capacity] == rows))

    def put(self, rows: Rows, features: Features) -> None:
        """Keep the features of `rows` in place of those of older rows.

        Args:
            rows: numbers of rows, shape (B,).
            features: finite float16 (B, copies, tokens, channels).

        Raises:
            SpecError: another shape or dtype, or a value that float16 cannot hold.
        """
        shape = (len(rows), *self.shape)
        if features.shape != shape or features.dtype != np.float16:
            raise SpecError(f"features must be float16 {shape}, got {features.dtype} {features.shape}.")
        if not np.isfinite(features).all():
            raise SpecError(f"features must be finite, and at most {np.finfo(np.float16).max} in magnitude.")
        copies = self.shape[0]
        slots = rows % self.capacity
        self._number[slots] = NOTHING  # so that a write that fails half-way leaves nothing that looks whole
        self._items[(slots[:, np.newaxis] * copies + np.arange(copies)).ravel()] = features.reshape(-1, *self.shape[1:])
        self._number[slots] = rows

    def get(self, rows: Rows, generator: np.random.Generator) -> Features:
        """The features of one copy of each row, drawn at random, float16 (B, tokens, channels).

        Raises:
            SpecError: a row has no features here.
        """
        has = self.has(rows)
        if not has.all():
            raise SpecError(f"these rows have no features here: {rows[~has][:20].tolist()}. Ask `has` first.")
        copies = self.shape[0]
        return self._items[rows % self.capacity * copies + generator.integers(copies, size=len(rows))]
