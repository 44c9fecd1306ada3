"""A bounded residual on the base policy's action (residual off-policy RL, Ankile et al. 2025, arXiv 2509.19301).

executed = clip(base + scale * tanh(f(observation, base)), -1, 1), where f begins as zero: at first the base policy
acts, bit for bit. Beside the published recipe stand a gate that lets the residual in little by little (policy
decorator, Yuan et al. 2024, arXiv 2412.13630), and imitation of people within the residual's range.

Suffixes of tensors: see `corrector`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from robot_rl.agents.correctors.corrector import Corrector, explore
from robot_rl.agents.correctors.residual import Residual

_REACHED = 0.95
"""Share of its range from which a residual counts as saturated."""


class Additive(Corrector):
    """The base policy's action with a residual added."""

    def __init__(
        self, latent_size: int, is_corrected_A: Tensor, hidden: Sequence[int], scale: float, noise_std: float
    ) -> None:
        """Make a residual of zero.

        Args:
            latent_size: L.
            is_corrected_A: see Corrector.
            hidden: widths of the layers.
            scale: the largest residual.
            noise_std: of exploration, in units of the action.
        """
        super().__init__(is_corrected_A)
        size = len(is_corrected_A)
        self.residual = Residual(latent_size + size, size, hidden)
        self.scale, self.noise_std, self.noise_size = scale, noise_std, size + 1

    def propose(self, latent_BL: Tensor, base_BA: Tensor, noise_BZ: Tensor | None) -> Tensor:
        """See Corrector."""
        action = self.improve(latent_BL, base_BA)
        if noise_BZ is not None:
            action = explore(action, base_BA, noise_BZ, self.noise_std, self.is_corrected, self.gate)
        return action[:, None]

    def improve(self, latent_BL: Tensor, base_BA: Tensor) -> Tensor:
        """See Corrector; where the sum is clipped, its gradient passes as if it were not."""
        action = base_BA + self.scale * self._ask(latent_BL, base_BA)
        executed = action.clamp(-1.0, 1.0)
        return action + (executed - action).detach() if action.requires_grad else executed

    def imitate(self, latent_BL: Tensor, base_BA: Tensor, action_BA: Tensor) -> Tensor:
        """See Corrector; in units of the residual's range.

        What lies outside it does not count: the actor would saturate after an aim that it cannot reach.
        """
        wanted = (action_BA - base_BA) / self.scale
        within = self.is_corrected & (wanted.abs() <= 1.0)
        distance = (self._ask(latent_BL, base_BA) - wanted).square()
        return torch.where(within, distance, torch.zeros_like(distance)).sum(-1)

    @torch.no_grad()
    def measure(self, latent_BL: Tensor, base_BA: Tensor) -> dict[str, Tensor]:
        """See Corrector: how much of its range the residual uses, and how often it is at the end of it."""
        used = self._ask(latent_BL, base_BA)[:, self.is_corrected].abs()
        return {"residual/used": used.mean(), "residual/saturated": (used > _REACHED).float().mean()}

    def _ask(self, latent_BL: Tensor, base_BA: Tensor) -> Tensor:
        """The residual in units of its range."""
        residual: Tensor = self.residual(torch.cat([latent_BL, base_BA], dim=-1))
        return torch.where(self.is_corrected, residual, torch.zeros_like(residual))
