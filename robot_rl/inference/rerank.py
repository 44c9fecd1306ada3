"""Several chunks are made at once, and the one that fits best to what was done and planned is taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from robot_rl.errors import ConfigError
from robot_rl.inference.plan import Plan
from robot_rl.inference.problem import Estimate, Problem, Sampler, solve


class Score(Protocol):
    """Judges candidates (N, H, A) of one decision; the smallest score (N,) wins."""

    def __call__(self, candidates_NHA: Tensor, problem: Problem) -> Tensor:
        """Scores (N,)."""
        ...


@dataclass(frozen=True)
class Rerank:
    """A sampler that runs another on N noises, and yields the best of its estimates.

    The first noise is the problem's, the others are drawn from it, so that the decision remains a function of it.

    Attributes:
        sampler: makes the candidates, in one batch.
        candidates: N.
        score: the smaller the better.
    """

    sampler: Sampler
    candidates: int
    score: Score

    def __call__(self, problem: Problem) -> Iterator[Estimate]:
        """See Sampler.

        Raises:
            ConfigError: several decisions at once: their candidates would be mixed up.
        """
        noise, count = problem.noise, self.candidates
        if len(noise) != 1:
            raise ConfigError(f"reranking makes one decision at a time, got {len(noise)}.")
        others = torch.randn(count - 1, *noise.shape[1:], generator=problem.make_generator())
        candidates = torch.cat([noise, others.to(noise)])
        for estimate in self.sampler(replace(problem, noise=candidates, previous=_repeat(problem.previous, count))):
            best = int(self.score(estimate.chunk, problem).argmin())
            yield Estimate(estimate.chunk[best : best + 1], estimate.noise[best : best + 1])


@dataclass(frozen=True)
class BackwardCoherence:
    """How far a candidate is from the plan so far, later positions counting less (BID, arXiv 2408.17355, equation 4).

    Attributes:
        decay: rho, weight of a position relative to the one before it.
    """

    decay: float = 0.5

    def __call__(self, candidates_NHA: Tensor, problem: Problem) -> Tensor:
        """See Score; without a plan so far all are alike."""
        if problem.previous is None:
            return candidates_NHA.new_zeros(len(candidates_NHA))
        weights = self.decay ** torch.arange(candidates_NHA.shape[1]).to(candidates_NHA)
        distance = (candidates_NHA - problem.previous.chunk).norm(dim=-1)
        score: Tensor = (distance * weights / weights.sum()).sum(-1)
        return score


@dataclass(frozen=True)
class Sum:
    """Several scores together, as BID's two.

    Attributes:
        scores: added.
    """

    scores: tuple[Score, ...]

    def __call__(self, candidates_NHA: Tensor, problem: Problem) -> Tensor:
        """See Score."""
        return torch.stack([score(candidates_NHA, problem) for score in self.scores]).sum(0)


@dataclass(frozen=True)
class ForwardContrast:
    """Likeness to what a strong policy samples and unlikeness to what a weak one does (BID, equation 5).

    Attributes:
        sampler: makes the weak policy's samples.
        weak: the same decision as the weak policy sees it, an early checkpoint for example.
        kept: how many of the nearest neighbours on either side count.
    """

    sampler: Sampler
    weak: Problem
    kept: int = 3

    def __call__(self, candidates_NHA: Tensor, problem: Problem) -> Tensor:
        """See Score."""
        del problem
        weak = solve(self.sampler, self.weak)[0].chunk
        among = _distances(candidates_NHA, candidates_NHA).sort(-1).values[:, 1 : self.kept + 1]  # 0 is itself
        against = _distances(candidates_NHA, weak).sort(-1).values[:, : self.kept]
        return among.mean(-1) - against.mean(-1)


@dataclass(frozen=True)
class PastAgreement:
    """How far the past positions of a candidate are from what was executed (past-token prediction, arXiv 2505.09561).

    What was executed is what the plans so far have commanded: where a person has acted instead, there is none. What a
    corrector has changed in it is not known here.

    Attributes:
        past: positions of a chunk that lie before the present.
    """

    past: int

    def __call__(self, candidates_NHA: Tensor, problem: Problem) -> Tensor:
        """See Score; without a plan so far all are alike."""
        if problem.previous is None:
            return candidates_NHA.new_zeros(len(candidates_NHA))
        executed = problem.previous.executed_chunk[:, : self.past]
        return (candidates_NHA[:, : self.past] - executed).square().sum((1, 2))


def _repeat(plan: Plan | None, rows: int) -> Plan | None:
    if plan is None:
        return None
    return replace(plan, chunk=plan.chunk.expand(rows, -1, -1), noise=plan.noise.expand(rows, -1, -1))


def _distances(ours_NHA: Tensor, theirs_MHA: Tensor) -> Tensor:
    return torch.cdist(ours_NHA.flatten(1), theirs_MHA.flatten(1))
