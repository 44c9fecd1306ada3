"""A bounded residual on the base policy's action (residual off-policy RL, Ankile et al. 2025, arXiv 2509.19301).

At first the residual is zero: the base policy acts, bit for bit. Beside the published recipe stand a gate that lets the
residual in little by little (policy decorator, Yuan et al. 2024, arXiv 2412.13630), and imitation of people within the
residual's range.

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
        self.residual = BoundedResidual(latent_size, is_corrected_A, hidden, scale)
        self.noise_std, self.noise_size = noise_std, len(is_corrected_A) + 1

    def propose(self, latent_BL: Tensor, base: Base, noise_BZ: Tensor | None) -> Tensor:
        """See Corrector."""
        action = self.improve(latent_BL, base)
        if noise_BZ is None:
            return action
        explored = self.disturb(action, noise_BZ[:, None, 1:], self.noise_std)
        return torch.where(self.is_open(noise_BZ)[..., None], explored, base.action[:, None])

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
