"""A network that begins by asking for nothing, and what it adds to a base policy's actions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

_REACHED = 0.95
"""Share of its range from which a residual counts as saturated."""


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

    def forward(self, inputs: Tensor) -> Tensor:
        """Shape (..., outputs) of inputs (..., inputs)."""
        return torch.tanh(self.head(self.trunk(inputs)))


class BoundedResidual(nn.Module):
    """executed = clip(base + scale * tanh(f(latent, base)), -1, 1), for any number of the base policy's candidates.

    Suffixes of tensors: see `corrector`; m candidates.
    """

    is_corrected: Tensor

    def __init__(self, latent_size: int, is_corrected_C: Tensor, hidden: Sequence[int], scale: float) -> None:
        """Make a residual of zero, which is at most `scale`, and nothing where `is_corrected_C` says so."""
        super().__init__()
        self.network = Residual(latent_size + len(is_corrected_C), len(is_corrected_C), hidden)
        self.register_buffer("is_corrected", is_corrected_C)
        self.scale = scale

    def forward(self, latent_BL: Tensor, base_BmC: Tensor) -> Tensor:
        """What is executed, (B, m, C); where the sum is clipped, its gradient passes as if it were not."""
        action = base_BmC + self.scale * self.ask(latent_BL, base_BmC)
        executed = action.clamp(-1.0, 1.0)
        return action + (executed - action).detach() if action.requires_grad else executed

    def ask(self, latent_BL: Tensor, base_BmC: Tensor) -> Tensor:
        """The residual in units of its range, (B, m, C)."""
        latents = latent_BL[:, None].expand(-1, base_BmC.shape[1], -1)
        residual: Tensor = self.network(torch.cat([latents, base_BmC], dim=-1))
        return torch.where(self.is_corrected, residual, torch.zeros_like(residual))

    def distance(
        self, latent_BL: Tensor, base_BmC: Tensor, action_BC: Tensor, is_made_BC: Tensor | None = None
    ) -> Tensor:
        """Squared distance (B,) to actions of people, in units of the residual's range; the mean over the candidates.

        What lies outside the range does not count: the actor would saturate after an aim that it cannot reach. Nor does
        what nobody made, where `is_made_BC` says so.
        """
        wanted = (action_BC[:, None] - base_BmC) / self.scale
        within = self.is_corrected & (wanted.abs() <= 1.0)
        if is_made_BC is not None:
            within = within & is_made_BC[:, None]
        distance = (self.ask(latent_BL, base_BmC) - wanted).square()
        return torch.where(within, distance, torch.zeros_like(distance)).sum(-1).mean(-1)

    @torch.no_grad()
    def measure(self, latent_BL: Tensor, base_BmC: Tensor) -> dict[str, Tensor]:
        """How much of its range the residual uses, and how often it is at the end of it."""
        used = self.ask(latent_BL, base_BmC)[..., self.is_corrected].abs()
        return {"residual/used": used.mean(), "residual/saturated": (used > _REACHED).float().mean()}
