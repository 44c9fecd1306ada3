"""The policy of a base policy's corrector: what acting needs, whatever the corrector is.

Suffixes of tensors: see `corrector`; E members of an ensemble.
"""

from __future__ import annotations

import torch
from torch import Tensor

from robot_rl.agents.batch import Observations
from robot_rl.agents.correctors.additive import Additive
from robot_rl.agents.correctors.chooser import Chooser
from robot_rl.agents.correctors.config import CorrectorConfig
from robot_rl.agents.correctors.corrector import Corrector, Identity
from robot_rl.agents.gripper import ARM_ELEMENTS
from robot_rl.agents.networks import CriticEnsemble
from robot_rl.agents.policy_network import PolicyNetwork, PolicySpec
from robot_rl.errors import ConfigError, SpecError


class CorrectedPolicy(PolicyNetwork):
    """Features of proprioception, a corrector, and, where it has something to choose, the critics that choose."""

    def __init__(self, spec: PolicySpec, config: CorrectorConfig) -> None:
        """Make an untrained one, which acts as the base policy does.

        Raises:
            ConfigError: the policy would see cameras.
        """
        super().__init__(spec)
        if spec.cameras:
            raise ConfigError("correctors see proprioception and the base policy's action: choose no cameras.")
        self.encoder = None
        self.latent_size = self.features.size
        self.corrector = _make_corrector(spec, config, self.latent_size)
        inputs = self.latent_size + spec.action_size
        self.critic = CriticEnsemble(config.ensemble, inputs, spec.hidden) if self.corrector.candidates > 1 else None

    @property
    def noise_size(self) -> int:
        """See PolicyNetwork."""
        return self.corrector.noise_size

    def encode(self, observations: Observations) -> Tensor:
        """Latent (B, L)."""
        latent: Tensor = self.features(observations.proprio)
        return latent

    @torch.no_grad()
    def act(self, observations: Observations, noise: Tensor | None) -> Tensor:
        """See PolicyNetwork.

        Raises:
            SpecError: the base policy's action is missing.
        """
        latent, base = self.encode(observations), require_base(observations)
        candidates = self.corrector.propose(latent, base, noise)
        if self.critic is None:
            return candidates[:, 0]
        return take(candidates, evaluate(self.critic, latent, candidates).mean(0).argmax(1))


def require_base(observations: Observations) -> Tensor:
    """The base policy's actions (B, A).

    Raises:
        SpecError: there are none.
    """
    if observations.base_action is None:
        raise SpecError("a corrector needs the base policy's action in every observation: was the run given a base?")
    return observations.base_action


def evaluate(
    critic: CriticEnsemble, latent_BL: Tensor, candidates_BNA: Tensor, members: Tensor | None = None
) -> Tensor:
    """Values of all candidates, (E, B, N)."""
    count = candidates_BNA.shape[1]
    values: Tensor = critic(latent_BL.repeat_interleave(count, 0), candidates_BNA.flatten(0, 1), members)
    return values.view(len(values), -1, count)


def take(candidates_BNA: Tensor, chosen_B: Tensor) -> Tensor:
    """The chosen candidates, (B, A)."""
    taken: Tensor = candidates_BNA[torch.arange(len(chosen_B), device=chosen_B.device), chosen_B]
    return taken


def _make_corrector(spec: PolicySpec, config: CorrectorConfig, latent_size: int) -> Corrector:
    elements = torch.arange(spec.action_size)
    is_gripper = (elements % ARM_ELEMENTS == ARM_ELEMENTS - 1) & bool(spec.grippers)
    if config.name == "additive":
        return Additive(latent_size, ~is_gripper, spec.hidden, config.scale, config.noise_std)
    if config.name == "chooser":
        return Chooser(latent_size, ~is_gripper, spec.hidden, config.noise_std)
    if config.name == "identity":
        return Identity(torch.zeros_like(is_gripper))
    raise ConfigError(f"corrector.name={config.name} corrects nothing.")
