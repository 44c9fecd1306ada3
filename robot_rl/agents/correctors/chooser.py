"""A policy of its own competes with the base policy (imitation-bootstrapped RL, Hu et al. 2024, arXiv 2311.02198).

Suffixes of tensors: see `corrector`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from robot_rl.agents.correctors.corrector import Corrector, explore
from robot_rl.agents.correctors.residual import Residual


class Chooser(Corrector):
    """Two candidates, the base policy's action and that of an independent actor; the critic decides between them."""

    candidates = 2

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

    def propose(self, latent_BL: Tensor, base_BA: Tensor, noise_BZ: Tensor | None) -> Tensor:
        """See Corrector; the actor's candidate explores."""
        action = self.improve(latent_BL, base_BA)
        if noise_BZ is not None:
            action = explore(action, base_BA, noise_BZ, self.noise_std, self.is_corrected, self.gate)
        return torch.stack([base_BA, action], dim=1)

    def improve(self, latent_BL: Tensor, base_BA: Tensor) -> Tensor:
        """See Corrector."""
        return torch.where(self.is_corrected, self.actor(latent_BL), base_BA)

    def imitate(self, latent_BL: Tensor, base_BA: Tensor, action_BA: Tensor) -> Tensor:
        """See Corrector: everything can be followed."""
        distance = (self.improve(latent_BL, base_BA) - action_BA).square()
        return (self.is_corrected * distance).sum(-1)
