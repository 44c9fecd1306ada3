"""`DiT` for inference.

Suffixes of tensors: B batch, H horizon, I in, O out, W width, M modulation, N rows (B H).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from robot_rl.policies.networks.attention import Attention
from robot_rl.policies.networks.dit import DiT, DiTBlock
from robot_rl.policies.networks.product import Precision, make_product


class FrozenAttention:
    """Self-attention, with query, key and value from one product."""

    def __init__(self, attention: Attention, precision: Precision) -> None:
        self.heads = attention.heads
        layers = (attention.query, attention.key_value)
        weight, bias = torch.cat([layer.weight for layer in layers]), torch.cat([layer.bias for layer in layers])
        self.query_key_value = make_product(weight, bias, precision)
        self.out = make_product(attention.out.weight, attention.out.bias, precision)

    def __call__(self, rows: Tensor, batch: int) -> Tensor:
        """Rows (N, W) of rows (N, W)."""
        width = rows.shape[-1]
        together = self.query_key_value(rows).view(batch, -1, 3, self.heads, width // self.heads)
        query, key, value = together.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.out(mixed.transpose(1, 2).reshape(-1, width))


class FrozenDiTBlock:
    """Attention and feed-forward network."""

    def __init__(self, block: DiTBlock, precision: Precision) -> None:
        self.attention = FrozenAttention(block.attention, precision)
        first, second = block.feed_forward.first, block.feed_forward.second
        self.first, self.second = (make_product(layer.weight, layer.bias, precision) for layer in (first, second))

    def __call__(self, x_NW: Tensor, modulation: tuple[Tensor, ...], batch: int) -> Tensor:
        """Same shape; scale (with 1 added), shift and gate of the attention, then of the feed-forward network."""
        scale_a, shift_a, gate_a, scale_f, shift_f, gate_f = modulation
        x = torch.addcmul(x_NW, self.attention(_norm(x_NW, scale_a, shift_a), batch), gate_a)
        hidden = F.silu(self.first(_norm(x, scale_f, shift_f)), inplace=True)
        return x.addcmul_(self.second(hidden), gate_f)


class FrozenDiT:
    """The transformer of constant weights."""

    def __init__(self, network: DiT, precision: Precision) -> None:
        self.width = network.spec.width
        self.embedding = make_product(network.embedding.weight, network.embedding.bias, precision)
        self.places = network.places.detach()
        self.blocks = [FrozenDiTBlock(block, precision) for block in network.blocks if isinstance(block, DiTBlock)]
        self.head = make_product(network.head.weight, network.head.bias, precision)

    def __call__(self, x_BHI: Tensor, modulation_BM: Tensor) -> Tensor:
        """What `DiT.modulated` gives, (B, H, O); the modulation is written to."""
        batch, horizon, inputs = x_BHI.shape
        parts = modulation_BM.view(len(modulation_BM), -1, self.width)
        parts[:, ::3] += 1.0  # scale, shift, gate, scale, …; at the end scale, shift
        # Vectors if all chunks share them: then they can be the norm's own weights. Otherwise one row for each action.
        rows = parts[0].unbind(0) if len(parts) == 1 else parts.repeat_interleave(horizon, 0).unbind(1)
        x = self.embedding(x_BHI.reshape(-1, inputs))
        x.view(batch, horizon, self.width).add_(self.places)
        for index, block in enumerate(self.blocks):
            x = block(x, rows[6 * index : 6 * index + 6], batch)
        return self.head(_norm(x, rows[-2], rows[-1])).view(batch, horizon, -1)


def _norm(x_NW: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    if scale.dim() == 1:
        return F.layer_norm(x_NW, scale.shape, scale, shift)
    return torch.addcmul(shift, F.layer_norm(x_NW, x_NW.shape[-1:]), scale)
