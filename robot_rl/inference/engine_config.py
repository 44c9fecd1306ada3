"""How much time an engine's decisions have."""

from __future__ import annotations

import math
from dataclasses import dataclass

from robot_rl.errors import ConfigError


@dataclass(frozen=True)
class EngineConfig:
    """How much time there is, and what happens when it was not enough.

    Attributes:
        budget_periods: a decision is in time if it is there so many periods after its observation.
        cold_periods: the same for one that starts from noise, while the robot holds.
        margin_s: left free before the deadline.
        cold_steps: evaluations of a start from noise, if there is time for so many.
        wait_s: a command may wait so long for the decision about its own observation; 0 for never.
        slow_periods: after the plan has ended the last motion fades out over so many, before the robot holds.
    """

    budget_periods: float = 1.0
    cold_periods: float = 4.0
    margin_s: float = 0.0005
    cold_steps: int = 10
    slow_periods: int = 3
    wait_s: float = 0.02

    def __post_init__(self) -> None:
        for name in ("budget_periods", "cold_periods"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ConfigError(f"engine.{name} must be positive and finite, got {getattr(self, name)}.")
        for name in ("margin_s", "slow_periods", "wait_s"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"engine.{name} must be finite and not negative, got {getattr(self, name)}.")
        if self.cold_steps < 1:
            raise ConfigError(f"engine.cold_steps must be at least 1, got {self.cold_steps}.")
