"""What a corrector is: from the base policy's answer to one or several candidates for what is executed.

Suffixes of tensors: B batch, M candidates, N those of the base policy, L latent, A action, C executed chunk, Z noise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from robot_rl.agents.correctors.candidates import Base


class Corrector(nn.Module, ABC):
    """Networks that turn an observation and the base policy's answer into candidates.

    Candidates are executed actions, or chunks of them, within [-1, 1]: the critic sees nothing else.

    Attributes:
        candidates: M. With one there is nothing to choose, and acting needs no critic.
        of_base: how many of them are the base policy's own; they come first.
        noise_size: Z, standard normal numbers with which one decision explores; the first is the gate's.
        is_corrected: (C,), which elements differ from the base policy's at all.
        gate: how often the corrector takes part when it explores, from 0 to 1.
    """

    candidates: int = 1
    of_base: int = 0
    noise_size: int = 0
    is_corrected: Tensor
    gate: Tensor

    def __init__(self, is_corrected_C: Tensor) -> None:
        super().__init__()
        self.register_buffer("is_corrected", is_corrected_C)
        self.register_buffer("gate", torch.zeros(()))

    @abstractmethod
    def propose(self, latent_BL: Tensor, base: Base, noise_BZ: Tensor | None) -> Tensor:
        """Candidates (B, M, C); without noise those of the corrector at its best."""

    def improve(self, latent_BL: Tensor, base: Base) -> Tensor | None:
        """The candidates (B, m, C) whose values the actor's gradient raises; None where nothing is trained."""
        del latent_BL, base
        return None

    def imitate(
        self, latent_BL: Tensor, base: Base, action_BC: Tensor, is_made_BC: Tensor | None = None
    ) -> Tensor | None:
        """Squared distance (B,) to actions of people, as far as the corrector can follow them; None if it cannot.

        Only of those elements that were made; without `is_made_BC` all were.
        """
        del latent_BL, base, action_BC, is_made_BC
        return None

    def measure(self, latent_BL: Tensor, base: Base) -> dict[str, Tensor]:
        """What is worth watching, as means over a batch."""
        del latent_BL, base
        return {}

    def is_open(self, noise_BZ: Tensor) -> Tensor:
        """Where the gate lets the corrector take part, (B, 1).

        Elsewhere the base policy acts, without any noise: so its own transitions remain in the data, on which its
        values rest.
        """
        is_open: Tensor = torch.special.ndtr(noise_BZ[:, :1]) < self.gate
        return is_open

    def disturb(self, best_BMC: Tensor, noise_BMC: Tensor, std: float) -> Tensor:
        """Candidates with noise on what is corrected, within [-1, 1]."""
        return (best_BMC + std * self.is_corrected * noise_BMC).clamp(-1.0, 1.0)


class Identity(Corrector):
    """The base policy itself, bit for bit: to collect with, to measure against, and to fall back on."""

    of_base = 1

    def propose(self, latent_BL: Tensor, base: Base, noise_BZ: Tensor | None) -> Tensor:
        """See Corrector."""
        del latent_BL, noise_BZ
        return base.action[:, None]
