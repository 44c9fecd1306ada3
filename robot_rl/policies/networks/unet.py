"""A 1-D U-Net over the time of an action chunk, modulated by noise level and observation.

The network of Diffusion Policy (Chi et al. 2023, arXiv 2303.04137, section IV.A), after Diffuser (Janner et al. 2022,
arXiv 2205.09991): convolutions along the chunk; FiLM (Perez et al. 2018, arXiv 1709.07871) in every residual block.

Suffixes of tensors: B batch, H horizon, C condition, I in, O out, M modulation; x_BWH has W channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.errors import SpecError
from robot_rl.policies.networks.denoiser import Denoiser
from robot_rl.policies.networks.step_embedding import StepEmbedding


@dataclass(frozen=True)
class UNetSpec:
    """What a `ConditionalUNet` is built of.

    Attributes:
        inputs: elements of a noisy action.
        outputs: elements of a prediction.
        horizon: actions in a chunk; divisible by 2 for every level below the first.
        condition_size: elements of the encoded observation.
        widths: channels of the levels, the finest first. Diffusion Policy has 256, 512, 1024 for states.
        step_size: elements of the embedding of the noise level; 256 in Diffusion Policy for states.
        kernel: taps of the convolutions in residual blocks, odd.
        groups: of the group normalisation; divides every width.
    """

    inputs: int
    outputs: int
    horizon: int
    condition_size: int
    widths: tuple[int, ...] = (64, 128, 256)
    step_size: int = 64
    kernel: int = 5
    groups: int = 8

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        sizes = (self.inputs, self.outputs, self.horizon, self.condition_size, self.groups, *self.widths)
        if not self.widths or min(sizes) < 1:
            raise SpecError(f"a UNet needs at least one width, and sizes of at least 1, got {self}.")
        factor = 2 ** (len(self.widths) - 1)
        if self.horizon % factor:
            raise SpecError(
                f"horizon {self.horizon} cannot be halved {len(self.widths) - 1} times, as {len(self.widths)} widths "
                f"need; valid are multiples of {factor}."
            )
        if any(width % self.groups for width in self.widths):
            raise SpecError(f"widths {self.widths} must each be a multiple of groups, {self.groups}.")
        for level, width in enumerate(self.widths):
            if (width // self.groups) * (self.horizon // 2**level) < 2:
                raise SpecError(
                    f"the groups of width {width} would have a single value, which normalises to a constant; use a "
                    f"longer horizon than {self.horizon}, fewer groups than {self.groups}, or more width."
                )
        if self.kernel % 2 == 0:
            raise SpecError(f"kernel must be odd, so that the horizon is kept, got {self.kernel}.")


class ConvBlock(nn.Module):
    """Convolution - GroupNorm - Mish."""

    def __init__(self, inputs: int, outputs: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2)
        self.norm = nn.GroupNorm(groups, outputs)

    def forward(self, x_BWH: Tensor) -> Tensor:
        """The same horizon, in other channels."""
        return F.mish(self.norm(self.conv(x_BWH)))


class ResidualBlock(nn.Module):
    """Two convolution blocks with FiLM between them, beside an identity or, if channels change, a 1x1 convolution."""

    def __init__(self, inputs: int, outputs: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.first = ConvBlock(inputs, outputs, kernel, groups)
        self.second = ConvBlock(outputs, outputs, kernel, groups)
        self.bypass = nn.Identity() if inputs == outputs else nn.Conv1d(inputs, outputs, 1)

    def forward(self, x_BWH: Tensor, film_BM: Tensor) -> Tensor:
        """The same horizon, in `outputs` channels; the modulation is their scales, then their biases."""
        scale, bias = film_BM[:, :, None].chunk(2, dim=1)
        middle = self.first(x_BWH) * scale + bias
        out: Tensor = self.second(middle) + self.bypass(x_BWH)
        return out


class Stage(nn.Module):
    """Two residual blocks, the first of which changes the channels."""

    def __init__(self, inputs: int, outputs: int, spec: UNetSpec) -> None:
        super().__init__()
        self.first = ResidualBlock(inputs, outputs, spec.kernel, spec.groups)
        self.second = ResidualBlock(outputs, outputs, spec.kernel, spec.groups)

    def forward(self, x_BWH: Tensor, film_first_BM: Tensor, film_second_BM: Tensor) -> Tensor:
        """The same horizon, in `outputs` channels."""
        out: Tensor = self.second(self.first(x_BWH, film_first_BM), film_second_BM)
        return out


class ConditionalUNet(Denoiser):
    """Levels of two residual blocks each, halving the chunk on the way down and doubling it on the way up.

    As in the published network, the features of the finest level are not handed across: what leaves the last
    upsampling goes straight to the final block.
    """

    def __init__(self, spec: UNetSpec) -> None:
        super().__init__()
        self.spec = spec
        self.inputs, self.horizon, self.condition_size = spec.inputs, spec.horizon, spec.condition_size
        widths = spec.widths
        self.step_embedding = StepEmbedding(spec.step_size, 4 * spec.step_size)
        self.down = nn.ModuleList(Stage(a, b, spec) for a, b in pairwise((spec.inputs, *widths)))
        self.shrink = nn.ModuleList(nn.Conv1d(width, width, 3, stride=2, padding=1) for width in widths[:-1])
        self.middle = Stage(widths[-1], widths[-1], spec)
        ascent = list(pairwise(reversed(widths)))
        self.up = nn.ModuleList(
            Stage(2 * a, b, spec) for a, b in ascent
        )  # twice: what comes from below and from across
        self.grow = nn.ModuleList(nn.ConvTranspose1d(b, b, 4, stride=2, padding=1) for _, b in ascent)
        self.final = ConvBlock(widths[0], widths[0], spec.kernel, spec.groups)
        self.head = nn.Conv1d(widths[0], spec.outputs, 1)
        self.film_sizes = [2 * block.outputs for block in self.residual_blocks()]
        self.film = nn.Linear(spec.step_size + spec.condition_size, sum(self.film_sizes))

    def residual_blocks(self) -> list[ResidualBlock]:
        """All of them, in the order in which they are applied, which is that of the modulation."""
        return [module for module in self.modules() if isinstance(module, ResidualBlock)]

    def level_part(self, level_B: Tensor) -> Tensor:
        """The level's share of all scales and biases, (B, M), with the projection's own bias."""
        step = F.mish(self.step_embedding(level_B))
        return F.linear(step, self.film.weight[:, : self.spec.step_size], self.film.bias)

    def condition_part(self, condition_BC: Tensor) -> Tensor:
        """The condition's share of all scales and biases, (B, M)."""
        return F.linear(F.mish(condition_BC), self.film.weight[:, self.spec.step_size :])

    def modulated(self, x_BHI: Tensor, modulation_BM: Tensor) -> Tensor:
        """The output (B, H, O) under the modulation (B or 1, M) of all residual blocks."""
        films = iter(modulation_BM.split(self.film_sizes, dim=1))
        x = x_BHI.transpose(1, 2)
        across: list[Tensor] = []
        for level, stage in enumerate(self.down):
            x = stage(x, next(films), next(films))
            across.append(x)
            if level < len(self.shrink):
                x = self.shrink[level](x)
        x = self.middle(x, next(films), next(films))
        for stage, grow in zip(self.up, self.grow, strict=True):
            x = grow(stage(torch.cat([x, across.pop()], dim=1), next(films), next(films)))
        out: Tensor = self.head(self.final(x))
        return out.transpose(1, 2)
