"""A plain network from observation to action chunk, for behaviour cloning."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from robot_rl.errors import SpecError


@dataclass(frozen=True)
class ChunkMLPSpec:
    """What a `ChunkMLP` is built of.

    Attributes:
        outputs: elements that are predicted for every action: the action, or parameters of its distribution.
        horizon: actions in a chunk.
        condition_size: elements of the encoded observation.
        hidden: widths of the hidden layers.
    """

    outputs: int
    horizon: int
    condition_size: int
    hidden: tuple[int, ...] = (512, 512)

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if not self.hidden or min(self.outputs, self.horizon, self.condition_size, *self.hidden) < 1:
            raise SpecError(f"a ChunkMLP needs a hidden layer, and sizes of at least 1, got {self}.")


class ChunkMLP(nn.Module):
    """Linear - LayerNorm - Mish for every hidden layer, then one linear layer for the whole chunk."""

    def __init__(self, spec: ChunkMLPSpec) -> None:
        super().__init__()
        self.spec = spec
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((spec.condition_size, *spec.hidden)):
            layers += [nn.Linear(inputs, outputs), nn.LayerNorm(outputs), nn.Mish()]
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Linear(spec.hidden[-1], spec.horizon * spec.outputs)

    def forward(self, condition_BC: Tensor) -> Tensor:
        """The chunk, (B, H, O)."""
        flat: Tensor = self.head(self.trunk(condition_BC))
        return flat.view(-1, self.spec.horizon, self.spec.outputs)
