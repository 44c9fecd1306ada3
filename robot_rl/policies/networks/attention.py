"""Multi-head attention of a few tokens to a few others, and the two layers that follow it in a transformer."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.errors import SpecError


def check_heads(width: int, heads: int) -> None:
    """Refuse a width that cannot be divided among the heads."""
    if heads < 1 or width < 1 or width % heads:
        raise SpecError(f"width must be a positive multiple of heads, got width {width} and heads {heads}.")


class Attention(nn.Module):
    """Vaswani et al. 2017, arXiv 1706.03762, section 3.2; without masks.

    Suffixes of tensors: B batch, T tokens that ask, S tokens that are asked, W width.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        check_heads(width, heads)
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x_BTW: Tensor, memory_BSW: Tensor) -> Tensor:
        """Shape (B, T, W)."""
        size = x_BTW.shape[-1] // self.heads
        query = self.query(x_BTW).unflatten(-1, (self.heads, size)).transpose(1, 2)
        key, value = self.key_value(memory_BSW).unflatten(-1, (2, self.heads, size)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


class FeedForward(nn.Module):
    """Linear - SiLU - Linear, four times as wide inside; on a CPU GELU would take as long as one of the products."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, 4 * width)
        self.second = nn.Linear(4 * width, width)

    def forward(self, x_BTW: Tensor) -> Tensor:
        """Same shape."""
        out: Tensor = self.second(F.silu(self.first(x_BTW)))
        return out
