"""A residual MLP over the whole chunk, modulated by noise level and observation: the denoiser of a CPU.

For a few actions from a few numbers it learns what the U-Net and the transformer learn in a tenth of their time, since
a position of the chunk costs no more than an input. The blocks are those of IDQL's residual network (Hansen-Estruch et
al. 2023, arXiv 2304.10573, appendix), with the modulation of adaLN-zero in place of concatenated inputs.

Suffixes of tensors: B batch, H horizon, C condition, I in, W width, M modulation.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.errors import SpecError
from robot_rl.policies.networks.denoiser import Denoiser
from robot_rl.policies.networks.step_embedding import StepEmbedding

_STEP_SIZE, _EXPANSION = 64, 4


@dataclass(frozen=True)
class ResidualMLPSpec:
    """What a `ResidualMLP` is built of.

    Attributes:
        inputs: elements of a noisy action.
        outputs: elements of a prediction.
        horizon: actions in a chunk.
        condition_size: elements of the encoded observation.
        width: of the residual stream; within a block it is four times as wide.
        layers: residual blocks.
    """

    inputs: int
    outputs: int
    horizon: int
    condition_size: int
    width: int = 256
    layers: int = 3

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if min(self.inputs, self.outputs, self.horizon, self.condition_size, self.width, self.layers) < 1:
            raise SpecError(f"a ResidualMLP needs sizes of at least 1, got {self}.")


class ResidualMLP(Denoiser):
    """Blocks of LayerNorm, scale and shift, Linear - SiLU - Linear, and a gate; begins with the output 0."""

    def __init__(self, spec: ResidualMLPSpec) -> None:
        super().__init__()
        self.spec = spec
        self.inputs, self.horizon, self.condition_size = spec.inputs, spec.horizon, spec.condition_size
        width, hidden = spec.width, _EXPANSION * spec.width
        self.step_embedding = StepEmbedding(_STEP_SIZE, width)
        self.level_embedding = nn.Linear(_STEP_SIZE, width)
        self.condition_embedding = nn.Sequential(
            nn.Linear(spec.condition_size, hidden), nn.SiLU(), nn.Linear(hidden, width)
        )
        self.embedding = nn.Linear(spec.inputs * spec.horizon, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, hidden), nn.SiLU(), nn.Linear(hidden, width)) for _ in range(spec.layers)
        )
        self.head = nn.Linear(width, spec.outputs * spec.horizon)
        self.modulation = nn.Linear(width, 3 * width * spec.layers)
        for layer in (self.modulation, self.head):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def level_part(self, level_B: Tensor) -> Tensor:
        """The level's share of the modulation, (B, M), with the projection's own bias."""
        embedding = self.level_embedding(self.step_embedding(level_B))
        return F.linear(F.silu(embedding), self.modulation.weight, self.modulation.bias)

    def condition_part(self, condition_BC: Tensor) -> Tensor:
        """The condition's share of the modulation, (B, M)."""
        return F.linear(F.silu(self.condition_embedding(condition_BC)), self.modulation.weight)

    def modulated(self, x_BHI: Tensor, modulation_BM: Tensor) -> Tensor:
        """The output (B, H, O) under the modulation (B or 1, M): scale, shift and gate of each block."""
        x = self.embedding(x_BHI.flatten(1))
        parts = modulation_BM.chunk(3 * self.spec.layers, dim=-1)
        for number, block in enumerate(self.blocks):
            scale, shift, gate = parts[3 * number : 3 * number + 3]
            x = x + (1.0 + gate) * block(F.layer_norm(x, x.shape[-1:]) * (1.0 + scale) + shift)
        out: Tensor = self.head(F.layer_norm(x, x.shape[-1:])).unflatten(1, (self.horizon, self.spec.outputs))
        return out
