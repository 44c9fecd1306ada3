"""The choice of who judges whether a task is solved."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from robot_rl.errors import ConfigError
from robot_rl.rewards.debounce import DebounceConfig


@dataclass(frozen=True)
class RewardConfig:
    """Who judges whether a task is solved. Whoever it is, a person's button has the last word.

    Attributes:
        kind: "task" (its own test, which in simulation knows the truth), "classifier" (of images) or "button" (nobody
            but a person).
        file: of the classifier, as `robot-rl train-classifier` writes it. It brings its cameras and its stages, each
            of which pays 1 once an episode: with several, the `return_range` of `agent.rlpd`, or of a corrector
            `agent.corrector`, has to allow for their sum.
        device: that the classifier computes on: "cpu", "cuda" or "auto", a GPU where there is one.
        debounce: how often the classifier must see a success until it is believed.
        max_skew_s: images of several cameras count as of one moment when their stamps lie no farther apart. In
            lock-step they are of the very same.
    """

    kind: Literal["task", "classifier", "button"] = "task"
    file: str | None = None
    device: str = "cpu"
    debounce: DebounceConfig = field(default_factory=DebounceConfig)
    max_skew_s: float = 0.03

    def __post_init__(self) -> None:
        if self.kind == "classifier" and not self.file:
            raise ConfigError(
                "reward=classifier needs reward.file=FILE; train one: robot-rl train-classifier data=STORE out=FILE"
            )
        if not 0.0 <= self.max_skew_s < math.inf:
            raise ConfigError(f"max_skew_s must be finite and not negative, got {self.max_skew_s} s.")
