"""Relay: the plan so far is noised again with its own noise, moved on in time with it, and denoised in a few steps.

A plan that is noised to sigma and denoised forgets an offset from the mode that is now right by s^2 / (s^2 + sigma^2),
where s is the spread within the mode, and stays in its mode as long as sigma is small beside the distance to the next.
With fresh noise in every decision it would still wander between modes and tremble within them; with the noise kept,
the same noise leads to the same place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from robot_rl.errors import ConfigError
from robot_rl.inference.problem import Estimate, Problem
from robot_rl.inference.samplers.ddim import DDIM, descend
from robot_rl.inference.schedule import Schedule

LAST_RATIO, FIRST_RATIO = 0.3, 2.0
"""Relative noise of the last of several evaluations, and of each one before the usual two, in units of sigma."""


@dataclass(frozen=True)
class Relay:
    """Warm starts from the plan before; cold where there is none, or where it is wrong.

    Attributes:
        sigma: relative noise to which the plan is brought; estimated from data by `noise_level`.
        steps: evaluations of a decision that goes well: at sigma; then at less; beyond two, first at more.
        temperature: factor of the noise with which a plan is noised again. 1 keeps the plan a sample of the policy;
            with less it is nearer to the middle of its mode, where motions are smooth, and at 0 it comes to rest there.
        spread: s, of actions within one mode; the change that the first evaluation makes is measured in it.
        settled_change: a change smaller than this many s ends the decision after the first evaluation; 0 for never.
        large_change: one larger begins again at twice the noise, with one more evaluation; None for never.
        wrong_change: one larger starts from noise; None for never.
        cold_steps: evaluations of such a start.
    """

    sigma: float = 0.5
    steps: int = 2
    temperature: float = 0.5
    spread: float = 0.1
    settled_change: float = 0.0
    large_change: float | None = 3.0
    wrong_change: float | None = 10.0
    cold_steps: int = 5

    def __post_init__(self) -> None:
        for name in ("sigma", "spread"):
            if not getattr(self, name) > 0.0:
                raise ConfigError(f"relay.{name} must be positive, got {getattr(self, name)}.")
        if not 0.0 <= self.temperature <= 1.0:
            raise ConfigError(f"relay.temperature must be from 0 to 1, got {self.temperature}.")
        for name in ("steps", "cold_steps"):
            if getattr(self, name) < 1:
                raise ConfigError(f"relay.{name} must be at least 1, got {getattr(self, name)}.")

    def __call__(self, problem: Problem) -> Iterator[Estimate]:
        """See Sampler."""
        if problem.previous is None:
            yield from DDIM(min(self.cold_steps, len(problem.schedule)))(problem)
            return
        guess, noise = problem.previous.chunk, problem.previous.noise
        warm = self._descend(problem, self.steps)
        first = next(warm)
        yield first
        change = self._measure(problem, first.chunk - guess) if self._is_adaptive else math.inf
        if self.wrong_change is not None and change > self.wrong_change:
            yield from self._start_anew(problem, first)
        elif self.large_change is not None and change > self.large_change:
            again = self._descend(problem, max(self.steps + 1, 3))
            next_best = Estimate(first.chunk, noise)
            for number, estimate in enumerate(again):
                yield next_best if number == 0 else estimate  # the first of these is at more noise than what is known
        elif change >= self.settled_change:
            yield from warm

    @property
    def _is_adaptive(self) -> bool:
        return self.settled_change > 0.0 or self.large_change is not None or self.wrong_change is not None

    def _descend(self, problem: Problem, steps: int) -> Iterator[Estimate]:
        assert problem.previous is not None
        levels = relay_levels(problem.schedule, self.sigma, steps)
        noise = problem.previous.noise
        x = problem.schedule.mix(problem.previous.chunk, self.temperature * noise, levels[0])
        if problem.discrete is not None:
            # Halfway between its two values an action says nothing of either, so that the observation decides; what
            # was decided before would decide again, and so would noise, since it is small beside the distance.
            x = torch.where(problem.discrete, 0.0, x)
        return descend(problem, x, levels, noise)

    def _measure(self, problem: Problem, change_BHA: Tensor) -> float:
        """How far the plan was moved, in units of s: the root mean square of the row that was moved most."""
        if problem.discrete is not None:
            change_BHA = change_BHA[..., ~problem.discrete]
        return float(change_BHA.square().mean((1, 2)).max().sqrt()) / self.spread

    def _start_anew(self, problem: Problem, known: Estimate) -> Iterator[Estimate]:
        """From noise; until that has come down to where the plan was brought, what is known remains the best."""
        steps = min(self.cold_steps, len(problem.schedule))
        levels = problem.schedule.spread_levels(steps)
        for level, estimate in zip(levels, DDIM(steps)(problem), strict=True):
            yield estimate if problem.schedule.sigma(level) <= self.sigma or level == levels[-1] else known


def relay_levels(schedule: Schedule, sigma: float, steps: int) -> list[int]:
    """Levels of the evaluations: ..., 4 sigma, 2 sigma, sigma, 0.3 sigma; one alone is at sigma.

    A level is used once: where sigma is so small that two fall together, there are fewer.
    """
    factors = [FIRST_RATIO**step for step in range(max(steps - 2, 0), -1, -1)] + ([LAST_RATIO] if steps > 1 else [])
    levels = [schedule.nearest(sigma * factor) for factor in factors]
    return sorted(set(levels), reverse=True)
