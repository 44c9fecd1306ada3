"""Real-time chunking (Black et al. 2025, arXiv 2506.07339): a new chunk is guided to agree with the one under way."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from robot_rl.errors import ConfigError
from robot_rl.inference.problem import Estimate, Problem
from robot_rl.inference.samplers.flow import Euler, to_time


@dataclass(frozen=True)
class RTC:
    """Euler steps from noise; the estimate's error against the plan so far is fed back through the network.

    The gradient is the true vector-Jacobian product of the network, as in the paper's equation 2. With a network that
    was trained to continue committed actions no guidance is needed: use `Euler` or `DDIM` with them.

    Attributes:
        steps: number of evaluations.
        max_guidance: beta, the limit of the weight of guidance.
        executed: s, positions that are executed between two decisions: the last s of the plan so far are not known.
        prior_std: how far actions are believed to spread around an estimate without noise; 1 is the paper's.
    """

    steps: int = 5
    max_guidance: float = 5.0
    executed: int = 1
    prior_std: float = 1.0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.executed < 1:
            raise ConfigError(f"rtc needs steps and executed of at least 1, got {self.steps} and {self.executed}.")

    def __call__(self, problem: Problem) -> Iterator[Estimate]:
        """See Sampler."""
        if problem.previous is None:
            yield from Euler(self.steps)(problem)
            return
        schedule, target = problem.schedule, problem.previous.chunk
        weights_H = guidance_weights(target.shape[1], problem.committed, self.executed).to(target)
        levels = schedule.spread_levels(self.steps)
        y = (1.0 - to_time(schedule, levels[0])) * problem.noise
        for index, level in enumerate(levels):
            scale, time = schedule.signal(level) + schedule.noise(level), to_time(schedule, level)
            with torch.inference_mode(False), torch.enable_grad():
                y_in = y.clone().detach().requires_grad_()  # a clone: an engine's tensors take no gradients
                free = problem.clip(problem.denoiser(scale * y_in, level, problem.prepared, 0))
                error = weights_H[None, :, None] * (target - free.detach())
                (pull,) = torch.autograd.grad(free, y_in, error)
            pull = pull * self._limit(time, error, pull)
            x0 = (free + (1.0 - time) * self._strength(time) * pull).detach()
            yield Estimate(self._keep_committed(problem, x0), problem.noise)
            if index + 1 < len(levels):
                y = y + (to_time(schedule, levels[index + 1]) - time) / (1.0 - time) * (x0 - y)

    def _strength(self, time: float) -> float:
        """min(beta, (1 - tau) / (tau r^2)), r^2 = (1 - tau)^2 p^2 / (tau^2 p^2 + (1 - tau)^2) with p the prior's std.

        The posterior variance of x0 given y = tau x0 + (1 - tau) e, for x0 of variance p^2; equation 4 has p = 1.
        """
        if time <= 0.0:
            return self.max_guidance
        left, prior = 1.0 - time, self.prior_std**2
        variance = left * left * prior / (time * time * prior + left * left)
        return min(self.max_guidance, left / (time * variance))

    def _limit(self, time: float, error_BHA: Tensor, pull_BHA: Tensor) -> Tensor:
        """Factors (B, 1, 1) that make no pull longer than the best denoiser's can be.

        Its Jacobian is the posterior's covariance times tau / (1 - tau)^2, and actions within +-1 have a variance of at
        most 1: |J| <= tau / (1 - tau)^2. A network that predicts noise goes far beyond at the noisiest levels, where
        its error is divided by a signal of nearly zero.
        """
        limit = time / (1.0 - time) ** 2
        lengths = pull_BHA.flatten(1).norm(dim=1).clamp(min=1e-12)
        factors: Tensor = (limit * error_BHA.flatten(1).norm(dim=1) / lengths).clamp(max=1.0)
        return factors[:, None, None]

    def _keep_committed(self, problem: Problem, x0_BHA: Tensor) -> Tensor:
        """What is executed anyway is not changed, whatever guidance leaves of it."""
        given = problem.committed_chunk()
        return x0_BHA if given is None else torch.cat([given, x0_BHA[:, given.shape[1] :]], dim=1)


def guidance_weights(horizon: int, committed: int, executed: int) -> Tensor:
    """How much each position has to agree with the plan so far, shape (H,) (equation 5).

    1 where the action is committed, 0 for the last `executed` positions, which the plan so far did not reach, and
    between them falling exponentially. Nothing is between them where a decision lasts so long that what is committed
    reaches the last positions.

    Raises:
        ConfigError: more is committed than there are positions.
    """
    end = horizon - executed
    if not 0 <= committed <= horizon:
        raise ConfigError(f"committed must be from 0 to horizon = {horizon}, got {committed}.")
    weights = torch.zeros(horizon)
    weights[:committed] = 1.0
    for position in range(committed, end):
        share = (end - position) / (end - committed + 1)
        weights[position] = share * math.expm1(share) / math.expm1(1.0)
    return weights
