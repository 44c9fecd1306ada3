"""Diffusion policies (Chi et al. 2023, arXiv 2303.04137) and flow policies: chunks are denoised.

What the network predicts and on which noise it is trained is the schedule's matter; training and inference are written
once. A policy may be trained to continue given actions (Black et al. 2025, arXiv 2512.05964): it is told which
positions are given by one more input, and sees them without noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

from robot_rl.inference.denoiser import Denoiser
from robot_rl.inference.plan import Plan
from robot_rl.inference.problem import Estimate, Problem, Sampler
from robot_rl.inference.schedule import Schedule, ScheduleSpec
from robot_rl.policies.base_policy import BasePolicy
from robot_rl.policies.chunk_network import ChunkBatch, ChunkNetwork
from robot_rl.policies.networks.denoiser import Denoiser as DenoiserNetwork
from robot_rl.policies.networks.frozen import FrozenDenoiser, Prepared, freeze
from robot_rl.policies.networks.product import Precision
from robot_rl.policies.spec import BasePolicySpec


class NetworkMaker(Protocol):
    """Makes a denoiser's network."""

    def __call__(self, inputs: int, outputs: int, horizon: int, condition_size: int) -> DenoiserNetwork:
        """An untrained one."""
        ...


class DiffusionNetwork(ChunkNetwork):
    """The trained part of a diffusion policy."""

    def __init__(
        self,
        spec: BasePolicySpec,
        schedule: ScheduleSpec,
        make_network: NetworkMaker,
        encoder: nn.Module | None = None,
        max_prefix: int = 0,
    ) -> None:
        """Make an untrained one.

        Args:
            spec: sizes and names.
            schedule: of the noise.
            make_network: makes the network for (inputs, outputs, horizon, condition size).
            encoder: see ChunkNetwork.
            max_prefix: the longest given beginning of a chunk in training; 0 for none.
        """
        super().__init__(spec, encoder)
        self.schedule, self.max_prefix = Schedule(schedule), max_prefix
        inputs = spec.action_size + (1 if max_prefix else 0)
        self.network = make_network(inputs, spec.action_size, spec.horizon, self.condition_size)

    def loss(self, batch: ChunkBatch, generator: torch.Generator) -> Tensor:
        """Mean squared error of what the network predicts at random levels (their equation 5)."""
        x0 = self.normaliser.normalise(batch.actions)
        levels = torch.randint(len(self.schedule), (len(x0),), generator=generator)  # where the tables are
        noise = torch.randn(x0.shape, generator=generator).to(x0.device)
        x = self.schedule.mix_each(x0, noise, levels)
        inputs = self.schedule.input_scale_each(levels).to(x0.device) * x
        is_free = torch.ones(x0.shape[:2], device=x0.device)
        if self.max_prefix:
            is_free = self._draw_free(len(x0), generator).to(x0.device)
            inputs = torch.cat([torch.where(is_free[..., None] > 0, inputs, x0), 1.0 - is_free[..., None]], dim=-1)
        output = self.network(inputs, levels.to(x0), self.encode_batch(batch))
        error = (output - self.schedule.to_target(x0, noise, levels)).square().mean(-1)
        loss: Tensor = (error * is_free).sum() / is_free.sum()
        return loss

    def _draw_free(self, rows: int, generator: torch.Generator) -> Tensor:
        """1 where a position is to be predicted; short prefixes are more frequent, in proportion to e^-length."""
        weights = torch.exp(-torch.arange(self.max_prefix + 1.0))
        lengths = torch.multinomial(weights, rows, replacement=True, generator=generator)
        lengths = torch.where(lengths > 0, lengths + self.spec.past, 0)  # the past goes with what is committed
        return (torch.arange(self.spec.horizon) >= lengths[:, None]).float()


class NetworkDenoiser:
    """A trained network as samplers ask for it."""

    def __init__(self, trained: DiffusionNetwork, precision: Precision = Precision.FLOAT32) -> None:
        self.schedule = trained.schedule
        self.is_prefix_trained = trained.max_prefix > 0
        self._frozen: FrozenDenoiser = freeze(trained.network, len(self.schedule), precision)

    def prepare(self, condition: Tensor) -> Prepared:
        """See inference.denoiser.Denoiser."""
        return self._frozen.prepare(condition)

    def __call__(self, x_BHA: Tensor, level: int, prepared: Prepared, committed: int) -> Tensor:
        """See inference.denoiser.Denoiser."""
        inputs = self.schedule.input_scale(level) * x_BHA
        if self.is_prefix_trained:
            is_given = torch.zeros_like(x_BHA[..., :1])
            is_given[:, :committed] = 1.0
            inputs = torch.cat([torch.where(is_given > 0.0, x_BHA, inputs), is_given], dim=-1)
        return self.schedule.to_x0(x_BHA, self._frozen(inputs, level, prepared), level)


class DiffusionPolicy(BasePolicy):
    """A frozen diffusion policy; also a Mind, for an engine.

    Attributes:
        sampler: makes the chunks.
        denoiser: the network.
        shape: (H, A).
        now: position of the present in a chunk.
    """

    def __init__(
        self,
        trained: DiffusionNetwork,
        sampler: Sampler,
        version: int = 0,
        precision: Precision = Precision.FLOAT32,
    ) -> None:
        """Freeze.

        Args:
            trained: what was trained; not to be changed any more.
            sampler: makes the chunks.
            version: of the weights.
            precision: in which they are kept.
        """
        super().__init__(trained, version)
        self.sampler = sampler
        self.denoiser: Denoiser = NetworkDenoiser(trained, precision)
        self.shape, self.now = (self.spec.horizon, self.spec.action_size), self.spec.past
        self._discrete = torch.from_numpy(self.spec.is_discrete) if self.spec.discrete else None

    @torch.inference_mode()
    def to_problem(self, observation: Tensor, noise_BHA: Tensor, previous: Plan | None, committed: int) -> Problem:
        """The decision that a sampler is given, for the newest time steps (B, T, F) or (1, T, F)."""
        prepared = self.denoiser.prepare(observation.flatten(1))
        return Problem(self.denoiser, prepared, noise_BHA, previous, committed, self._discrete)

    @torch.inference_mode()
    def think(
        self, frames_BTF: Tensor, noise_NHA: Tensor, previous: Plan | None = None, committed: int = 0
    ) -> Iterator[Estimate]:
        """See BasePolicy."""
        yield from self.sampler(self.to_problem(frames_BTF, noise_NHA, previous, committed))
