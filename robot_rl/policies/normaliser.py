"""Actions and observations in the range in which networks and noise are at home."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robot_rl.errors import SpecError

MARGIN = 0.05
"""Samplers clip to [-1, 1]; what lies a fortieth of the range beyond the data must not be cut off."""

SMALLEST_RANGE = 1e-4
"""Of a value that counts as varying; that of Diffusion Policy."""


class Normaliser(nn.Module):
    """Each value from the range that it had in the data to [-1 + margin, 1 - margin], and back.

    Diffusion Policy (Chi et al. 2023, arXiv 2303.04137, section IV.C) normalises to [-1, 1], which is a margin of 0. A
    value that hardly varies keeps its unit, about the middle of its range: divided by its range, its noise would
    become a signal. So does every value until `fit`.

    Attributes:
        field: what is normalised, for error messages.
    """

    centre: Tensor
    scale: Tensor
    is_identity: Tensor

    def __init__(
        self, size: int, field: str = "values", margin: float = MARGIN, identity: Sequence[bool] | None = None
    ) -> None:
        """Make the identity.

        Args:
            size: number of values, D.
            field: what is normalised, for error messages.
            margin: how far from -1 and 1 the ends of the data come to lie, in [0, 1).
            identity: which values are left as they are, as a gripper's that is -1 or 1; none by default.

        Raises:
            SpecError: margin or mask is not valid.
        """
        super().__init__()
        if not 0.0 <= margin < 1.0:
            raise SpecError(f"{field}: margin must be in [0, 1), got {margin}.")
        mask = [False] * size if identity is None else list(identity)
        if len(mask) != size:
            raise SpecError(f"{field}: identity has {len(mask)} elements; expected {size}, one for each value.")
        self.field, self.margin = field, margin
        self.register_buffer("centre", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))
        self.register_buffer("is_identity", torch.tensor(mask, dtype=torch.bool))

    def fit(self, values: NDArray[np.floating]) -> None:
        """Take the range of every value over rows (N, D).

        Raises:
            SpecError: no rows, rows of the wrong size, or a value that is not finite.
        """
        size = len(self.centre)
        if values.ndim != 2 or values.shape[1] != size or len(values) == 0:
            raise SpecError(f"{self.field} has shape {values.shape}; expected (N, {size}) with N at least 1.")
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            row, column = bad[0]
            raise SpecError(
                f"{self.field} is {values[row, column]} in row {row}, element {column}; every value must be finite."
            )
        lowest, highest = values.min(0).astype(np.float64), values.max(0).astype(np.float64)
        extent = highest - lowest
        mask = self.is_identity.cpu().numpy()
        is_varying = extent > SMALLEST_RANGE
        scale = np.where(is_varying, 2.0 * (1.0 - self.margin) / np.where(is_varying, extent, 1.0), 1.0)
        self.scale.copy_(torch.from_numpy(np.where(mask, 1.0, scale)))
        self.centre.copy_(torch.from_numpy(np.where(mask, 0.0, lowest + extent / 2.0)))

    def normalise(self, values: Tensor) -> Tensor:
        """The same shape (..., D), in units of the network."""
        self._check(values)
        return (values - self.centre) * self.scale

    def denormalise(self, values: Tensor) -> Tensor:
        """The same shape (..., D), in units of the data."""
        self._check(values)
        return torch.addcdiv(self.centre, values, self.scale)

    def _check(self, values: Tensor) -> None:
        if values.shape[-1:] != self.centre.shape:
            raise SpecError(f"{self.field} has shape {tuple(values.shape)}; expected (..., {len(self.centre)}).")
