"""A network that begins by asking for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class Residual(nn.Module):
    """Linear - LayerNorm - ReLU layers, and a last one that begins as zero; the output lies in (-1, 1)."""

    def __init__(self, inputs: int, outputs: int, hidden: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for size, width in pairwise((inputs, *hidden)):
            layers += [nn.Linear(size, width), nn.LayerNorm(width), nn.ReLU()]
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Linear(hidden[-1], outputs)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, inputs_BI: Tensor) -> Tensor:
        """Shape (B, A)."""
        return torch.tanh(self.head(self.trunk(inputs_BI)))
