"""The noise levels that a denoiser was trained on, and how its output becomes an estimate of the clean chunk.

At level k a chunk is seen as x = signal_k * x0 + noise_k * e, with e standard normal. Diffusion (variance preserving or
not) and flow matching differ only in these two tables and in what the network predicts, so that every sampler is
written once, for estimates of x0.

Suffixes of tensors: B batch, H position in the chunk, A action, K noise level.
"""

from __future__ import annotations

import bisect
import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from robot_rl.errors import CheckpointError, ConfigError

Kind = Literal["cosine", "linear", "flow", "exponential"]
Prediction = Literal["epsilon", "sample", "velocity", "flow"]


@dataclass(frozen=True)
class ScheduleSpec:
    """What a checkpoint stores of the noise that its network was trained with.

    Attributes:
        kind: "cosine" (squared cosine, Nichol & Dhariwal 2021, arXiv 2102.09672, equation 17), "linear" (betas from
            1e-4 to 0.02, Ho et al. 2020), "flow" (straight lines from noise to data, Lipman et al. 2023), or
            "exponential" (noise levels evenly spaced on a logarithmic scale from `sigma_min` to `sigma_max` with the
            signal unscaled, Karras et al. 2022; with `sigma_max` 1 few steps suffice, BESO, Reuss et al. 2023).
        levels: K.
        prediction: what the network's output is: the noise "epsilon", the clean chunk "sample", the "velocity"
            signal * e - noise * x0 (Salimans & Ho 2022), or the "flow" x0 - e.
        sigma_min, sigma_max: of "exponential" only.
        data_std: the spread of normalised actions, to which the network's input is scaled.
        clip: estimates are clipped to [-clip, clip]; normalised actions of the training lie within.
    """

    kind: Kind = "cosine"
    levels: int = 100
    prediction: Prediction = "epsilon"
    sigma_min: float = 0.005
    sigma_max: float = 1.0
    data_std: float = 1.0
    clip: float = 1.0

    def __post_init__(self) -> None:
        for name, value, valid in (
            ("kind", self.kind, get_args(Kind)),
            ("prediction", self.prediction, get_args(Prediction)),
        ):
            if value not in valid:
                raise ConfigError(f"schedule.{name} must be one of {', '.join(valid)}, got {value!r}.")
        if self.levels < 2:
            raise ConfigError(f"schedule.levels must be at least 2, got {self.levels}.")
        if not 0.0 < self.sigma_min < self.sigma_max:
            raise ConfigError(
                f"schedule needs 0 < sigma_min < sigma_max, got sigma_min={self.sigma_min} sigma_max={self.sigma_max}."
            )
        for name in ("data_std", "clip"):
            if not getattr(self, name) > 0.0:
                raise ConfigError(f"schedule.{name} must be positive, got {getattr(self, name)}.")
        if self.kind == "flow" and self.prediction == "epsilon":
            raise ConfigError(
                "schedule.prediction=epsilon says nothing about the chunk where there is only noise, as at the "
                "beginning of kind=flow: use sample, velocity or flow."
            )

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> ScheduleSpec:
        """What a checkpoint stores; a schedule is never guessed.

        Raises:
            CheckpointError: there is none, or it lacks a field, or has one too many.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        if stored is None:
            raise CheckpointError("the checkpoint has no schedule: the noise that its network knows is never guessed.")
        if set(stored) != names:
            raise CheckpointError(
                f"the checkpoint's schedule must have the fields {sorted(names)}; missing are "
                f"{sorted(names - set(stored))}, unknown are {sorted(set(stored) - names)}."
            )
        return cls(**stored)


class Schedule:
    """Tables over the levels, 0 the cleanest, and conversions between what networks predict and estimates of x0.

    Attributes:
        spec: what the tables are made of.
        signal_K, noise_K: x = signal * x0 + noise * e.
        sigma_K: noise / signal, ascending; infinite where there is no signal.
    """

    def __init__(self, spec: ScheduleSpec) -> None:
        self.spec = spec
        signal, noise = _make_tables(spec)
        self.signal_K, self.noise_K = signal, noise
        self.sigma_K = torch.where(signal > 0.0, noise / signal.clamp(min=1e-300), torch.inf)
        self._signals: list[float] = signal.tolist()  # numbers of Python, for one chunk at a time: no tensor is made
        self._noises: list[float] = noise.tolist()
        self._sigmas: list[float] = self.sigma_K.tolist()

    def __len__(self) -> int:
        """K."""
        return self.spec.levels

    def signal(self, level: int) -> float:
        """Factor of the clean chunk."""
        return self._signals[level]

    def noise(self, level: int) -> float:
        """Factor of the noise."""
        return self._noises[level]

    def sigma(self, level: int) -> float:
        """Noise relative to the signal."""
        return self._sigmas[level]

    def mix(self, x0: Tensor, noise: Tensor, level: int) -> Tensor:
        """What x0 looks like at a level."""
        return torch.add(self._signals[level] * x0, noise, alpha=self._noises[level])

    def mix_each(self, x0_BHA: Tensor, noise_BHA: Tensor, levels_B: Tensor) -> Tensor:
        """As `mix`, each row at a level of its own: for training."""
        signal, noise = self._columns(levels_B, x0_BHA)
        return signal * x0_BHA + noise * noise_BHA

    def to_target(self, x0_BHA: Tensor, noise_BHA: Tensor, levels_B: Tensor) -> Tensor:
        """What the network has to predict for this x0 and this noise: for training."""
        signal, noise = self._columns(levels_B, x0_BHA)
        if self.spec.prediction == "epsilon":
            return noise_BHA
        if self.spec.prediction == "sample":
            return x0_BHA
        if self.spec.prediction == "velocity":
            return signal * noise_BHA - noise * x0_BHA
        return x0_BHA - noise_BHA

    def to_x0(self, x: Tensor, output: Tensor, level: int) -> Tensor:
        """The estimate of the clean chunk that a network's output stands for, not clipped."""
        signal, noise = self._signals[level], self._noises[level]
        if self.spec.prediction == "epsilon":
            return torch.sub(x, output, alpha=noise) / signal
        if self.spec.prediction == "sample":
            return output
        if self.spec.prediction == "velocity":
            return (signal * x - noise * output) / (signal * signal + noise * noise)
        return (x + noise * output) / (signal + noise)

    def to_noise(self, x: Tensor, x0: Tensor, level: int) -> Tensor:
        """The noise that explains x, given an estimate of x0."""
        return torch.sub(x, x0, alpha=self._signals[level]) / self._noises[level]

    def input_scale(self, level: int) -> float:
        """Factor that brings x to unit spread, for the network (Karras et al. 2022, arXiv 2206.00364, table 1)."""
        signal = self._signals[level] * self.spec.data_std
        return 1.0 / math.sqrt(signal * signal + self._noises[level] ** 2)

    def input_scale_each(self, levels_B: Tensor) -> Tensor:
        """As `input_scale`, shape (B, 1, 1): for training."""
        signal, noise = self.signal_K[levels_B] * self.spec.data_std, self.noise_K[levels_B]
        return (signal.square() + noise.square()).rsqrt().float()[:, None, None]

    def nearest(self, sigma: float) -> int:
        """The level whose relative noise is nearest on a logarithmic scale.

        Raises:
            ConfigError: sigma is not a positive number.
        """
        if not 0.0 < sigma < math.inf:
            raise ConfigError(f"sigma must be a positive number, got {sigma}.")
        above = bisect.bisect_left(self._sigmas, sigma)
        if above in (0, len(self)):
            return min(above, len(self) - 1)
        is_nearer_below = sigma * sigma < self._sigmas[above - 1] * self._sigmas[above]
        return above - 1 if is_nearer_below else above

    def spread_levels(self, count: int) -> list[int]:
        """`count` levels, evenly from the noisiest to the cleanest; one alone is the noisiest.

        Raises:
            ConfigError: there are not so many.
        """
        if not 1 <= count <= len(self):
            raise ConfigError(f"the number of steps must be from 1 to {len(self)}, got {count}.")
        last = len(self) - 1
        if count == 1:
            return [last]
        return [last - round(step * last / (count - 1)) for step in range(count)]

    def _columns(self, levels_B: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        shape = (-1, *(1,) * (like.dim() - 1))
        signal, noise = self.signal_K.to(like)[levels_B], self.noise_K.to(like)[levels_B]
        return signal.reshape(shape), noise.reshape(shape)


def _make_tables(spec: ScheduleSpec) -> tuple[Tensor, Tensor]:
    """Signal and noise of every level, double precision."""
    count = spec.levels
    if spec.kind == "flow":
        signal = 1.0 - torch.arange(1, count + 1, dtype=torch.float64) / count
        return signal, 1.0 - signal
    if spec.kind == "exponential":
        exponents = torch.linspace(math.log(spec.sigma_min), math.log(spec.sigma_max), count, dtype=torch.float64)
        return torch.ones(count, dtype=torch.float64), exponents.exp()
    if spec.kind == "linear":
        betas = torch.linspace(1e-4, 0.02, count, dtype=torch.float64)
    else:
        times = torch.arange(count + 1, dtype=torch.float64) / count
        powers = torch.cos((times + 0.008) / 1.008 * math.pi / 2.0).square()
        betas = (1.0 - powers[1:] / powers[:-1]).clamp(max=0.999)
    power = torch.cumprod(1.0 - betas, 0)
    return power.sqrt(), (1.0 - power).sqrt()
