"""What is trained of an imitation policy: features, normaliser, and a network from conditions to chunks.

Suffixes of tensors, here and in all of this package: B batch, N samples, T time steps of an observation,
P proprioception, F features of a time step, C condition, H position in the chunk, A action.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robot_rl.policies.features import ProprioFeatures
from robot_rl.policies.normaliser import Normaliser
from robot_rl.policies.spec import BasePolicySpec
from robot_rl.types import Observation


class VisualEncoder(Protocol):
    """Sees cameras and proprioception, one time step at a time; a module whose weights are trained with the policy's.

    Attributes:
        latent_size: of its output.
    """

    latent_size: int

    def __call__(self, proprio_BF: Tensor, visual: Mapping[str, Tensor]) -> Tensor:
        """Latent (B, L) of features of proprioception, and images or cached tokens of each camera."""
        ...


class ChunkBatch(NamedTuple):
    """What a policy is trained on.

    Attributes:
        proprio: (B, T, P).
        visual: camera -> images uint8 (B, T, H, W, 3), or cached tokens (B, T, tokens, channels).
        actions: (B, H, A), as executed.
    """

    proprio: Tensor
    visual: Mapping[str, Tensor]
    actions: Tensor


class ChunkNetwork(nn.Module, ABC):
    """The trained part of a policy; see the module."""

    def __init__(self, spec: BasePolicySpec, encoder: nn.Module | None = None) -> None:
        """Make the untrained inputs and outputs.

        Args:
            spec: sizes and names.
            encoder: a VisualEncoder for `ProprioFeatures` of the spec's size; needed with cameras.
        """
        super().__init__()
        self.spec = spec
        self.features = ProprioFeatures(spec.proprio_size)
        self.encoder = encoder
        self.normaliser = Normaliser(spec.action_size, "actions", identity=spec.is_discrete.tolist())

    @property
    def frame_size(self) -> int:
        """F."""
        return self.features.size if self.encoder is None else int(self.encoder.latent_size)  # type: ignore[arg-type]

    @property
    def condition_size(self) -> int:
        """C."""
        return self.spec.observation_steps * self.frame_size

    def fit_inputs(self, proprio: NDArray[np.float32], actions: NDArray[np.float32]) -> None:
        """Take the scales of observations (N, P) and actions (N, A) from the data, once, before training.

        Raises:
            SpecError: there is none, or not all of it is finite.
        """
        self.normaliser.fit(actions)
        self.features.fit(proprio)

    def encode_frames(self, proprio_BP: Tensor, visual: Mapping[str, Tensor]) -> Tensor:
        """Features (B, F) of time steps."""
        features: Tensor = self.features(proprio_BP)
        return features if self.encoder is None else self.encoder(features, visual)

    def encode_batch(self, batch: ChunkBatch) -> Tensor:
        """Conditions (B, C)."""
        rows, steps = batch.proprio.shape[:2]
        visual = {name: values.flatten(0, 1) for name, values in batch.visual.items()}
        return self.encode_frames(batch.proprio.flatten(0, 1), visual).reshape(rows, steps * self.frame_size)

    @abstractmethod
    def loss(self, batch: ChunkBatch, generator: torch.Generator) -> Tensor:
        """What training minimises; a number."""

    def encode_observation(self, observation: Observation) -> Tensor:
        """Features (1, F)."""
        device = self.normaliser.centre.device
        proprio = np.concatenate([observation.proprio[name] for name, _ in self.spec.proprio])
        visual = {
            name: torch.from_numpy(observation.images[name].copy())[None].to(device) for name in self.spec.cameras
        }
        return self.encode_frames(torch.from_numpy(proprio)[None].to(device), visual)
