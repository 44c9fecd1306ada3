"""What a base policy would do from here with different noise: several plans, as parts of the observation.

So they are stored, sent and sampled with everything else that was seen, and a target bootstraps with the very
candidates that the next decision chose from. The learner never asks the base policy.

Suffixes of arrays: B batch, N candidates, K actions of a chunk, A action, C = K A, P proprioception.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from robot_rl.specs import ArraySpec, EnvironmentSpec

PLANS, NOISE = "base_plans", "base_noise"
"""Names of their parts in the observation, behind all others."""


class Base(NamedTuple):
    """A base policy's answers to a batch of observations.

    Attributes:
        action: what it would do now, (B, A).
        plans: candidates for the executed chunk, (B, N, C); the first begins with `action`.
        noise: what each of them came from, (B, N, A); (B, N, 0) where nobody asks.
    """

    action: Tensor
    plans: Tensor
    noise: Tensor


@dataclass(frozen=True)
class CandidateLayout:
    """How many candidates there are, and where they lie in an observation.

    Attributes:
        count: N.
        chunk: K, actions of each.
        action_size: A.
        has_noise: whether the noise that each came from is seen, too: one row, the same at all positions of a plan.
    """

    count: int
    chunk: int
    action_size: int
    has_noise: bool = False

    @property
    def size(self) -> int:
        """Values in an observation."""
        return self.count * (self.chunk + self.has_noise) * self.action_size

    def extend(self, spec: EnvironmentSpec) -> EnvironmentSpec:
        """The spec of an environment whose observations have the candidates in them."""
        plans = self.count * self.chunk * self.action_size
        parts = {PLANS: ArraySpec(PLANS, (plans,), np.float32, -1.0, 1.0)}
        if self.has_noise:
            parts[NOISE] = ArraySpec(NOISE, (self.size - plans,), np.float32)
        observation = dataclasses.replace(spec.observation, proprio={**spec.observation.proprio, **parts})
        return dataclasses.replace(spec, observation=observation)

    def pack(
        self, plans_NKA: NDArray[np.float32], noise_NA: NDArray[np.float32] | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """The parts of an observation; the noise where it is one."""
        parts = {PLANS: plans_NKA.reshape(-1)}
        return parts if noise_NA is None else {**parts, NOISE: noise_NA.reshape(-1)}

    def split(self, proprio_BP: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(what is not candidates, plans (B, N, C), noise (B, N, A); without noise that is (B, N, 0))."""
        own, plans_size = proprio_BP.shape[1] - self.size, self.count * self.chunk * self.action_size
        plans, noise = proprio_BP[:, own:].split([plans_size, self.size - plans_size], dim=1)
        return proprio_BP[:, :own], plans.unflatten(1, (self.count, -1)), noise.unflatten(1, (self.count, -1))
