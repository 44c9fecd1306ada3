"""A transformer over the positions of an action chunk, modulated by noise level and observation.

Scalable Diffusion Models with Transformers (Peebles and Xie 2023, arXiv 2212.09748), the variant adaLN-zero, with
actions for patches. A single encoded observation is one token, to which attention would be a constant: modulation
carries it at less cost.

Suffixes of tensors: B batch, H horizon, C condition, I in, O out, W width, M modulation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.errors import SpecError
from robot_rl.policies.networks.attention import Attention, FeedForward, check_heads
from robot_rl.policies.networks.denoiser import Denoiser
from robot_rl.policies.networks.step_embedding import StepEmbedding


@dataclass(frozen=True)
class DiTSpec:
    """What a `DiT` is built of.

    Attributes:
        inputs: elements of a noisy action.
        outputs: elements of a prediction.
        horizon: actions in a chunk.
        condition_size: elements of the encoded observation.
        width: features of a token; even.
        layers: transformer blocks.
        heads: of the attention; divides the width.
    """

    inputs: int
    outputs: int
    horizon: int
    condition_size: int
    width: int = 128
    layers: int = 4
    heads: int = 4

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if min(self.inputs, self.outputs, self.horizon, self.condition_size, self.layers) < 1:
            raise SpecError(f"a DiT needs sizes of at least 1, got {self}.")
        check_heads(self.width, self.heads)


class DiTBlock(nn.Module):
    """Self-attention and a feed-forward network, each scaled, shifted and gated by the modulation."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.feed_forward = FeedForward(width)

    def forward(self, x_BHW: Tensor, modulation_BM: Tensor) -> Tensor:
        """Same shape; the modulation is scale, shift and gate of the attention, then of the feed-forward network."""
        scale_a, shift_a, gate_a, scale_f, shift_f, gate_f = modulation_BM[:, None].chunk(6, dim=-1)
        normal = modulated_norm(x_BHW, scale_a, shift_a)
        x = x_BHW + gate_a * self.attention(normal, normal)
        out: Tensor = x + gate_f * self.feed_forward(modulated_norm(x, scale_f, shift_f))
        return out


class DiT(Denoiser):
    """Chunk positions as tokens with learned places; begins as a function of nothing, all of its gates shut.

    The modulation is one projection of SiLU(step) + SiLU(condition), where the published network has
    SiLU(step + condition): the sum outside of the SiLU splits into a part of the level and a part of the condition.
    """

    def __init__(self, spec: DiTSpec) -> None:
        super().__init__()
        self.spec = spec
        self.inputs, self.horizon, self.condition_size = spec.inputs, spec.horizon, spec.condition_size
        width = spec.width
        self.step_embedding = StepEmbedding(width, width)
        self.condition_embedding = nn.Sequential(
            nn.Linear(spec.condition_size, width), nn.Mish(), nn.Linear(width, width)
        )
        self.embedding = nn.Linear(spec.inputs, width)
        self.places = nn.Parameter(0.02 * torch.randn(spec.horizon, width))
        self.blocks = nn.ModuleList(DiTBlock(width, spec.heads) for _ in range(spec.layers))
        self.head = nn.Linear(width, spec.outputs)
        self.modulation_sizes = [*(6 * width for _ in self.blocks), 2 * width]
        self.modulation = nn.Linear(width, sum(self.modulation_sizes))
        for layer in (self.modulation, self.head):  # the "zero" of adaLN-zero
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def level_part(self, level_B: Tensor) -> Tensor:
        """The level's share of the modulation, (B, M), with the projection's own bias."""
        return F.linear(F.silu(self.step_embedding(level_B)), self.modulation.weight, self.modulation.bias)

    def condition_part(self, condition_BC: Tensor) -> Tensor:
        """The condition's share of the modulation, (B, M)."""
        return F.linear(F.silu(self.condition_embedding(condition_BC)), self.modulation.weight)

    def modulated(self, x_BHI: Tensor, modulation_BM: Tensor) -> Tensor:
        """The output (B, H, O) under the modulation (B or 1, M): that of the blocks, then the last scale and shift."""
        *parts, last = modulation_BM.split(self.modulation_sizes, dim=1)
        x = self.embedding(x_BHI) + self.places
        for block, part in zip(self.blocks, parts, strict=True):
            x = block(x, part)
        scale, shift = last[:, None].chunk(2, dim=-1)
        out: Tensor = self.head(modulated_norm(x, scale, shift))
        return out


def modulated_norm(x_BHW: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """LayerNorm without parameters of its own, times 1 + scale, plus shift; each (B or 1, 1, W)."""
    return F.layer_norm(x_BHW, x_BHW.shape[-1:]) * (1.0 + scale) + shift
