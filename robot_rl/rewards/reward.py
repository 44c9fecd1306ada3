"""What a classifier's probabilities are worth: each stage is paid once an episode."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from robot_rl.errors import ConfigError
from robot_rl.rewards.debounce import Debounce, DebounceConfig
from robot_rl.types import ArmState, Outcome

Images = Mapping[str, NDArray[np.uint8]]

LOST = "lost"
"""The output that says that the task cannot be solved any more: a person must put things right."""


class Predictor(Protocol):
    """Sees images of one moment."""

    @property
    def cameras(self) -> Sequence[str]:
        """Whose images it looks at."""
        ...

    @property
    def outputs(self) -> Sequence[str]:
        """What the probabilities are of: the stages of the task, and perhaps `LOST`."""
        ...

    @property
    def thresholds(self) -> Sequence[float]:
        """Probabilities beyond these count."""
        ...

    def __call__(self, images: Images) -> NDArray[np.float64]:
        """Probability of each output, shape (n,), for images (H, W, 3) by camera."""
        ...


class Reading(Protocol):
    """As much of a `RobotReading` as is looked at here."""

    @property
    def state(self) -> ArmState:
        """Of the arm."""
        ...

    @property
    def images(self) -> Images:
        """Name -> RGB uint8 (H, W, 3)."""
        ...

    @property
    def image_stamps_ns(self) -> Mapping[str, int]:
        """Name -> the moment of that picture."""
        ...


R_contra = TypeVar("R_contra", bound=Reading, contravariant=True)


@dataclass(frozen=True)
class Judgement(Outcome):
    """An outcome, and how it came about.

    Attributes:
        probabilities: output -> probability.
        achieved: stages that have been paid in this episode, in the order of the outputs.
        is_lost: whether the task was lost.
    """

    probabilities: Mapping[str, float] = field(default_factory=dict)
    achieved: tuple[str, ...] = ()
    is_lost: bool = False

    @property
    def probability(self) -> float:
        """Of success: the least of those of the stages that are still to come; 1 when there are none."""
        open_stages = [p for name, p in self.probabilities.items() if name != LOST and name not in self.achieved]
        return min(open_stages, default=1.0)


class ClassifierReward(Generic[R_contra]):
    """Pays 1 for each stage, once an episode, as soon as enough images say that it is achieved.

    The episode ends when all are achieved, or when the task is lost. What has ended stays so until `reset`, and no
    reward is paid twice.
    """

    def __init__(
        self,
        predictor: Predictor,
        debounce: DebounceConfig | None = None,
        guard: Callable[[R_contra], bool] | None = None,
    ) -> None:
        """A reward before its first episode.

        Args:
            predictor: what sees.
            debounce: how often it must see it.
            guard: says of a reading whether a success is possible at all, such as the tool being low enough; images
                where it is not count as no success, whatever they look like.

        Raises:
            ConfigError: the predictor knows no stage.
        """
        self._predictor, self._guard = predictor, guard
        self.stages = tuple(name for name in predictor.outputs if name != LOST)
        if not self.stages:
            raise ConfigError(f"a reward needs a stage beside {LOST!r}, got outputs {list(predictor.outputs)}.")
        self._debounces = {name: Debounce(debounce or DebounceConfig()) for name in predictor.outputs}
        self._achieved: tuple[str, ...] = ()
        self._is_lost = False

    def reset(self) -> None:
        """A new episode: nothing is achieved, nothing was seen."""
        for debounce in self._debounces.values():
            debounce.reset()
        self._achieved = ()
        self._is_lost = False

    def evaluate(self, reading: R_contra) -> Judgement:
        """Judge a robot's reading, which is as old as the oldest of the images that are looked at.

        A newer state beside an image that was judged before is no evidence.

        Raises:
            SpecError: the images are not those that the predictor knows.
        """
        is_possible = self._guard is None or self._guard(reading)
        stamps_ns = [
            reading.image_stamps_ns[name] for name in self._predictor.cameras if name in reading.image_stamps_ns
        ]
        return self.judge(reading.images, min(stamps_ns, default=reading.state.stamp_ns), is_possible=is_possible)

    def judge(self, images: Images, stamp_ns: int, *, is_possible: bool = True) -> Judgement:
        """Judge the images of one moment.

        Args:
            images: camera -> RGB uint8 (H, W, 3).
            stamp_ns: the moment of the oldest of them.
            is_possible: what a guard says; a lost task is recognised whatever it says.

        Raises:
            SpecError: the images are not those that the predictor knows.
        """
        probabilities = dict(zip(self._predictor.outputs, self._predictor(images).tolist(), strict=True))
        reward = 0.0
        for (name, probability), threshold in zip(probabilities.items(), self._predictor.thresholds, strict=True):
            is_beyond = probability > threshold and (is_possible or name == LOST)
            is_believed = self._debounces[name].update(is_beyond, stamp_ns)
            if not is_believed or self._has_ended:
                continue
            if name == LOST:
                self._is_lost = True
            elif name not in self._achieved:
                self._achieved = tuple(stage for stage in self.stages if stage in (*self._achieved, name))
                reward += 1.0
        is_success = len(self._achieved) == len(self.stages)
        return Judgement(reward, self._has_ended, is_success, probabilities, self._achieved, self._is_lost)

    @property
    def _has_ended(self) -> bool:
        return self._is_lost or len(self._achieved) == len(self.stages)
