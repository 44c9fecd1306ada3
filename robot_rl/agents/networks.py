"""A batched ensemble of critics, and a tanh-Gaussian actor.

Suffixes of tensors: B batch, E ensemble members, H hidden, L latent, A action.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LOG_STD_MIN, LOG_STD_MAX = math.log(1e-5), math.log(5.0)


class EnsembleLinear(nn.Module):
    """E independent linear layers as one batched product."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        weight = torch.empty(members, inputs, outputs)
        for member in weight:  # each member its own draw
            nn.init.xavier_uniform_(member)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(members, 1, outputs))

    def forward(self, x_EBI: Tensor, members: Tensor | None = None) -> Tensor:
        """Shape (E, B, O); only the given members, if any are given."""
        if members is None:
            return torch.baddbmm(self.bias, x_EBI, self.weight)
        return torch.baddbmm(self.bias[members], x_EBI, self.weight[members])


class EnsembleNorm(nn.Module):
    """LayerNorm with parameters of its own for each member."""

    def __init__(self, members: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(members, 1, size))
        self.bias = nn.Parameter(torch.zeros(members, 1, size))

    def forward(self, x_EBH: Tensor, members: Tensor | None = None) -> Tensor:
        """Same shape as the input."""
        normal = F.layer_norm(x_EBH, x_EBH.shape[-1:])
        if members is None:
            return (normal * self.weight).add_(self.bias)  # the gradient of addcmul takes one more pass
        return (normal * self.weight[members]).add_(self.bias[members])


class _NoNorm(nn.Module):
    """What stands where a norm would."""

    def forward(self, x_EBH: Tensor, members: Tensor | None = None) -> Tensor:
        del members
        return x_EBH


class CriticEnsemble(nn.Module):
    """E independent Q functions, each Linear - LayerNorm - tanh, twice, then Linear; nothing is shared.

    Without the LayerNorm, for comparison, values of actions that nobody took are not bounded.
    """

    def __init__(
        self, members: int, inputs: int, hidden: tuple[int, ...] = (256, 256), *, has_layer_norm: bool = True
    ) -> None:
        super().__init__()
        self.members = members
        sizes = (inputs, *hidden)
        self.layers = nn.ModuleList(EnsembleLinear(members, a, b) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(EnsembleNorm(members, size) if has_layer_norm else _NoNorm() for size in hidden)
        self.head = EnsembleLinear(members, hidden[-1], 1)

    def forward(self, latent_BL: Tensor, action_BA: Tensor, members: Tensor | None = None) -> Tensor:
        """Q values, shape (E, B); only the given members, if any are given."""
        count = self.members if members is None else len(members)
        x = torch.cat([latent_BL, action_BA], dim=-1).expand(count, -1, -1)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = norm(layer(x, members), members).tanh_()  # nobody needs what was there
        q: Tensor = self.head(x, members).squeeze(-1)
        return q


class Actor(nn.Module):
    """Tanh-squashed diagonal Gaussian."""

    def __init__(self, inputs: int, actions: int, hidden: tuple[int, ...] = (256, 256), std: float = 1.0) -> None:
        """Make layers; at first the standard deviation before the tanh is `std` everywhere."""
        super().__init__()
        layers: list[nn.Module] = []
        size = inputs
        for width in hidden:
            layers += [nn.Linear(size, width), nn.LayerNorm(width), nn.Tanh()]
            size = width
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Linear(size, 2 * actions)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        with torch.no_grad():
            self.head.weight[actions:] = 0.0  # or it would differ tenfold from one observation to another
            self.head.bias[actions:] = math.log(std)

    def forward(self, latent_BL: Tensor) -> tuple[Tensor, Tensor]:
        """(mean, standard deviation) before the tanh, each (B, A)."""
        mean, log_std = self.head(self.trunk(latent_BL)).chunk(2, dim=-1)
        return mean, log_std.clamp(LOG_STD_MIN, LOG_STD_MAX).exp()

    def sample(self, latent_BL: Tensor, noise_BA: Tensor) -> tuple[Tensor, Tensor]:
        """(action in (-1, 1), its log probability (B,)), reparametrised by standard normal noise."""
        mean, std = self(latent_BL)
        return squash(mean, std, noise_BA)


def squash(mean: Tensor, std: Tensor, noise_BA: Tensor) -> tuple[Tensor, Tensor]:
    """(tanh of a draw from a diagonal Gaussian, its log probability (B,)).

    log N(raw) - log |d tanh(raw) / d raw|, the latter in a form that does not lose digits far out.
    """
    raw = mean + std * noise_BA
    log_normal = -0.5 * noise_BA.square() - std.log() - 0.5 * math.log(2.0 * math.pi)
    log_slope = 2.0 * (math.log(2.0) - raw - F.softplus(-2.0 * raw))
    return torch.tanh(raw), (log_normal - log_slope).sum(dim=-1)
