"""Two diffusion policies as one: each sees with its own features, and their scores are mixed at every step."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from robot_rl.errors import ConfigError
from robot_rl.inference.composition import Composition
from robot_rl.inference.plan import Plan
from robot_rl.inference.problem import Problem, Sampler
from robot_rl.policies.diffusion import DiffusionNetwork, DiffusionPolicy
from robot_rl.policies.networks.product import Precision
from robot_rl.policies.normaliser import MARGIN, Normaliser
from robot_rl.policies.spec import BasePolicySpec
from robot_rl.types import Observation

_COMMON = ("proprio", "action_size", "discrete", "rates", "rate_hz", "observation_steps", "horizon", "past")


class ComposedPolicy(DiffusionPolicy):
    """A frozen composition (arXiv 2510.01068); every evaluation is one of each network.

    Cameras, architecture and what is predicted may differ. Chunks are normalised as the first policy does it.
    """

    def __init__(
        self,
        first: DiffusionNetwork,
        second: DiffusionNetwork,
        weight: float,
        sampler: Sampler,
        precision: Precision = Precision.FLOAT32,
    ) -> None:
        """Freeze both.

        Args:
            first: what was trained.
            second: what else was trained.
            weight: of the second's score, from 0 to 1.
            sampler: makes the chunks.
            precision: in which the weights are kept.

        Raises:
            ConfigError: another weight, or the two do not mean the same by a chunk; the message names the field.
        """
        spec = _join(first.spec, second.spec)
        _check_normalisers(first.normaliser, second.normaliser)
        super().__init__(first, sampler, precision=precision)
        self._second = DiffusionPolicy(second, sampler, precision=precision)
        self.denoiser: Composition = Composition(self.denoiser, self._second.denoiser, weight)
        self.spec = spec
        self._sizes = [first.frame_size, second.frame_size]

    @torch.inference_mode()
    def encode(self, observation: Observation) -> Tensor:
        """See BasePolicy; the features of both."""
        return torch.cat([super().encode(observation), self._second.encode(observation)], dim=-1)

    @torch.inference_mode()
    def encode_proprio(self, proprio_BP: Tensor) -> Tensor:
        """See BasePolicy; the features of both."""
        return torch.cat([super().encode_proprio(proprio_BP), self._second.encode_proprio(proprio_BP)], dim=-1)

    @torch.inference_mode()
    def to_problem(self, observation: Tensor, noise_BHA: Tensor, previous: Plan | None, committed: int) -> Problem:
        """See DiffusionPolicy."""
        first, second = (part.flatten(1) for part in observation.split(self._sizes, dim=-1))
        prepared = self.denoiser.prepare_each(first, second)
        return Problem(self.denoiser, prepared, noise_BHA, previous, committed, self._discrete)


def _join(first: BasePolicySpec, second: BasePolicySpec) -> BasePolicySpec:
    """What both see; raises ConfigError where they do not act alike."""
    both_look = bool(first.cameras and second.cameras)
    for name in (*_COMMON, *(("image_size_px",) if both_look else ())):
        ours, theirs = getattr(first, name), getattr(second, name)
        if ours != theirs:
            raise ConfigError(f"{name}={ours} of the one is {theirs} of the other.")
    return dataclasses.replace(
        first,
        cameras=tuple(dict.fromkeys(first.cameras + second.cameras)),
        image_size_px=(first if first.cameras else second).image_size_px,
    )


def _check_normalisers(first: Normaliser, second: Normaliser) -> None:
    """Raise ConfigError where a chunk of the second is, at an end of its range, another to the first.

    Episodes that were held out may have been others, so a margin is left: that within which normalised actions of the
    data lie.
    """
    ends = torch.tensor([[-1.0], [1.0]]).expand(2, len(first.centre))
    apart = (first.normalise(second.denormalise(ends)) - ends).abs().amax(0)
    worst = int(apart.argmax())
    if apart[worst] > MARGIN:
        ours, theirs = (
            "{:.3g} to {:.3g}".format(*each.denormalise(ends)[:, worst].tolist()) for each in (first, second)
        )
        raise ConfigError(
            f"the normaliser of action {worst} spans {ours} in the one and {theirs} in the other: they must have "
            "learned from data of one range, best from the same."
        )
