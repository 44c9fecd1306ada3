"""What a base policy sees, and what it predicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot_rl.errors import CheckpointError, ConfigError
from robot_rl.specs import EnvironmentSpec


@dataclass(frozen=True)
class BasePolicySpec:
    """Sizes and names that a checkpoint stores, so that it is not asked about another environment.

    Attributes:
        proprio: (name, size) of the proprioceptive parts, in their order.
        action_size: A.
        discrete: elements of the action that have two values, such as a gripper's.
        rates: elements of the action that are rates, so that 0 means no motion; the others hold at their last value.
        rate_hz: control steps per second in the data.
        cameras: names; none means that the policy sees proprioception only.
        image_size_px: height and width of the images.
        observation_steps: newest time steps that are seen at once.
        horizon: H, actions of a chunk.
        past: how many of them lie before the present: the policy predicts also what was just done.
    """

    proprio: tuple[tuple[str, int], ...]
    action_size: int
    discrete: tuple[int, ...] = ()
    rates: tuple[int, ...] = ()
    rate_hz: float = 10.0
    cameras: tuple[str, ...] = ()
    image_size_px: int = 128
    observation_steps: int = 2
    horizon: int = 16
    past: int = 1

    def __post_init__(self) -> None:
        if self.action_size < 1:
            raise ConfigError(f"action_size must be at least 1, got {self.action_size}.")
        if self.observation_steps < 1:
            raise ConfigError(f"observation_steps must be at least 1, got {self.observation_steps}.")
        if not 0 <= self.past < self.horizon:
            raise ConfigError(f"past must be from 0 to horizon - 1 = {self.horizon - 1}, got {self.past}.")

    @property
    def is_discrete(self) -> NDArray[np.bool_]:
        """Which elements of an action have two values, (A,)."""
        return np.isin(np.arange(self.action_size), self.discrete)

    @property
    def proprio_size(self) -> int:
        """P."""
        return sum(size for _, size in self.proprio)

    @classmethod
    def from_environment(cls, spec: EnvironmentSpec, cameras: tuple[str, ...] = (), **sizes: Any) -> BasePolicySpec:
        """That of a policy for an environment whose actions are twists, with the gripper's last.

        Args:
            spec: of the environment.
            cameras: which of its cameras are looked at.
            sizes: the remaining attributes.

        Raises:
            ConfigError: the environment has no such camera.
        """
        images = spec.observation.images
        missing = [name for name in cameras if name not in images]
        if missing:
            raise ConfigError(f"there is no camera {missing[0]!r}; there are: {', '.join(images) or 'none'}.")
        return cls(
            proprio=tuple((name, part.shape[0]) for name, part in spec.observation.proprio.items()),
            action_size=spec.action_size,
            discrete=(spec.action_size - 1,) if spec.has_gripper else (),
            rates=tuple(range(min(spec.action_size, 6))) if spec.action_size >= 6 else (),
            rate_hz=spec.rate_hz,
            cameras=cameras,
            image_size_px=images[cameras[0]].shape[0] if cameras else 128,
            **sizes,
        )

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> BasePolicySpec:
        """What a checkpoint stores.

        Raises:
            CheckpointError: a field is missing or unknown.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        if set(stored) != names:
            raise CheckpointError(
                f"the checkpoint's spec must have the fields {sorted(names)}; missing are "
                f"{sorted(names - set(stored))}, unknown are {sorted(set(stored) - names)}."
            )
        lists = {name: tuple(stored[name]) for name in ("discrete", "rates", "cameras")}
        proprio = tuple((str(name), int(size)) for name, size in stored["proprio"])
        return cls(**{**stored, **lists, "proprio": proprio})

    def check_environment(self, spec: EnvironmentSpec) -> None:
        """Raise unless the policy can act in this environment.

        Raises:
            CheckpointError: it was trained on other observations or actions; the message says which.
        """
        ours = BasePolicySpec.from_environment(spec)
        for name in ("proprio", "action_size", "rate_hz"):
            if getattr(ours, name) != getattr(self, name):
                raise CheckpointError(
                    f"the policy was trained with {name}={getattr(self, name)}, this environment has "
                    f"{getattr(ours, name)}: was it trained on another task?"
                )
        for camera in self.cameras:
            found = spec.observation.images.get(camera)
            if found is None or found.shape[0] != self.image_size_px:
                raise CheckpointError(
                    f"the policy looks at camera {camera!r} of {self.image_size_px} px, this environment has "
                    f"{ {name: image.shape[0] for name, image in spec.observation.images.items()} or 'no camera' }."
                )
