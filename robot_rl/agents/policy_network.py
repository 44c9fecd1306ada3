"""What all policies' networks have in common: what is built of which spec, how it is asked, and what is sent of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from robot_rl.agents.batch import Observations
from robot_rl.agents.encoders import make_backbone
from robot_rl.agents.encoders.observation import ObservationEncoder
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


class PolicyNetwork(nn.Module, ABC):
    """Everything that acting needs, and nothing that only learning needs.

    Attributes:
        spec: what it was built of.
        features: of proprioception; fitted once, by the learner.
        encoder: of images; None without cameras.
        latent_size: L, the input of actor and critics.
        chunk: actions of one decision, which are executed one after the other.
        steers: whether it decides on a base policy's noise, whose plan is then executed.
    """

    encoder: ObservationEncoder | None
    chunk: int = 1
    steers: bool = False

    def __init__(self, spec: PolicySpec, proprio_size: int) -> None:
        """Make what turns the first `proprio_size` values of proprioception, and images, into a latent vector."""
        super().__init__()
        self.spec = spec
        self.features = ProprioFeatures(proprio_size)
        self.encoder, self.latent_size = None, self.features.size
        if spec.cameras:
            backbone = make_backbone(spec.backbone, spec.image_size_px)
            self.encoder = ObservationEncoder(
                self.features.size, spec.cameras, backbone, is_frozen=spec.is_backbone_frozen
            )
            self.latent_size = self.encoder.latent_size

    def to_latent(self, proprio_BP: Tensor, visual: Mapping[str, Tensor]) -> Tensor:
        """Latent (B, L) of proprioception and, of policies with cameras, images or their features."""
        features: Tensor = self.features(proprio_BP)
        return features if self.encoder is None else self.encoder(features, visual)

    @property
    @abstractmethod
    def noise_size(self) -> int:
        """Elements of the noise of an action that explores."""

    def fit(self, proprio_NP: NDArray[np.float32]) -> None:
        """Fit the scales of proprioception to observations."""
        self.features.fit(proprio_NP[:, : len(self.features.mean)])

    @abstractmethod
    def act(self, observations: Observations, noise: Tensor | None) -> Tensor:
        """Actions (B, A); of several at a time, (B, chunk A); where it steers, noise (B, A).

        Args:
            observations: what is seen now.
            noise: standard normal, (B, noise_size), to explore; None for the policy at its best.
        """

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
