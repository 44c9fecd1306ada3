"""A transformer decoder from observation to action chunk, for behaviour cloning.

The decoder of ACT (Zhao et al. 2023, arXiv 2304.13705, section IV.C), which reads all actions off learned queries at
once, with the norm before each layer (Xiong et al. 2020, arXiv 2002.04745).

Suffixes of tensors: B batch, H horizon, C condition, S tokens of the condition, O out, W width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robot_rl.errors import SpecError
from robot_rl.policies.networks.attention import Attention, FeedForward, check_heads


@dataclass(frozen=True)
class ChunkTransformerSpec:
    """What a `ChunkTransformer` is built of.

    Attributes:
        outputs: elements that are predicted for every action: the action, or parameters of its distribution.
        horizon: actions in a chunk.
        condition_size: elements of the encoded observation.
        tokens: into which the condition is cut, one for each time step of it, say; divides its size.
        width: features of a token.
        layers: decoder blocks.
        heads: of the attention; divides the width.
    """

    outputs: int
    horizon: int
    condition_size: int
    tokens: int = 1
    width: int = 128
    layers: int = 4
    heads: int = 4

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if min(self.outputs, self.horizon, self.condition_size, self.tokens, self.layers) < 1:
            raise SpecError(f"a ChunkTransformer needs sizes of at least 1, got {self}.")
        if self.condition_size % self.tokens:
            raise SpecError(f"a condition of {self.condition_size} elements cannot be cut into {self.tokens} tokens.")
        check_heads(self.width, self.heads)


class DecoderBlock(nn.Module):
    """The chunk attends to itself, then to the condition; then a feed-forward network."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.self_attention = Attention(width, heads)
        self.cross_attention = Attention(width, heads)
        self.feed_forward = FeedForward(width)

    def forward(self, x_BHW: Tensor, memory_BSW: Tensor) -> Tensor:
        """Same shape as the chunk."""
        normal = self.norms[0](x_BHW)
        x = x_BHW + self.self_attention(normal, normal)
        x = x + self.cross_attention(self.norms[1](x), memory_BSW)
        out: Tensor = x + self.feed_forward(self.norms[2](x))
        return out


class ChunkTransformer(nn.Module):
    """One learned query for each action of the chunk."""

    def __init__(self, spec: ChunkTransformerSpec) -> None:
        super().__init__()
        self.spec = spec
        self.embedding = nn.Linear(spec.condition_size // spec.tokens, spec.width)
        self.places = nn.Parameter(0.02 * torch.randn(spec.tokens, spec.width))
        self.memory_norm = nn.LayerNorm(spec.width)
        self.queries = nn.Parameter(0.02 * torch.randn(spec.horizon, spec.width))
        self.blocks = nn.ModuleList(DecoderBlock(spec.width, spec.heads) for _ in range(spec.layers))
        self.norm = nn.LayerNorm(spec.width)
        self.head = nn.Linear(spec.width, spec.outputs)

    def forward(self, condition_BC: Tensor) -> Tensor:
        """The chunk, (B, H, O)."""
        tokens = condition_BC.unflatten(-1, (self.spec.tokens, -1))
        memory = self.memory_norm(self.embedding(tokens) + self.places)
        x = self.queries.expand(len(condition_BC), -1, -1)
        for block in self.blocks:
            x = block(x, memory)
        out: Tensor = self.head(self.norm(x))
        return out
