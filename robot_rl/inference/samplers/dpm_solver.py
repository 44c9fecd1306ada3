"""DPM-Solver++(2M) (Lu et al. 2022, arXiv 2211.01095, algorithm 2): second order from the estimate before."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from robot_rl.inference.problem import Estimate, Problem
from robot_rl.inference.schedule import Schedule


@dataclass(frozen=True)
class DPMSolver:
    """From pure noise to a chunk in `steps` evaluations; the last step is of first order.

    Attributes:
        steps: number of evaluations.
    """

    steps: int = 5

    def __call__(self, problem: Problem) -> Iterator[Estimate]:
        """See Sampler."""
        schedule = problem.schedule
        levels = schedule.spread_levels(self.steps)
        x = schedule.noise(levels[0]) * problem.noise
        before: Tensor | None = None
        for index, level in enumerate(levels):
            x0 = problem.estimate(x, level)
            yield Estimate(x0, problem.noise)
            if index + 1 == len(levels):
                return
            cleaner, direction = levels[index + 1], x0
            if before is not None and index + 2 < len(levels):
                direction = x0 + _slope(schedule, levels[index - 1], level, cleaner) * (x0 - before)
            ratio = schedule.noise(cleaner) / schedule.noise(level)
            x = ratio * x + (schedule.signal(cleaner) - ratio * schedule.signal(level)) * direction
            before = x0


def _slope(schedule: Schedule, noisier: int, level: int, cleaner: int) -> float:
    """1 / (2 r), with r the ratio of the step before to the step to come in the logarithm of the relative noise.

    Where there is no signal at all, the step before is infinitely long, and the estimate there says nothing of how
    the next one changes.
    """
    if math.isinf(schedule.sigma(noisier)):
        return 0.0
    before = math.log(schedule.sigma(noisier) / schedule.sigma(level))
    return 0.5 * math.log(schedule.sigma(level) / schedule.sigma(cleaner)) / before
