"""Array specs: shape, dtype, bounds and name of an array before it exists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from robot_rl.errors import SpecError
from robot_rl.types import Observation


@dataclass(frozen=True)
class ArraySpec:
    """Describes an array; `validate` names the array when it does not fit.

    Attributes:
        name: used in messages.
        shape: exact shape.
        dtype: exact dtype.
        minimum, maximum: inclusive bounds for every element; infinite by default.
    """

    name: str
    shape: tuple[int, ...]
    dtype: DTypeLike
    minimum: float = -np.inf
    maximum: float = np.inf

    def validate(self, value: ArrayLike) -> NDArray[np.generic]:
        """Return `value` as an array, or raise SpecError naming what is wrong."""
        array = np.asarray(value)
        if array.shape != self.shape:
            raise SpecError(f"{self.name} must have shape {self.shape}, got {array.shape}.")
        if array.dtype != np.dtype(self.dtype):
            raise SpecError(f"{self.name} must have dtype {np.dtype(self.dtype)}, got {array.dtype}.")
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise SpecError(f"{self.name} must be finite, got {array}.")
        if array.size and (array.min() < self.minimum or array.max() > self.maximum):
            raise SpecError(
                f"{self.name} must lie in [{self.minimum}, {self.maximum}], "
                f"got values in [{array.min()}, {array.max()}]."
            )
        return array

    def generate_value(self) -> NDArray[np.generic]:
        """An array that fits."""
        fill = min(max(0.0, self.minimum), self.maximum)
        return np.full(self.shape, fill, dtype=self.dtype)


@dataclass(frozen=True)
class ObservationSpec:
    """Specs of the named parts of an observation, in their order."""

    proprio: Mapping[str, ArraySpec]
    images: Mapping[str, ArraySpec]

    @property
    def proprio_size(self) -> int:
        """Number of proprioceptive values in all."""
        return sum(int(np.prod(spec.shape)) for spec in self.proprio.values())

    def validate(self, observation: Observation) -> None:
        """Raise SpecError unless `observation` has exactly these parts and each fits."""
        for kind, specs, values in (
            ("proprio", self.proprio, observation.proprio),
            ("images", self.images, observation.images),
        ):
            if list(specs) != list(values):
                raise SpecError(f"observation.{kind} must have entries {list(specs)}, got {list(values)}.")
            for name, spec in specs.items():
                spec.validate(values[name])


@dataclass(frozen=True)
class EnvironmentSpec:
    """Everything a learner must know about an environment before the first step.

    Attributes:
        action_size: 6 (v, omega) or 7 with the gripper as last element.
        step_limit: control steps after which an episode is truncated.
        rate_hz: control steps per second.
    """

    observation: ObservationSpec
    action_size: int
    step_limit: int
    rate_hz: float

    @property
    def action(self) -> ArraySpec:
        """Normalised action in [-1, 1]."""
        return ArraySpec("action", (self.action_size,), np.float32, -1.0, 1.0)

    @property
    def has_gripper(self) -> bool:
        """Whether the last action element commands the gripper."""
        return self.action_size == 7
