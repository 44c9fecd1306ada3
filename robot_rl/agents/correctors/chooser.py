"""A policy of its own competes with the base policy (imitation-bootstrapped RL, Hu et al. 2024, arXiv 2311.02198).

Suffixes of tensors: see `corrector`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from robot_rl.agents.correctors.candidates import Base
from robot_rl.agents.correctors.corrector import Corrector
from robot_rl.agents.correctors.residual import Residual


class Chooser(Corrector):
    """Two candidates, the base policy's action and that of an independent actor; the critic decides between them."""

    candidates = 2
    of_base = 1

    def __init__(self, latent_size: int, is_corrected_A: Tensor, hidden: Sequence[int], noise_std: float) -> None:
        """Make an actor that asks for nothing.

        Args:
            latent_size: L.
            is_corrected_A: see Corrector.
            hidden: widths of the layers.
            noise_std: of exploration.
        """
        super().__init__(is_corrected_A)
        self.actor = Residual(latent_size, len(is_corrected_A), hidden)
        self.noise_std, self.noise_size = noise_std, len(is_corrected_A) + 1

    def propose(self, latent_BL: Tensor, base: Base, noise_BZ: Tensor | None) -> Tensor:
        """See Corrector; the actor's candidate explores."""
        own, of_base = self.improve(latent_BL, base), base.action[:, None]
        if noise_BZ is not None:
            explored = self.disturb(own, noise_BZ[:, None, 1:], self.noise_std)
            own = torch.where(self.is_open(noise_BZ)[..., None], explored, of_base)
        return torch.cat([of_base, own], dim=1)

    def improve(self, latent_BL: Tensor, base: Base) -> Tensor:
        """See Corrector."""
        return torch.where(self.is_corrected, self.actor(latent_BL), base.action)[:, None]

    def imitate(self, latent_BL: Tensor, base: Base, action_BC: Tensor, is_made_BC: Tensor | None = None) -> Tensor:
        """See Corrector: everything can be followed."""
        del is_made_BC  # it decides on one action at a time
        distance = (self.improve(latent_BL, base)[:, 0] - action_BC).square()
        return (self.is_corrected * distance).sum(-1)
