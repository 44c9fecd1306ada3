"""Integration of the probability flow along straight lines, first order (Euler) and second (Heun).

With y = x / (signal + noise) and tau = signal / (signal + noise) every schedule is a straight line from noise (tau 0)
to data (tau 1), so that what is written for flow matching serves diffusion, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from robot_rl.inference.problem import Estimate, Problem
from robot_rl.inference.schedule import Schedule


def to_time(schedule: Schedule, level: int) -> float:
    """tau of a level: 0 where there is only noise, 1 without noise."""
    signal, noise = schedule.signal(level), schedule.noise(level)
    return signal / (signal + noise)


def estimate_at(problem: Problem, y: Tensor, level: int) -> Tensor:
    """The estimate of x0 for a sample on the straight line."""
    return problem.estimate((problem.schedule.signal(level) + problem.schedule.noise(level)) * y, level)


@dataclass(frozen=True)
class Euler:
    """From pure noise to a chunk in `steps` evaluations.

    Attributes:
        steps: number of evaluations.
    """

    steps: int = 10

    def __call__(self, problem: Problem) -> Iterator[Estimate]:
        """See Sampler."""
        schedule = problem.schedule
        levels = schedule.spread_levels(self.steps)
        y = (1.0 - to_time(schedule, levels[0])) * problem.noise
        for index, level in enumerate(levels):
            x0 = estimate_at(problem, y, level)
            yield Estimate(x0, problem.noise)
            if index + 1 < len(levels):
                y = _step(schedule, y, x0, level, levels[index + 1])


@dataclass(frozen=True)
class Heun:
    """As Euler, with a second evaluation at the end of each step but the last (Karras et al. 2022, algorithm 1).

    Attributes:
        steps: levels; the evaluations are twice as many, less one.
    """

    steps: int = 5

    def __call__(self, problem: Problem) -> Iterator[Estimate]:
        """See Sampler."""
        schedule = problem.schedule
        levels = schedule.spread_levels(self.steps)
        y = (1.0 - to_time(schedule, levels[0])) * problem.noise
        for index, level in enumerate(levels):
            x0 = estimate_at(problem, y, level)
            yield Estimate(x0, problem.noise)
            if index + 1 == len(levels):
                return
            cleaner = levels[index + 1]
            there = _step(schedule, y, x0, level, cleaner)
            x0_there = estimate_at(problem, there, cleaner)
            yield Estimate(x0_there, problem.noise)
            velocity = 0.5 * (_velocity(schedule, y, x0, level) + _velocity(schedule, there, x0_there, cleaner))
            y = y + (to_time(schedule, cleaner) - to_time(schedule, level)) * velocity


def _velocity(schedule: Schedule, y: Tensor, x0: Tensor, level: int) -> Tensor:
    return (x0 - y) / (1.0 - to_time(schedule, level))


def _step(schedule: Schedule, y: Tensor, x0: Tensor, level: int, cleaner: int) -> Tensor:
    return y + (to_time(schedule, cleaner) - to_time(schedule, level)) * _velocity(schedule, y, x0, level)
