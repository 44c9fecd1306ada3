"""What is commanded from a plan, down to when there is none: the present action, a fading motion, nothing."""

from __future__ import annotations

import enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robot_rl.inference.engine_config import EngineConfig
from robot_rl.inference.plan import Plan, count_periods


class Rung(enum.Enum):
    """How far a command is from what was intended, the best first."""

    FRESH = "from a plan that came in time"
    LATE = "from an older plan, since the newer one was late"
    SLOWING = "the plan has ended, the last motion fades out"
    HOLDING = "no plan"


class Served(NamedTuple):
    """A command, what is planned after it, and where it comes from.

    Attributes:
        remaining: (N, h, A), the rest of each plan; what is commanded is the first plan's first action.
        phase: control steps since the moment that was planned for, 0 without a plan.
        rung: see there.
    """

    remaining: NDArray[np.float32]
    phase: int
    rung: Rung

    @property
    def action(self) -> NDArray[np.float32]:
        """The command, (A,)."""
        command: NDArray[np.float32] = self.remaining[0, 0]
        return command


class Ladder:
    """Chooses the rung of each command."""

    def __init__(self, rates_A: NDArray[np.bool_], period_s: float, config: EngineConfig) -> None:
        """`rates_A` are those actions of which 0 holds; the others hold at their last value. `period_s`: see Engine."""
        self._rates_A, self._config = rates_A, config
        self._period_ns = round(period_s * 1e9)

    def hold(self, count: int) -> Served:
        """The command without any of `count` plans."""
        return Served(np.zeros((count, 1, len(self._rates_A)), np.float32), 0, Rung.HOLDING)

    def serve(self, plan: Plan, actions_NHA: NDArray[np.float32], seen_ns: int, stamp_ns: int) -> Served:
        """The command for the period that begins at `stamp_ns`, from plans for what was seen at `seen_ns`."""
        position, phase = plan.position_at(stamp_ns), count_periods(stamp_ns - seen_ns, self._period_ns)
        beyond = position - plan.horizon + 1
        if beyond <= 0:
            is_fresh = stamp_ns - seen_ns <= (self._config.budget_periods + 1.0) * self._period_ns
            return Served(actions_NHA[:, max(position, 0) :], phase, Rung.FRESH if is_fresh else Rung.LATE)
        last_N1A = actions_NHA[:, -1:]
        share = max(0.0, 1.0 - beyond / (self._config.slow_periods + 1))
        faded_N1A = np.where(self._rates_A, share * last_N1A, last_N1A).astype(np.float32)
        return Served(faded_N1A, phase, Rung.SLOWING if share > 0.0 else Rung.HOLDING)
