"""The noise level as a vector."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from robot_rl.errors import SpecError

LONGEST = 10_000.0
"""Ratio of the slowest to the fastest wave (Vaswani et al. 2017, arXiv 1706.03762, section 3.5)."""


class SinusoidalEmbedding(nn.Module):
    """Sines, then cosines, of the level at frequencies that fall geometrically from 1 to 1/10000.

    The form of Denoising Diffusion Probabilistic Models (Ho et al. 2020, arXiv 2006.11239, appendix B), in which the
    slowest frequency is reached exactly.
    """

    frequencies: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        if size < 4 or size % 2:
            raise SpecError(f"the size of a step embedding must be even and at least 4, got {size}.")
        steps = torch.arange(size // 2, dtype=torch.float64) / (size // 2 - 1)
        frequencies = torch.exp(-math.log(LONGEST) * steps).float()
        self.register_buffer("frequencies", frequencies, persistent=False)  # follows from the size

    def forward(self, level_B: Tensor) -> Tensor:
        """Shape (B, size)."""
        phase = level_B[:, None] * self.frequencies
        return torch.cat([phase.sin(), phase.cos()], dim=-1)


class StepEmbedding(nn.Module):
    """Sinusoids, and a small network that learns what of them matters: Linear - Mish - Linear."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.waves = SinusoidalEmbedding(size)
        self.layers = nn.Sequential(nn.Linear(size, hidden), nn.Mish(), nn.Linear(hidden, size))

    def forward(self, level_B: Tensor) -> Tensor:
        """Shape (B, size)."""
        embedding: Tensor = self.layers(self.waves(level_B))
        return embedding
