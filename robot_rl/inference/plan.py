"""A plan: a chunk of actions on its time line, with the noise that made it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from robot_rl.errors import SpecError


@dataclass(frozen=True, eq=False)
class Plan:
    """Chunks of normalised actions, and where in time they belong.

    Attributes:
        chunk: (B, H, A), normalised by the policy, so about [-1, 1].
        noise: (B, H, A), the standard normal noise that the chunk was denoised from, kept for the next decision.
        stamp_ns: the moment of position 0.
        period_ns: between two positions.
        version: of the policy's weights.
        executed: (B, H, A), the chunk, but with what plans before it have commanded at its first positions; None for
            a plan that goes on with none.
    """

    chunk: Tensor
    noise: Tensor
    stamp_ns: int = 0
    period_ns: int = 1
    version: int = -1
    executed: Tensor | None = None

    def __post_init__(self) -> None:
        if self.chunk.shape != self.noise.shape or self.chunk.dim() != 3:
            raise SpecError(
                f"a plan needs chunk and noise of one shape (B, H, A), got {tuple(self.chunk.shape)} and "
                f"{tuple(self.noise.shape)}."
            )

    @property
    def horizon(self) -> int:
        """H."""
        return self.chunk.shape[1]

    @property
    def is_finite(self) -> bool:
        """Whether it can be gone on with: what was made of a number that is none would never become one again."""
        return bool(self.chunk.isfinite().all())

    @property
    def executed_chunk(self) -> Tensor:
        """(B, H, A), the chunk, with what was commanded before it where that is known."""
        return self.chunk if self.executed is None else self.executed

    def position_at(self, stamp_ns: int) -> int:
        """The position whose period holds this moment; it may lie outside the chunk.

        A moment that is a little before the next period begins belongs to that: stamps of real devices tremble.
        """
        return count_periods(stamp_ns - self.stamp_ns, self.period_ns)

    def after(self, previous: Plan, count: int) -> Plan:
        """The same plan, the first `count` positions of which are commanded by another one, as far as that goes.

        Args:
            previous: the plan before it, moved to the same moment.
            count: how many.
        """
        before = previous.executed_chunk[:, :count]
        return replace(self, executed=torch.cat([before, self.chunk[:, count:]], dim=1))

    def advance(self, ticks: int, fresh_BHA: Tensor) -> Plan:
        """The same plan, seen `ticks` periods later.

        Chunk and noise move together, so that each action keeps its noise; the last action is repeated at the end,
        with fresh noise.

        Args:
            ticks: 0 or more; beyond the horizon nothing is left of the plan but its last action.
            fresh_BHA: standard normal; its last `ticks` positions are used.

        Raises:
            SpecError: negative ticks.
        """
        if ticks < 0:
            raise SpecError(f"a plan cannot be moved into the past: ticks must not be negative, got {ticks}.")
        if ticks == 0:
            return self
        stamp_ns, ticks = self.stamp_ns + ticks * self.period_ns, min(ticks, self.horizon)
        return replace(
            self,
            chunk=_move(self.chunk, ticks),
            noise=torch.cat([self.noise[:, ticks:], fresh_BHA[:, self.horizon - ticks :]], dim=1),
            stamp_ns=stamp_ns,
            executed=None if self.executed is None else _move(self.executed, ticks),
        )


def _move(chunk_BHA: Tensor, ticks: int) -> Tensor:
    return torch.cat([chunk_BHA[:, ticks:], chunk_BHA[:, -1:].expand(-1, ticks, -1)], dim=1)


def count_periods(duration_ns: int, period_ns: int) -> int:
    """How many periods have passed, one that lacks no more than a quarter of it included."""
    return (duration_ns + period_ns // 4) // period_ns
