"""The real-time iteration scheme for diffusion policies as published (arXiv 2508.05396, algorithm 1).

The shifted chunk of the decision before is taken as the noisy sample itself, without noise and without the factor of
the signal, and a few ancestral updates refine it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from robot_rl.inference.problem import Estimate, Problem
from robot_rl.inference.samplers.ddpm import ancestral
from robot_rl.inference.schedule import Schedule


@dataclass(frozen=True)
class RTI:
    """A full DDPM at the beginning of an episode, then a few evaluations a decision.

    Attributes:
        levels: those of the evaluations, each followed by the update to the level just below.
        gripper_guess: two-valued actions of the guess are replaced by this with their sign, since a guess of 1 cannot
            be turned by a few steps of little noise. The released image settings have 0.1, those from state 1.
        has_linear_slip: update on the linear schedule whatever the network was trained on, as the release does.
    """

    levels: tuple[int, ...] = (2, 1, 0)
    gripper_guess: float = 0.1
    has_linear_slip: bool = False

    def __call__(self, problem: Problem) -> Iterator[Estimate]:
        """See Sampler."""
        schedule = problem.schedule
        if self.has_linear_slip:
            schedule = Schedule(replace(schedule.spec, kind="linear"))
        if problem.previous is None:
            start = len(schedule) - 1
            yield from ancestral(problem, schedule.noise(start) * problem.noise, range(start, -1, -1), schedule)
        else:
            yield from ancestral(problem, self._guess(problem, problem.previous.chunk), self.levels, schedule)

    def _guess(self, problem: Problem, chunk_BHA: Tensor) -> Tensor:
        if problem.discrete is None:
            return chunk_BHA
        return torch.where(problem.discrete, chunk_BHA.sign() * self.gripper_guess, chunk_BHA)
