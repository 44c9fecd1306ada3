"""Two policies as one: their scores are mixed at every step (general policy composition, arXiv 2510.01068)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from robot_rl.errors import ConfigError
from robot_rl.inference.denoiser import Denoiser
from robot_rl.inference.schedule import Schedule


class Composition:
    """A denoiser whose noise estimate is (1 - weight) * first + weight * second.

    At one level the noise estimate is linear in the estimate of x0, so that mixing either is the same; what the two
    predict (noise, velocity) may differ, the noise that they were trained on may not.
    """

    def __init__(self, first: Denoiser, second: Denoiser, weight: float) -> None:
        """Mix.

        Args:
            first: one policy's.
            second: the other's.
            weight: of the second, from 0 to 1 (1 - w of the paper); the best is searched for by evaluations.

        Raises:
            ConfigError: another weight, or the two know different noise, or only one was trained to continue a prefix.
        """
        if not 0.0 <= weight <= 1.0:
            raise ConfigError(f"the weight of a composition must be from 0 to 1, got {weight}.")
        ours, theirs = first.schedule, second.schedule
        if len(ours) != len(theirs) or not (
            ours.signal_K.allclose(theirs.signal_K) and ours.noise_K.allclose(theirs.noise_K)
        ):
            raise ConfigError(
                "only policies of one noise schedule can be composed, got "
                f"{ours.spec.kind} with {len(ours)} levels and {theirs.spec.kind} with {len(theirs)}."
            )
        if ours.spec.clip != theirs.spec.clip:
            raise ConfigError(f"schedule.clip={ours.spec.clip} of the one is {theirs.spec.clip} of the other.")
        if first.is_prefix_trained != second.is_prefix_trained:  # it would take noisy actions for given ones
            raise ConfigError("one was trained to continue given actions (max_prefix), the other was not.")
        self._first, self._second, self._weight = first, second, weight
        self.schedule: Schedule = ours
        self.is_prefix_trained = first.is_prefix_trained

    def prepare(self, condition: Tensor) -> tuple[Any, Any]:
        """See Denoiser; where both are told the same."""
        return self.prepare_each(condition, condition)

    def prepare_each(self, first: Tensor, second: Tensor) -> tuple[Any, Any]:
        """As `prepare`, where each has features of its own."""
        return self._first.prepare(first), self._second.prepare(second)

    def __call__(self, x_BHA: Tensor, level: int, prepared: tuple[Any, Any], committed: int) -> Tensor:
        """See Denoiser."""
        first = self._first(x_BHA, level, prepared[0], committed)
        return (1.0 - self._weight) * first + self._weight * self._second(x_BHA, level, prepared[1], committed)
