"""RLPD: soft actor-critic with prior data, a large critic ensemble and LayerNorm (Ball et al. 2023, arXiv 2302.02948).

As HIL-SERL uses it (Luo et al. 2024, arXiv 2410.21845), without the defects of its code: the members of the ensemble
share nothing, a network that is not updated does not move, and the time limit bootstraps through `discount`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.agents.networks import Actor, CriticEnsemble


@dataclass(frozen=True)
class RlpdConfig:
    """What the agent can be told.

    Attributes:
        ensemble: number of critics; HIL-SERL has 2, RLPD 10.
        subsample: how many of them, drawn anew each update, the target takes the minimum of.
        gamma: discount of the future per control step.
        tau: Polyak factor of the target critics.
        learning_rate: Adam, for every network.
        hidden: widths of the hidden layers.
        initial_temperature: of the entropy bonus.
        target_entropy: nats; None is -A/2 over the continuous action.
        has_entropy_backup: whether the target contains the entropy bonus.
        average_decay: of the slow average of the actor's weights that acts when nothing is explored.
    """

    ensemble: int = 10
    subsample: int = 2
    gamma: float = 0.97
    tau: float = 0.005
    learning_rate: float = 3e-4
    hidden: tuple[int, ...] = (256, 256)
    initial_temperature: float = 1e-2
    target_entropy: float | None = None
    has_entropy_backup: bool = False
    average_decay: float = 0.999


class Batch(NamedTuple):
    """A batch of windows; `discount` already holds gamma^m and the environment's discounts."""

    proprio: Tensor
    action: Tensor
    reward: Tensor
    discount: Tensor
    next_proprio: Tensor


class Normaliser(nn.Module):
    """Maps each input to about [-1, 1]; fixed after it was fitted, so that stored values keep their meaning."""

    mean: Tensor
    scale: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))

    def fit(self, values: np.ndarray[Any, np.dtype[np.float32]], floor: float = 1e-3) -> None:
        """Take mean and standard deviation of rows (N, P); inputs that hardly vary keep their unit."""
        mean, spread = values.mean(0), values.std(0)
        self.mean.copy_(torch.from_numpy(mean))
        self.scale.copy_(torch.from_numpy(np.where(spread > floor, spread, 1.0).astype(np.float32)))

    def forward(self, values: Tensor) -> Tensor:
        """Normalised, clipped to +-10: a blow on the sensor must not blow up the critic."""
        return ((values - self.mean) / self.scale).clamp(-10.0, 10.0)


class Rlpd:
    """Agent over proprioception and a continuous action."""

    def __init__(self, proprio_size: int, action_size: int, config: RlpdConfig, seed: int) -> None:
        """Make networks and optimisers; everything random comes from `seed`."""
        self.config = config
        self.generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        self.normaliser = Normaliser(proprio_size)
        self.actor = Actor(proprio_size, action_size, config.hidden)
        self.average_actor = copy.deepcopy(self.actor).requires_grad_(False)
        self.critic = CriticEnsemble(config.ensemble, proprio_size + action_size, config.hidden)
        self.target_critic = copy.deepcopy(self.critic).requires_grad_(False)
        initial = torch.tensor(config.initial_temperature)
        self.log_temperature = nn.Parameter(torch.log(torch.expm1(initial)))  # softplus of it is the temperature
        entropy = config.target_entropy
        self.target_entropy = -0.5 * action_size if entropy is None else entropy
        self.action_size = action_size
        self._critic_optimiser = _adam(self.critic.parameters(), config)
        self._actor_optimiser = _adam(self.actor.parameters(), config)
        self._temperature_optimiser = _adam([self.log_temperature], config)

    @property
    def temperature(self) -> Tensor:
        """Weight of the entropy bonus."""
        return F.softplus(self.log_temperature)

    def act(self, proprio_BP: Tensor, *, is_exploring: bool) -> Tensor:
        """Actions, shape (B, A): drawn from the policy, or the slow average's mode."""
        with torch.no_grad():
            x = self.normaliser(proprio_BP)
            if not is_exploring:
                return torch.tanh(self.average_actor(x)[0])
            return self.actor.sample(x, self._noise(len(x)))[0]

    def update_critic(self, batch: Batch) -> dict[str, Tensor]:
        """One step of the critics, and of their targets."""
        loss, metrics = self.critic_loss(batch)
        _step(self._critic_optimiser, loss)
        with torch.no_grad():
            _move(self.target_critic, self.critic, self.config.tau)
        return metrics

    def update_actor(self, batch: Batch) -> dict[str, Tensor]:
        """One step of actor and temperature."""
        loss, metrics = self.actor_loss(batch)
        _step(self._actor_optimiser, loss)
        _step(self._temperature_optimiser, self.temperature_loss(metrics["actor/entropy"]))
        with torch.no_grad():
            _move(self.average_actor, self.actor, 1.0 - self.config.average_decay)
        return metrics

    def critic_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean squared error to r + discount * min over a random subset of Q'(s', a'), a' ~ pi(s')."""
        with torch.no_grad():
            following = self.normaliser(batch.next_proprio)
            next_action, next_log_probability = self.actor.sample(following, self._noise(len(following)))
            members = torch.randperm(self.config.ensemble, generator=self.generator)[: self.config.subsample]
            next_q = self.target_critic(following, next_action, members).amin(0)
            if self.config.has_entropy_backup:
                next_q = next_q - self.temperature * next_log_probability
            target = batch.reward + batch.discount * next_q
        q_EB = self.critic(self.normaliser(batch.proprio), batch.action)
        loss = (q_EB - target).square().mean(1).sum()  # each member its own mean: E does not change its step
        return loss, {"critic/loss": loss.detach() / self.config.ensemble, "critic/q": q_EB.detach().mean()}

    def actor_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Temperature * log pi(a|s) - mean over the ensemble of Q(s, a)."""
        x = self.normaliser(batch.proprio)
        action, log_probability = self.actor.sample(x, self._noise(len(x)))
        for parameter in self.critic.parameters():
            parameter.requires_grad_(False)
        q = self.critic(x, action).mean(0)
        for parameter in self.critic.parameters():
            parameter.requires_grad_(True)
        loss = (self.temperature.detach() * log_probability - q).mean()
        return loss, {"actor/loss": loss.detach(), "actor/entropy": -log_probability.detach().mean()}

    def temperature_loss(self, entropy: Tensor) -> Tensor:
        """Raises the temperature while the entropy is below its target."""
        return self.temperature * (entropy - self.target_entropy)

    def _noise(self, count: int) -> Tensor:
        return torch.randn(count, self.action_size, generator=self.generator)


def _adam(parameters: Any, config: RlpdConfig) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=config.learning_rate, fused=True)


def _step(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


def _move(target: nn.Module, source: nn.Module, share: float) -> None:
    """target += share * (source - target), all tensors at once."""
    torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), share)
