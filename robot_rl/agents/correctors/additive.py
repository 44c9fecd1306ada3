"""A bounded residual on the base policy's action (residual off-policy RL, Ankile et al. 2025, arXiv 2509.19301).

At first the residual is zero: the base policy acts, bit for bit. Beside the published recipe stand imitation of people
within the residual's range, a choice of the critics between the base policy's action and the corrected one, and a gate
that lets the residual in little by little (policy decorator, Yuan et al. 2024, arXiv 2412.13630).

Suffixes of tensors: see `corrector`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from robot_rl.agents.correctors.candidates import Base
from robot_rl.agents.correctors.corrector import Corrector
from robot_rl.agents.correctors.residual import BoundedResidual


class Additive(Corrector):
    """The base policy's action with a residual added, and that action itself."""

    def __init__(
        self,
        latent_size: int,
        is_corrected_A: Tensor,
        hidden: Sequence[int],
        scale: float,
        noise_std: float,
        *,
        keeps_base: bool,
    ) -> None:
        """Make a residual of zero.

        Args:
            latent_size: L.
            is_corrected_A: see Corrector.
            hidden: widths of the layers.
            scale: the largest residual.
            noise_std: of exploration, in units of the action.
            keeps_base: whether the base policy's action stays a candidate.
        """
        super().__init__(is_corrected_A)
        if keeps_base:
            self.candidates, self.of_base = 2, 1
        self.residual = BoundedResidual(latent_size, is_corrected_A, hidden, scale)
        self.noise_std, self.noise_size = noise_std, len(is_corrected_A) + 1

    def propose(self, latent_BL: Tensor, base: Base, noise_BZ: Tensor | None) -> Tensor:
        """See Corrector; the corrected candidate explores."""
        corrected, of_base = self.improve(latent_BL, base), base.action[:, None]
        if noise_BZ is not None:
            explored = self.disturb(corrected, noise_BZ[:, None, 1:], self.noise_std)
            corrected = torch.where(self.is_open(noise_BZ)[..., None], explored, of_base)
        return torch.cat([of_base, corrected], dim=1) if self.of_base else corrected

    def improve(self, latent_BL: Tensor, base: Base) -> Tensor:
        """See Corrector."""
        action: Tensor = self.residual(latent_BL, base.action[:, None])
        return action

    def imitate(self, latent_BL: Tensor, base: Base, action_BC: Tensor, is_made_BC: Tensor | None = None) -> Tensor:
        """See Corrector: within the residual's range."""
        return self.residual.distance(latent_BL, base.action[:, None], action_BC, is_made_BC)

    def measure(self, latent_BL: Tensor, base: Base) -> dict[str, Tensor]:
        """See Corrector."""
        return self.residual.measure(latent_BL, base.action[:, None])
