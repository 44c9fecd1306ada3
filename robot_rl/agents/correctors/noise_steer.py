"""The noise of a base policy as the action (diffusion steering, Wagenmaker et al. 2025, arXiv 2506.15799).

What is executed is what the base policy makes of the chosen noise: never anything that it would not do. One vector of
noise is repeated over all positions of a chunk, so that there are A numbers to choose and not a hundred.

Suffixes of tensors: see `corrector`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from robot_rl.agents.correctors.candidates import Base
from robot_rl.agents.correctors.corrector import Corrector
from robot_rl.agents.correctors.residual import Residual


class NoiseSteer(Corrector):
    """Noise, within +-bound; its candidates are not executed themselves."""

    def __init__(
        self, latent_size: int, is_corrected_C: Tensor, noise_elements: int, hidden: Sequence[int], bound: float,
        noise_std: float,
    ) -> None:  # fmt: skip
        """Make an actor that chooses no noise, which is the middle of it.

        Args:
            latent_size: L.
            is_corrected_C: see Corrector; here it says nothing.
            noise_elements: A, of one noise vector.
            hidden: widths of the layers.
            bound: of each element of the noise.
            noise_std: of exploration, in units of the noise.
        """
        super().__init__(is_corrected_C)
        self.actor = Residual(latent_size, noise_elements, hidden)
        self.bound, self.noise_std, self.noise_size = bound, noise_std, 1 + noise_elements

    def propose(self, latent_BL: Tensor, base: Base, noise_BZ: Tensor | None) -> Tensor:
        """Noise (B, 1, A); where the gate is shut, that of the base policy's own action."""
        chosen = self.steer(latent_BL)
        if noise_BZ is not None:
            explored = (chosen + self.noise_std * noise_BZ[:, 1:]).clamp(-self.bound, self.bound)
            chosen = torch.where(self.is_open(noise_BZ), explored, base.noise[:, 0])
        return chosen[:, None]

    def steer(self, latent_BL: Tensor) -> Tensor:
        """The best noise, (B, A)."""
        chosen: Tensor = self.bound * self.actor(latent_BL)
        return chosen

    @torch.no_grad()
    def measure(self, latent_BL: Tensor, base: Base) -> dict[str, Tensor]:
        """See Corrector: how much of its range the noise uses."""
        del base
        return {"steer/used": self.actor(latent_BL).abs().mean()}
