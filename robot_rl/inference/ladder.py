"""What is commanded from a plan, down to when there is none: the present action, a fading motion, nothing."""

from __future__ import annotations

import enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robot_rl.inference.engine_config import EngineConfig
from robot_rl.inference.plan import Plan


class Rung(enum.Enum):
    """How far a command is from what was intended, the best first."""

    FRESH = "from a plan that came in time"
    LATE = "from an older plan, since the newer one was late"
    SLOWING = "the plan has ended, the last motion fades out"
    HOLDING = "no plan"


class Served(NamedTuple):
    """A command, shape (A,), and where it comes from."""

    action: NDArray[np.float32]
    rung: Rung


class Ladder:
    """Chooses the rung of each command."""

    def __init__(self, rates_A: NDArray[np.bool_], config: EngineConfig) -> None:
        """`rates_A`: which actions are rates, so that 0 holds; the others hold at their last value."""
        self._rates_A, self._config = rates_A, config
        self._period_ns = round(config.period_s * 1e9)

    def hold(self) -> Served:
        """The command without a plan."""
        return Served(np.zeros(len(self._rates_A), np.float32), Rung.HOLDING)

    def serve(self, plan: Plan, actions_HA: NDArray[np.float32], seen_ns: int, stamp_ns: int) -> Served:
        """The command for the period that begins at `stamp_ns`, from a plan for what was seen at `seen_ns`."""
        position = plan.position_at(stamp_ns)
        beyond = position - len(actions_HA) + 1
        if beyond <= 0:
            is_fresh = stamp_ns - seen_ns <= (self._config.budget_periods + 1.0) * self._period_ns
            return Served(actions_HA[max(position, 0)], Rung.FRESH if is_fresh else Rung.LATE)
        last_A = actions_HA[-1]
        share = max(0.0, 1.0 - beyond / (self._config.slow_periods + 1))
        action_A = np.where(self._rates_A, share * last_A, last_A).astype(np.float32)
        return Served(action_A, Rung.SLOWING if share > 0.0 else Rung.HOLDING)
