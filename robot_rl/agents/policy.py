"""The policy network: everything that acting needs, and nothing that only learning needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robot_rl.agents.batch import Observations
from robot_rl.agents.encoders import make_backbone
from robot_rl.agents.encoders.observation import ObservationEncoder
from robot_rl.agents.gripper import GraspCritic, join_action
from robot_rl.agents.networks import Actor
from robot_rl.policies.features import ProprioFeatures


@dataclass(frozen=True)
class PolicySpec:
    """What a policy is built of.

    Attributes:
        proprio_size: proprioceptive values of an observation; with a stack of time steps, of all of them.
        action_size: elements of the action, those of grippers included.
        grippers: how many of them belong to grippers, 0, 1 or 2: discrete, chosen by a DQN.
        hidden: widths of the hidden layers.
        cameras: names; none means that the policy sees proprioception only.
        image_size_px: height and width of the images.
        backbone: "resnet10", "small_cnn" or "vit".
        is_backbone_frozen: whether the backbone keeps the weights that it was given.
        std: standard deviation of a new policy's actions before the tanh.
    """

    proprio_size: int
    action_size: int
    grippers: int = 0
    hidden: tuple[int, ...] = (256, 256)
    cameras: tuple[str, ...] = ()
    image_size_px: int = 128
    backbone: str = "resnet10"
    is_backbone_frozen: bool = True
    std: float = 0.15


class Policy(nn.Module):
    """Features, encoder, tanh-Gaussian actor and the gripper's DQN."""

    def __init__(self, spec: PolicySpec) -> None:
        super().__init__()
        self.spec = spec
        self.features = ProprioFeatures(spec.proprio_size)
        self.encoder: ObservationEncoder | None = None
        self.latent_size = self.features.size
        if spec.cameras:
            backbone = make_backbone(spec.backbone, spec.image_size_px)
            self.encoder = ObservationEncoder(
                self.features.size, spec.cameras, backbone, is_frozen=spec.is_backbone_frozen
            )
            self.latent_size = self.encoder.latent_size
        self.actor = Actor(self.latent_size, spec.action_size - spec.grippers, spec.hidden, spec.std)
        self.grasp_critic = GraspCritic(self.latent_size, spec.grippers, spec.hidden) if spec.grippers else None

    def encode(self, observations: Observations) -> Tensor:
        """Latent (B, L): the input of actor and critics."""
        features: Tensor = self.features(observations.proprio)
        return features if self.encoder is None else self.encoder(features, observations.visual)

    @torch.no_grad()
    def act(self, observations: Observations, noise: Tensor | None) -> Tensor:
        """Actions (B, A).

        Args:
            observations: what is seen now.
            noise: standard normal, (B, continuous elements), to explore; None for the mode.
        """
        latent = self.encode(observations)
        mean, std = self.actor(latent)
        continuous = torch.tanh(mean if noise is None else mean + std * noise)
        if self.grasp_critic is None:
            return continuous
        return join_action(continuous, self.grasp_critic(latent).argmax(-1), self.spec.grippers)

    def published_state(self) -> dict[str, Tensor]:
        """The tensors that an actor must be sent: all but a frozen backbone."""
        state = self.state_dict()
        if self.encoder is None:
            return state
        encoder = {f"encoder.{name}": value for name, value in self.encoder.published_state().items()}
        return {name: value for name, value in state.items() if not name.startswith("encoder.")} | encoder

    def load_published(self, state: Mapping[str, Tensor]) -> None:
        """Take over what another policy of the same spec published.

        Raises:
            SpecError: entries of the encoder are missing or unknown.
            RuntimeError: other entries are.
        """
        state = dict(state)
        if self.encoder is not None:
            prefix = "encoder."
            own = {name.removeprefix(prefix): state.pop(name) for name in list(state) if name.startswith(prefix)}
            self.encoder.load_published(own)
            state |= {f"{prefix}{name}": value for name, value in self.encoder.state_dict().items()}
        self.load_state_dict(state)
