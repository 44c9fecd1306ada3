"""One decision: what a sampler is given, and what it gives back after every evaluation of the network."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from robot_rl.inference.denoiser import Denoiser
from robot_rl.inference.plan import Plan
from robot_rl.inference.schedule import Schedule


class Estimate(NamedTuple):
    """The best chunks known so far, and the noise that they were denoised from; both (B, H, A)."""

    chunk: Tensor
    noise: Tensor


@dataclass(frozen=True, eq=False)
class Problem:
    """What is known when a decision begins.

    Attributes:
        denoiser: of the policy.
        prepared: what it made of the observation.
        noise: (B, H, A), standard normal; all that is random in the decision comes from it.
        previous: the plan so far, moved to the present; None at the beginning of an episode or after a reset.
        committed: number of positions at the beginning of `previous` that will be executed as they are.
        discrete: (A,), which actions, such as a gripper's, are of two values only; None without any.
    """

    denoiser: Denoiser
    prepared: Any
    noise: Tensor
    previous: Plan | None = None
    committed: int = 0
    discrete: Tensor | None = None

    @property
    def schedule(self) -> Schedule:
        """The denoiser's."""
        return self.denoiser.schedule

    def estimate(self, x_BHA: Tensor, level: int) -> Tensor:
        """One evaluation: the clean chunk, clipped, with the committed actions in it."""
        given = self.committed_chunk()
        if given is None:
            return self.clip(self.denoiser(x_BHA, level, self.prepared, 0))
        count = given.shape[1]
        if self.denoiser.is_prefix_trained:
            x_BHA = torch.cat([given, x_BHA[:, count:]], dim=1)
        free = self.clip(self.denoiser(x_BHA, level, self.prepared, count))
        return torch.cat([given, free[:, count:]], dim=1)

    def clip(self, x0_BHA: Tensor) -> Tensor:
        """To where normalised actions of the training lie."""
        limit = self.schedule.spec.clip
        return x0_BHA.clamp(-limit, limit)

    def committed_chunk(self) -> Tensor | None:
        """The committed actions (B, d, A), or None without any."""
        if self.previous is None or self.committed == 0:
            return None
        return self.previous.chunk[:, : self.committed]

    def make_generator(self) -> torch.Generator:
        """For samplers that need more noise than they start from: seeded by it, so that they remain deterministic."""
        seed = zlib.crc32(self.noise.detach().cpu().numpy().tobytes())
        return torch.Generator().manual_seed(seed)


class Sampler(Protocol):
    """Makes chunks. After each evaluation of the network it yields the best that it has: it may be stopped there."""

    def __call__(self, problem: Problem) -> Iterator[Estimate]:
        """Estimates, each better than the one before; the last is the result."""
        ...


def solve(sampler: Sampler, problem: Problem) -> tuple[Estimate, int]:
    """The sampler's last estimate, and the number of evaluations that it took."""
    estimates = list(sampler(problem))
    return estimates[-1], len(estimates)
