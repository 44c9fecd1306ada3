"""The critics' update of RLPD as its formulas say it: what `robot-rl bench learner` compares the agent with.

Plain PyTorch without any of the package: every critic a module of its own, a loop over them, one forward pass for each
value that is asked for, an ordinary Adam. The maths, the sizes and the batches are those of `robot_rl.agents.rlpd`;
tests/bench/test_learner_bench.py holds that both make the same loss of the same weights.

Suffixes of tensors: B batch, P proprioception, A continuous elements of the action.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

FINE = 30.0


@dataclass(frozen=True)
class ReferenceConfig:
    """Sizes and settings; those of the agent, under its names."""

    proprio_size: int
    continuous_size: int
    classes: int
    hidden: tuple[int, ...]
    ensemble: int
    subsample: int
    tau: float
    learning_rate: float
    return_range: tuple[float, float]


@dataclass(frozen=True)
class ReferenceBatch:
    """Transitions, each tensor with B rows; `index` is the class of the gripper's part of the action."""

    proprio: Tensor
    continuous: Tensor
    index: Tensor
    reward: Tensor
    penalty: Tensor
    discount: Tensor
    next_proprio: Tensor


class ReferenceLearner:
    """E critics and the gripper's, with their targets, and a policy that stands still."""

    def __init__(self, config: ReferenceConfig, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.config = config
        self.mean, self.spread = torch.zeros(config.proprio_size), torch.ones(config.proprio_size)
        latent = 2 * config.proprio_size
        self.critics = [make_mlp(latent + config.continuous_size, config.hidden, 1) for _ in range(config.ensemble)]
        self.target_critics = [copy.deepcopy(critic) for critic in self.critics]
        self.grasp_critic = make_mlp(latent, config.hidden, config.classes)
        self.target_grasp_critic = copy.deepcopy(self.grasp_critic)
        self.actor = make_mlp(latent, config.hidden, 2 * config.continuous_size)
        trained = [parameter for critic in self.critics for parameter in critic.parameters()]
        self.critic_optimiser = torch.optim.Adam(trained, lr=config.learning_rate)
        self.grasp_optimiser = torch.optim.Adam(self.grasp_critic.parameters(), lr=config.learning_rate)

    def to(self, device: str) -> ReferenceLearner:
        """Move everything; before the first update."""
        self.mean, self.spread = self.mean.to(device), self.spread.to(device)
        targets = [*self.target_critics, self.target_grasp_critic]
        for module in (*self.critics, *targets, self.grasp_critic, self.actor):
            module.to(device)
        return self

    def update(self, batch: ReferenceBatch) -> None:
        """One step of all critics and their targets."""
        noise = torch.randn_like(batch.continuous)
        members = torch.randperm(self.config.ensemble)[: self.config.subsample].tolist()
        loss, grasp_loss = self.critic_loss(batch, noise, members), self.grasp_loss(batch)
        self.critic_optimiser.zero_grad()
        loss.backward()
        self.critic_optimiser.step()
        self.grasp_optimiser.zero_grad()
        grasp_loss.backward()
        self.grasp_optimiser.step()
        with torch.no_grad():
            for target, critic in zip(self.target_critics, self.critics, strict=True):
                move(target, critic, self.config.tau)
            move(self.target_grasp_critic, self.grasp_critic, self.config.tau)

    def critic_loss(self, batch: ReferenceBatch, noise_BA: Tensor, members: list[int]) -> Tensor:
        """Sum over the critics of their mean squared error to r + discount * min of the members' targets."""
        with torch.no_grad():
            following = self.features(batch.next_proprio)
            mean, log_std = self.actor(following).chunk(2, dim=-1)
            std = log_std.clamp(math.log(1e-5), math.log(5.0)).exp()
            next_action = torch.tanh(mean + std * noise_BA)
            next_input = torch.cat([following, next_action], dim=-1)
            next_q = torch.stack([self.target_critics[k](next_input).squeeze(-1) for k in members]).min(dim=0).values
            target = batch.reward + batch.discount * next_q.clamp(*self.config.return_range)
        inputs = torch.cat([self.features(batch.proprio), batch.continuous], dim=-1)
        losses = [((critic(inputs).squeeze(-1) - target) ** 2).mean() for critic in self.critics]
        return torch.stack(losses).sum()

    def grasp_loss(self, batch: ReferenceBatch) -> Tensor:
        """Mean squared error of the gripper's double DQN."""
        with torch.no_grad():
            following = self.features(batch.next_proprio)
            chosen = self.grasp_critic(following).argmax(dim=-1, keepdim=True)
            next_q = self.target_grasp_critic(following).gather(-1, chosen).squeeze(-1)
            reward = batch.reward + batch.penalty
            target = reward + batch.discount * next_q.clamp(*self.config.return_range)
        q = self.grasp_critic(self.features(batch.proprio)).gather(-1, batch.index[:, None]).squeeze(-1)
        return ((q - target) ** 2).mean()

    def features(self, proprio_BP: Tensor) -> Tensor:
        """Normalised values, and the same on a logarithmic scale."""
        normal = ((proprio_BP - self.mean) / self.spread).clamp(-10.0, 10.0)
        return torch.cat([normal, 0.5 * torch.asinh(proprio_BP * FINE / self.spread)], dim=-1)


def make_mlp(inputs: int, hidden: tuple[int, ...], outputs: int) -> nn.Sequential:
    """Linear - LayerNorm - tanh for each hidden layer, then Linear."""
    layers: list[nn.Module] = []
    for a, b in pairwise((inputs, *hidden)):
        layers += [nn.Linear(a, b), nn.LayerNorm(b), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(hidden[-1], outputs))


def move(target: nn.Module, source: nn.Module, share: float) -> None:
    """target = (1 - share) * target + share * source."""
    for old, new in zip(target.parameters(), source.parameters(), strict=True):
        old.copy_((1.0 - share) * old + share * new)
