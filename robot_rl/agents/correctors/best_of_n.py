"""The best of several plans of the base policy (value-guided policy steering, Nakamoto et al. 2024, arXiv 2410.13816).

Nothing but the critic is learned; what no plan of the base policy does is never executed.

Suffixes of tensors: see `corrector`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from robot_rl.agents.correctors.candidates import Base
from robot_rl.agents.correctors.corrector import Corrector


class BestOfN(Corrector):
    """The base policy's candidates."""

    noise_size = 1

    def __init__(self, is_corrected_C: Tensor, count: int) -> None:
        """Choose among `count` candidates; `is_corrected_C` see Corrector."""
        super().__init__(is_corrected_C)
        self.candidates = self.of_base = count

    def propose(self, latent_BL: Tensor, base: Base, noise_BZ: Tensor | None) -> Tensor:
        """See Corrector; where the gate is shut, there is no choice."""
        del latent_BL
        if noise_BZ is None:
            return base.plans
        return torch.where(self.is_open(noise_BZ)[..., None], base.plans, base.plans[:, :1])
