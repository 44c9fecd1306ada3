"""The policy of agents that act alone: a tanh-Gaussian, and a DQN for grippers."""

from __future__ import annotations

import torch
from torch import Tensor

from robot_rl.agents.batch import Observations
from robot_rl.agents.gripper import GraspCritic, join_action
from robot_rl.agents.networks import Actor
from robot_rl.agents.policy_network import PolicyNetwork, PolicySpec


class Policy(PolicyNetwork):
    """Features, encoder, tanh-Gaussian actor and the gripper's DQN."""

    def __init__(self, spec: PolicySpec) -> None:
        super().__init__(spec, spec.proprio_size)
        self.actor = Actor(self.latent_size, spec.action_size - spec.grippers, spec.hidden, spec.std)
        self.grasp_critic = GraspCritic(self.latent_size, spec.grippers, spec.hidden) if spec.grippers else None

    @property
    def noise_size(self) -> int:
        """Elements of the noise of an action that explores: one for each that is not a gripper's."""
        return self.spec.action_size - self.spec.grippers

    def encode(self, observations: Observations) -> Tensor:
        """Latent (B, L): the input of actor and critics."""
        return self.to_latent(observations.proprio, observations.visual)

    @torch.no_grad()
    def act(self, observations: Observations, noise: Tensor | None) -> Tensor:
        """See PolicyNetwork; without noise the mode."""
        latent = self.encode(observations)
        mean, std = self.actor(latent)
        continuous = torch.tanh(mean if noise is None else mean + std * noise)
        if self.grasp_critic is None:
            return continuous
        return join_action(continuous, self.grasp_critic(latent).argmax(-1), self.spec.grippers)
