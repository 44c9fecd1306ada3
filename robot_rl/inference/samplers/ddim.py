"""DDIM (Song et al. 2021, arXiv 2010.02502): the noise that explains the sample is kept from level to level."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from robot_rl.inference.problem import Estimate, Problem


@dataclass(frozen=True)
class DDIM:
    """From pure noise to a chunk in `steps` evaluations.

    Attributes:
        steps: number of evaluations.
        eta: 0 for the deterministic sampler, 1 for as much fresh noise as DDPM has (equation 16).
    """

    steps: int = 10
    eta: float = 0.0

    def __call__(self, problem: Problem) -> Iterator[Estimate]:
        """See Sampler."""
        schedule = problem.schedule
        levels = schedule.spread_levels(self.steps)
        x = schedule.noise(levels[0]) * problem.noise
        yield from descend(problem, x, levels, problem.noise, self.eta)


def descend(
    problem: Problem, x: Tensor, levels: Sequence[int], kept_BHA: Tensor, eta: float = 0.0
) -> Iterator[Estimate]:
    """One evaluation at each level, from the noisy chunk `x` at the first of them; `kept_BHA` is the noise in it."""
    schedule = problem.schedule
    generator = problem.make_generator() if eta else None
    for index, level in enumerate(levels):
        x0 = problem.estimate(x, level)
        yield Estimate(x0, kept_BHA)
        if index + 1 < len(levels):
            noise = schedule.to_noise(x, x0, level)
            if generator is not None:
                noise = _refresh(noise, eta * _fresh_share(problem, level, levels[index + 1]), generator)
            x = schedule.mix(x0, noise, levels[index + 1])


def _fresh_share(problem: Problem, level: int, cleaner: int) -> float:
    """Which part of the next level's noise DDPM would draw anew: 1 - sigma'^2 / sigma^2, as a standard deviation."""
    ratio = problem.schedule.sigma(cleaner) / problem.schedule.sigma(level)
    return math.sqrt(1.0 - ratio * ratio)


def _refresh(noise: Tensor, share: float, generator: torch.Generator) -> Tensor:
    fresh = torch.randn(noise.shape, generator=generator).to(noise)
    return math.sqrt(1.0 - share * share) * noise + share * fresh
