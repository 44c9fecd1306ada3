"""Proprioception as inputs of a network."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

FINE = 30.0
"""A spread of 15 mm, as of the tool's distance to its target, gives a fine scale of half a millimetre."""


class ProprioFeatures(nn.Module):
    """Each value twice: normalised, and on a logarithmic scale about zero.

    A peg that starts 30 mm away has to be placed to half a millimetre. Normalised, that half millimetre is a thirtieth
    of the spread, which a smooth network resolves badly; asinh(x / fine) is linear within it and logarithmic beyond, so
    that near and far are both told apart (compare symlog, Hafner et al. 2023, arXiv 2301.04104, equation 9).

    The scales are fitted once, so that what was learned keeps its meaning.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = 2 * size
        """Number of features."""
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("spread", torch.ones(size))

    def fit(self, values: NDArray[np.float32], floor: float = 1e-3) -> None:
        """Take mean and standard deviation of rows (N, P); values that hardly vary keep their unit."""
        exact = values.astype(np.float64)  # sums of many float32 rows make a constant vary
        spread = exact.std(0)
        self.mean.copy_(torch.from_numpy(exact.mean(0)))
        self.spread.copy_(torch.from_numpy(np.where(spread > floor, spread, 1.0).astype(np.float32)))

    def forward(self, values_BP: Tensor) -> Tensor:
        """Features (B, 2 P). The normalised half is clipped to +-10: a blow on the sensor must not blow up a critic."""
        normal = ((values_BP - self.mean) / self.spread).clamp(-10.0, 10.0)
        logarithmic = 0.5 * torch.asinh(FINE * values_BP / self.spread)
        return torch.cat([normal, logarithmic], dim=-1)
