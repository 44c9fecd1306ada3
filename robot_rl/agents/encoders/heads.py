"""From the tokens of one camera to a small vector."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

EMBEDDINGS = 8
OUTPUTS = 256


class SpatialEmbeddingHead(nn.Module):
    """Spatial learned embeddings, then Linear - LayerNorm - tanh.

    Every channel of the map is summed over the places with 8 learned sets of weights. SERL drops out a tenth of these
    sums where the actor is trained, but not for the critic, so that the two see different features. Here the head is
    shared, and of the two learns from the critic only; neither sees dropout, and training mode changes nothing.
    """

    def __init__(self, map_size: tuple[int, int], channels: int) -> None:
        super().__init__()
        height, width = map_size
        # scaled by all inputs of the kernel, not by those of one sum: as SERL's, on which its learning rate was tuned
        scale = 1.0 / math.sqrt(height * width * channels)
        self.kernel = nn.Parameter(scale * torch.randn(height, width, channels, EMBEDDINGS))
        self.linear = nn.Linear(channels * EMBEDDINGS, OUTPUTS)
        self.norm = nn.LayerNorm(OUTPUTS)
        nn.init.xavier_uniform_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, tokens_BNC: Tensor) -> Tensor:
        """Shape (B, 256), in (-1, 1), of float tokens of any precision."""
        batch, places, channels = tokens_BNC.shape
        # A small product for each channel. What takes the time is to bring the channels to the front: as one
        # transposition, in the precision of the input, a third of what einsum needs on a processor.
        rows = tokens_BNC.flatten(0, 1).t().contiguous()
        values_CBN = rows.to(self.kernel.dtype).view(channels, batch, places)
        sums_CKB = torch.bmm(self.kernel.flatten(0, 1).permute(1, 2, 0), values_CBN.transpose(1, 2))
        return torch.tanh(self.norm(self.linear(sums_CKB.flatten(0, 1).t())))
