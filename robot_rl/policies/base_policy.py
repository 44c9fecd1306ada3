"""The interface of frozen imitation policies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robot_rl.inference.plan import Plan
from robot_rl.inference.problem import Estimate
from robot_rl.policies.chunk_network import ChunkNetwork
from robot_rl.types import Observation


class BasePolicy(ABC):
    """A frozen policy that predicts chunks: a function of what it is given, without memory and without gradients.

    Attributes:
        spec: sizes and names.
        version: of the weights.
        is_random: whether plans depend on the noise.
    """

    is_random: bool = True

    def __init__(self, trained: ChunkNetwork, version: int = 0) -> None:
        """Freeze what was trained; it must not be changed any more."""
        self._trained = trained.eval().requires_grad_(False)
        self.spec, self.version = trained.spec, version

    @torch.inference_mode()
    def encode(self, observation: Observation) -> Tensor:
        """Features (1, F) of one time step: this much of the work is not repeated while it is among the newest."""
        return self._trained.encode_observation(observation)

    @torch.inference_mode()
    def encode_proprio(self, proprio_BP: Tensor) -> Tensor:
        """Features (B, F) of many time steps at once; of a policy without cameras."""
        return self._trained.encode_frames(proprio_BP, {})

    @abstractmethod
    def think(
        self, frames_BTF: Tensor, noise_NHA: Tensor, previous: Plan | None = None, committed: int = 0
    ) -> Iterator[Estimate]:
        """Chunks for the newest time steps, better and better.

        Args:
            frames_BTF: features, oldest first; B is N, or 1 for N samples of one decision.
            noise_NHA: standard normal; all that is random comes from it.
            previous: the plan so far, moved to the present; what cannot begin with it does not look at it.
            committed: positions at its beginning that are executed as they are.
        """

    def plan(self, frames_BTF: Tensor, noise_NHA: Tensor, previous: Plan | None = None, committed: int = 0) -> Plan:
        """The last of what `think` comes to, as N plans that begin at stamp 0."""
        *_, last = self.think(frames_BTF, noise_NHA, previous, committed)
        return Plan(last.chunk, last.noise, version=self.version)

    @torch.inference_mode()
    def to_actions(self, chunk_NHA: Tensor) -> NDArray[np.float32]:
        """Actions as the environment takes them, in [-1, 1]."""
        actions: NDArray[np.float32] = self._trained.normaliser.denormalise(chunk_NHA).clamp(-1.0, 1.0).cpu().numpy()
        return actions
