"""DDPM (Ho et al. 2020, arXiv 2006.11239): ancestral sampling through every level."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from robot_rl.inference.problem import Estimate, Problem
from robot_rl.inference.schedule import Schedule


@dataclass(frozen=True)
class DDPM:
    """From pure noise to a chunk in one evaluation for each level that the network knows."""

    def __call__(self, problem: Problem) -> Iterator[Estimate]:
        """See Sampler."""
        levels = range(len(problem.schedule) - 1, -1, -1)
        x = problem.schedule.noise(levels[0]) * problem.noise
        yield from ancestral(problem, x, levels, problem.schedule)


def ancestral(problem: Problem, x: Tensor, levels: Sequence[int], schedule: Schedule) -> Iterator[Estimate]:
    """At each level an evaluation and the update to the level just below it.

    Args:
        problem: with the denoiser.
        x: noisy chunk.
        levels: asked of the network, in this order; where they skip, the sample is noisier than the network is told.
        schedule: of the updates; that of the denoiser, unless a mismatch is to be studied.
    """
    generator = problem.make_generator()
    for level in levels:
        x0 = problem.estimate(x, level)
        if schedule is not problem.schedule:
            x0 = problem.clip(_reinterpret(problem.schedule, schedule, x, x0, level))
        yield Estimate(x0, problem.noise)
        if level > 0:
            mean, std = _posterior(schedule, x, x0, level)
            x = mean + std * torch.randn(x.shape, generator=generator).to(x)


def _reinterpret(known: Schedule, other: Schedule, x: Tensor, x0: Tensor, level: int) -> Tensor:
    """What follows of x0 for who takes the network's noise for that of another schedule."""
    noise = known.to_noise(x, x0, level)
    return (x - other.noise(level) * noise) / other.signal(level)


def _posterior(schedule: Schedule, x: Tensor, x0: Tensor, level: int) -> tuple[Tensor, float]:
    """Mean and standard deviation of the sample one level below (equations 6 and 7).

    Given the sample and x0, the noise below has the part (sigma' / sigma)^2 of what is here; the rest is fresh. So
    written it holds for every schedule, not only where signal^2 + noise^2 is 1.
    """
    below = level - 1
    ratio = schedule.sigma(below) / schedule.sigma(level)
    noise = schedule.to_noise(x, x0, level)
    mean = schedule.mix(x0, ratio * noise, below)
    return mean, schedule.noise(below) * math.sqrt(1.0 - ratio * ratio)
