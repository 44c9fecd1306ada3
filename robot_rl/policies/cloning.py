"""Behaviour cloning of chunks: one look, one chunk, as ACT without its latent (Zhao et al. 2023, arXiv 2304.13705)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.inference.plan import Plan
from robot_rl.inference.problem import Estimate
from robot_rl.policies.base_policy import BasePolicy
from robot_rl.policies.chunk_network import ChunkBatch, ChunkNetwork
from robot_rl.policies.spec import BasePolicySpec

MIN_LOG_STD, MAX_LOG_STD = math.log(1e-2), math.log(1.0)
"""Of normalised actions: below a hundredth of their range there is only the noise of the data to be learned."""


class NetworkMaker(Protocol):
    """Makes a network from conditions (B, C) to chunks (B, H, outputs)."""

    def __call__(self, condition_size: int, outputs: int, horizon: int) -> nn.Module:
        """An untrained one."""
        ...


class CloningNetwork(ChunkNetwork):
    """The trained part of a cloning policy: deterministic, or with a Gaussian for each action of the chunk."""

    def __init__(
        self,
        spec: BasePolicySpec,
        make_network: NetworkMaker,
        *,
        is_gaussian: bool,
        encoder: nn.Module | None = None,
    ) -> None:
        """Make an untrained one.

        Args:
            spec: sizes and names.
            make_network: makes the network for (condition size, outputs, horizon).
            is_gaussian: whether the spread of the actions is learned, too.
            encoder: see ChunkNetwork.
        """
        super().__init__(spec, encoder)
        self.is_gaussian = is_gaussian
        outputs = spec.action_size * (2 if is_gaussian else 1)
        self.network = make_network(self.condition_size, outputs, spec.horizon)

    def predict(self, condition_BC: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (B, H, A) of normalised actions; the deviation is 0 where none is learned."""
        output = self.network(condition_BC)
        if not self.is_gaussian:
            return output, torch.zeros_like(output)
        mean, raw = output.chunk(2, dim=-1)
        log_std = MIN_LOG_STD + (MAX_LOG_STD - MIN_LOG_STD) * torch.sigmoid(raw)
        return mean, log_std.exp()

    def loss(self, batch: ChunkBatch, generator: torch.Generator) -> Tensor:
        """Mean squared error, or the Gaussian's negative log-likelihood, of normalised actions."""
        del generator  # nothing is drawn
        target = self.normaliser.normalise(batch.actions)
        mean, std = self.predict(self.encode_batch(batch))
        if not self.is_gaussian:
            return F.mse_loss(mean, target)
        return F.gaussian_nll_loss(mean, target, std.square())


class CloningPolicy(BasePolicy):
    """A frozen cloning policy; its noise moves the samples of a Gaussian, and nothing where there is none."""

    _trained: CloningNetwork

    def __init__(self, trained: CloningNetwork, version: int = 0) -> None:
        """See BasePolicy."""
        super().__init__(trained, version)
        self.is_random = trained.is_gaussian

    @torch.inference_mode()
    def think(
        self, frames_BTF: Tensor, noise_NHA: Tensor, previous: Plan | None = None, committed: int = 0
    ) -> Iterator[Estimate]:
        """See BasePolicy; there is one estimate."""
        mean, std = self._trained.predict(frames_BTF.flatten(1))
        chunk = (mean + std * noise_NHA).clamp(-1.0, 1.0)
        if previous is not None and committed:
            chunk = torch.cat([previous.chunk[:, :committed], chunk[:, committed:]], dim=1)
        yield Estimate(chunk, noise_NHA)
