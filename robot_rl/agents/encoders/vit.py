"""A small vision transformer (Dosovitskiy et al. 2021, arXiv 2010.11929), to be trained together with the policy."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.agents.encoders.backbone import Backbone

SIDE = 8
"""Patches along an edge: 16 px each of 128 px, 8 px of 64 px."""
WIDTH = 128
DEPTH = 4
HEADS = 4


class SmallViT(Backbone):
    """Four layers over 8x8 patches, width 128; no class token, what comes out is a token per patch."""

    def __init__(self, image_size_px: int) -> None:
        """Make the layers for square images of that size."""
        super().__init__(image_size_px, (SIDE, SIDE), WIDTH)
        self.patch_px = image_size_px // SIDE
        self.embedding = nn.Linear(3 * self.patch_px**2, WIDTH)
        self.position = nn.Parameter(0.02 * torch.randn(SIDE**2, WIDTH))
        self.layers = nn.Sequential(*(AttentionLayer() for _ in range(DEPTH)))
        self.norm = nn.LayerNorm(WIDTH)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def to_tokens(self, pixels_BCHW: Tensor) -> Tensor:
        """See Backbone."""
        size_px = self.patch_px
        patches = pixels_BCHW.unflatten(2, (SIDE, size_px)).unflatten(4, (SIDE, size_px))
        patches = patches.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)  # (B, N, pixels of a patch)
        tokens: Tensor = self.norm(self.layers(self.embedding(patches) + self.position))
        return tokens


class AttentionLayer(nn.Module):
    """Self-attention and a two-layer perceptron, each normalised before and added to its input."""

    def __init__(self) -> None:
        super().__init__()
        self.attention_norm, self.mlp_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.query_key_value = nn.Linear(WIDTH, 3 * WIDTH)
        self.output = nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x_BNC: Tensor) -> Tensor:
        """Same shape as the input."""
        parts = self.query_key_value(self.attention_norm(x_BNC)).unflatten(2, (3, HEADS, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each (B, heads, N, C / heads)
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        x = x_BNC + self.output(mixed)
        y: Tensor = x + self.mlp(self.mlp_norm(x))
        return y
