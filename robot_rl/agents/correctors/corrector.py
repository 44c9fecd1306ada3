"""What a corrector is: from the base policy's action to one or several candidates for the executed action.

Suffixes of tensors: B batch, N candidates, L latent, A action, Z noise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Corrector(nn.Module, ABC):
    """Networks that turn an observation and the base policy's action into candidates.

    Candidates are executed actions, within [-1, 1]: the critic sees nothing else.

    Attributes:
        candidates: N. With one there is nothing to choose, and acting needs no critic. Of several the base policy's
            comes first.
        noise_size: Z, standard normal numbers with which one action explores.
        is_corrected: (A,), which elements of the action differ from the base policy's at all.
        gate: how often the corrector takes part when it explores, from 0 to 1.
    """

    candidates: int = 1
    noise_size: int = 0
    is_corrected: Tensor
    gate: Tensor

    def __init__(self, is_corrected_A: Tensor) -> None:
        super().__init__()
        self.register_buffer("is_corrected", is_corrected_A)
        self.register_buffer("gate", torch.zeros(()))

    @abstractmethod
    def propose(self, latent_BL: Tensor, base_BA: Tensor, noise_BZ: Tensor | None) -> Tensor:
        """Candidates (B, N, A); without noise those of the corrector at its best."""

    def improve(self, latent_BL: Tensor, base_BA: Tensor) -> Tensor | None:
        """The action (B, A) whose value the actor's gradient raises; None where nothing is trained."""
        del latent_BL, base_BA
        return None

    def imitate(self, latent_BL: Tensor, base_BA: Tensor, action_BA: Tensor) -> Tensor | None:
        """Squared distance (B,) to actions of people, as far as the corrector can follow them; None if it cannot."""
        del latent_BL, base_BA, action_BA
        return None

    def measure(self, latent_BL: Tensor, base_BA: Tensor) -> dict[str, Tensor]:
        """What is worth watching, as means over a batch."""
        del latent_BL, base_BA
        return {}


def explore(
    best_BA: Tensor, base_BA: Tensor, noise_BZ: Tensor, std: float, is_corrected_A: Tensor, gate: Tensor
) -> Tensor:
    """An action that explores, (B, A): the best one with noise on it, or the base policy's without any.

    The first number of the noise decides which, with the probability `gate` of the former. So the base policy's own
    transitions remain in the data, on which its values rest.
    """
    explored = (best_BA + std * is_corrected_A * noise_BZ[:, 1:]).clamp(-1.0, 1.0)
    is_open = torch.special.ndtr(noise_BZ[:, :1]) < gate
    return torch.where(is_open, explored, base_BA)


class Identity(Corrector):
    """The base policy itself, bit for bit: to collect with, to measure against, and to fall back on."""

    def propose(self, latent_BL: Tensor, base_BA: Tensor, noise_BZ: Tensor | None) -> Tensor:
        """See Corrector."""
        del latent_BL, noise_BZ
        return base_BA[:, None]
