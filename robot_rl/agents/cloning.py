"""Behaviour cloning, and with the interventions of the run in its batches HG-DAgger (arXiv 1810.02890)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from robot_rl.agents.batch import Batch
from robot_rl.agents.gripper import split_action
from robot_rl.agents.policy import Policy
from robot_rl.agents.policy_network import PolicySpec
from robot_rl.agents.rlpd import move


class Cloning:
    """Mean squared error to people's actions; the gripper's class by cross-entropy over what would be its values."""

    def __init__(
        self, spec: PolicySpec, learning_rate: float, average_decay: float, seed: int, device: str = "cpu"
    ) -> None:
        """Make the policy; everything random comes from `seed`.

        Args:
            spec: of the policy.
            learning_rate: Adam.
            average_decay: of the slow average of the weights, per update.
            seed: of the weights.
            device: where tensors live.
        """
        torch.manual_seed(seed)
        self.policy = Policy(spec).to(device)
        self.average_policy = copy.deepcopy(self.policy).requires_grad_(False)
        self._average_decay = average_decay
        trained = [parameter for parameter in self.policy.parameters() if parameter.requires_grad]
        self._optimiser = torch.optim.Adam(trained, lr=learning_rate, fused=True)

    def pretrain(self, batch: Batch) -> dict[str, Tensor]:
        """As `update`, but the average follows at once: it would lag behind for a thousand updates."""
        metrics = self.update(batch, is_actor_due=True)
        self.average_policy.load_state_dict(self.policy.state_dict())
        return metrics

    def value(self, batch: Batch) -> None:
        """See Agent: there are no critics."""
        del batch

    def update(self, batch: Batch, *, is_actor_due: bool) -> dict[str, Tensor]:
        """One step towards the actions of the batch's people, each time that the actor is due."""
        if not is_actor_due:
            return {}
        loss = self.loss(batch)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        with torch.no_grad():
            move(self.average_policy, self.policy, 1.0 - self._average_decay)
        return {"actor/imitation": loss.detach()}

    def loss(self, batch: Batch) -> Tensor:
        """Imitation loss over the rows of the batch that a person chose."""
        latent = self.policy.encode(batch.observations)
        continuous, gripper = split_action(batch.action, self.policy.spec.grippers)
        distance = (torch.tanh(self.policy.actor(latent)[0]) - continuous).square().sum(-1)
        if self.policy.grasp_critic is not None:
            distance = distance + F.cross_entropy(self.policy.grasp_critic(latent), gripper, reduction="none")
        human = batch.is_human.to(distance.dtype)
        loss: Tensor = (human * distance).sum() / human.sum().clamp(min=1.0)
        return loss

    def state(self) -> dict[str, Any]:
        """Everything that is needed to go on bit for bit."""
        return {
            "policy": self.policy.state_dict(),
            "average_policy": self.average_policy.state_dict(),
            "optimiser": self._optimiser.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` of an agent of the same spec returned."""
        self.policy.load_state_dict(state["policy"])
        self.average_policy.load_state_dict(state["average_policy"])
        self._optimiser.load_state_dict(copy.deepcopy(state["optimiser"]))
