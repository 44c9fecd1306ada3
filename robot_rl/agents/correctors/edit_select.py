"""Edits of several plans of the base policy, and the best of all (EXPO, Dong et al. 2025, arXiv 2507.07986).

Against the published method: the edit is deterministic and explores with noise, so that no entropy has to be balanced
against its small range, and the critics that choose are not those that value.

Suffixes of tensors: see `corrector`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from robot_rl.agents.correctors.candidates import Base
from robot_rl.agents.correctors.corrector import Corrector
from robot_rl.agents.correctors.residual import BoundedResidual


class EditSelect(Corrector):
    """N plans of the base policy, and each of them with a bounded edit."""

    def __init__(
        self,
        latent_size: int,
        is_corrected_C: Tensor,
        count: int,
        hidden: Sequence[int],
        scale: float,
        noise_std: float,
    ) -> None:
        """Make edits of zero.

        Args:
            latent_size: L.
            is_corrected_C: see Corrector.
            count: N.
            hidden: widths of the layers.
            scale: the largest edit.
            noise_std: of exploration, in units of the action.
        """
        super().__init__(is_corrected_C)
        self.candidates, self.of_base = 2 * count, count
        self.residual = BoundedResidual(latent_size, is_corrected_C, hidden, scale)
        self.noise_std, self.noise_size = noise_std, 1 + count * len(is_corrected_C)

    def propose(self, latent_BL: Tensor, base: Base, noise_BZ: Tensor | None) -> Tensor:
        """See Corrector; edits explore, and where the gate is shut, there is no choice."""
        edited = self.improve(latent_BL, base)
        if noise_BZ is not None:
            edited = self.disturb(edited, noise_BZ[:, 1:].view_as(edited), self.noise_std)
        candidates = torch.cat([base.plans, edited], dim=1)
        if noise_BZ is None:
            return candidates
        return torch.where(self.is_open(noise_BZ)[..., None], candidates, base.plans[:, :1])

    def improve(self, latent_BL: Tensor, base: Base) -> Tensor:
        """See Corrector: all edits."""
        edited: Tensor = self.residual(latent_BL, base.plans)
        return edited

    def imitate(self, latent_BL: Tensor, base: Base, action_BC: Tensor, is_made_BC: Tensor | None = None) -> Tensor:
        """See Corrector: within the range of the edits, the mean over the plans."""
        return self.residual.distance(latent_BL, base.plans, action_BC, is_made_BC)

    def measure(self, latent_BL: Tensor, base: Base) -> dict[str, Tensor]:
        """See Corrector."""
        return self.residual.measure(latent_BL, base.plans)
