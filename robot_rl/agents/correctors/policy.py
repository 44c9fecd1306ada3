"""The policy of a base policy's corrector: what acting needs, whatever the corrector is.

Suffixes of tensors: see `corrector`; E members of an ensemble, P proprioception.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from robot_rl.agents.batch import Observations
from robot_rl.agents.correctors.additive import Additive
from robot_rl.agents.correctors.best_of_n import BestOfN
from robot_rl.agents.correctors.candidates import Base
from robot_rl.agents.correctors.chooser import Chooser
from robot_rl.agents.correctors.config import CorrectorConfig
from robot_rl.agents.correctors.corrector import Corrector, Identity
from robot_rl.agents.correctors.edit_select import EditSelect
from robot_rl.agents.correctors.noise_steer import NoiseSteer
from robot_rl.agents.gripper import ARM_ELEMENTS
from robot_rl.agents.policy_network import PolicyNetwork, PolicySpec
from robot_rl.errors import ConfigError, SpecError

_CAUTION = 0.25
"""A whole spread keeps a policy that has learned everything from using it: docs/correctors_study.md has the figures."""
_FIRST_CAUTION = 1.0
"""And a quarter lets one that has learned little fall below its base policy."""


class Seen(NamedTuple):
    """What a corrector is told.

    Attributes:
        latent: of proprioception and images, (B, L).
        base: the base policy's answers.
    """

    latent: Tensor
    base: Base


class CorrectedPolicy(PolicyNetwork):
    """Features, encoder, a corrector, and, where it has something to choose, the critics that choose."""

    def __init__(self, spec: PolicySpec, config: CorrectorConfig) -> None:
        """Make an untrained one, which acts as the base policy does.

        Raises:
            ConfigError: there is no corrector of that name.
        """
        layout = config.make_layout(spec.action_size)
        super().__init__(spec, spec.proprio_size - (0 if layout is None else layout.size))
        self.layout, self.chunk = layout, config.chunk
        self.corrector = _make_corrector(spec, config, self.latent_size)
        self.steers = isinstance(self.corrector, NoiseSteer)
        inputs = self.latent_size + self.chunk * spec.action_size
        self.critic = config.make_critics(inputs, spec.hidden) if self.corrector.candidates > 1 else None
        self.caution: Tensor
        self.register_buffer("caution", torch.full((), _FIRST_CAUTION))

    @property
    def noise_size(self) -> int:
        """See PolicyNetwork."""
        return self.corrector.noise_size

    def see(self, observations: Observations) -> Seen:
        """What the corrector is told of observations.

        Raises:
            SpecError: the base policy's action is missing.
        """
        action = observations.base_action
        if action is None:
            raise SpecError(
                "a corrector needs the base policy's action in every observation: was the run given a base?"
            )
        visual = observations.visual
        if self.layout is None:
            base = Base(action, action[:, None], action[:, None, :0])
            return Seen(self.to_latent(observations.proprio, visual), base)
        own, plans, noise = self.layout.split(observations.proprio)
        return Seen(self.to_latent(own, visual), Base(action, plans, noise))

    def rely(self, share: float) -> None:
        """Rely on the critics as one does whose training has come so far, from 0 to 1."""
        self.caution.fill_(_FIRST_CAUTION + share * (_CAUTION - _FIRST_CAUTION))

    @torch.no_grad()
    def act(self, observations: Observations, noise: Tensor | None) -> Tensor:
        """See PolicyNetwork.

        Raises:
            SpecError: the base policy's action is missing.
        """
        latent, base = self.see(observations)
        candidates = self.corrector.propose(latent, base, noise)
        if self.critic is None:
            return candidates[:, 0]
        values = evaluate(self.critic, latent, candidates)
        if noise is not None:  # who explores is not cautious, or what nobody knows would never be tried
            return take(candidates, values.mean(0).argmax(1))
        return take(candidates, choose(values, self.corrector.of_base, self.caution))


def choose(values_EBM: Tensor, of_base: int, caution: float | Tensor = _CAUTION) -> Tensor:
    """The candidate to rely on, (B,): the best of the base policy's own, unless another is surely better.

    What another gains counts by the mean over the critics less a share of their spread. Where they have seen little
    they disagree, and the best of their means would be the best of their errors.

    Args:
        values_EBM: of each critic for each candidate.
        of_base: how many of the candidates are the base policy's own, at least 1; they come first.
        caution: the share of the spread.
    """
    mean_BM = values_EBM.mean(0)
    best_B1 = mean_BM[:, :of_base].argmax(1, keepdim=True)
    gain_EBM = values_EBM - values_EBM.gather(2, best_B1.expand(len(values_EBM), -1, -1))
    spread_BM = gain_EBM.std(0, correction=0)
    spread_BM[:, :of_base] = 0.0
    return (gain_EBM.mean(0) - caution * spread_BM).argmax(1)


def evaluate(critic: nn.Module, latent_BL: Tensor, candidates_BMC: Tensor, members: Tensor | None = None) -> Tensor:
    """Values of all candidates, (E, B, M)."""
    count = candidates_BMC.shape[1]
    values: Tensor = critic(latent_BL.repeat_interleave(count, 0), candidates_BMC.flatten(0, 1), members)
    return values.view(len(values), -1, count)


def take(candidates_BMC: Tensor, chosen_B: Tensor) -> Tensor:
    """The chosen candidates, (B, C)."""
    taken: Tensor = candidates_BMC[torch.arange(len(chosen_B), device=chosen_B.device), chosen_B]
    return taken


def _make_corrector(spec: PolicySpec, config: CorrectorConfig, latent_size: int) -> Corrector:
    elements = torch.arange(spec.action_size)
    is_gripper = (elements % ARM_ELEMENTS == ARM_ELEMENTS - 1) & bool(spec.grippers)
    free = (~is_gripper).repeat(config.chunk)
    if config.name == "additive":
        scale, noise_std, keeps_base = config.scale, config.noise_std, config.keeps_base
        return Additive(latent_size, free, spec.hidden, scale, noise_std, keeps_base=keeps_base)
    if config.name == "chooser":
        return Chooser(latent_size, free, spec.hidden, config.noise_std)
    if config.name == "edit_select":
        return EditSelect(latent_size, free, config.candidates, spec.hidden, config.scale, config.noise_std)
    if config.name == "best_of_n":
        return BestOfN(torch.zeros_like(free), config.candidates)
    if config.name == "noise_steer":
        size, bound = spec.action_size, config.noise_bound
        return NoiseSteer(latent_size, torch.zeros_like(free), size, spec.hidden, bound, config.noise_std)
    if config.name == "identity":
        return Identity(torch.zeros_like(free))
    raise ConfigError(f"corrector.name={config.name} corrects nothing.")
