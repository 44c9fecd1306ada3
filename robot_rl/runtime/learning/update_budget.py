"""The contract between experience and learning: so many updates per environment step, no more and no fewer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class UpdateBudget:
    """Counts both sides.

    What a learner learns from a run would otherwise depend on how fast its machine happens to be.

    Attributes:
        utd: updates per environment step.
        warmup_steps: environment steps that bring none, at the start of a run.
        critic_first: updates without the actor that are owed at the end of these, beside those of each step.
        frozen_from_step: of these and later environment steps none brings any, either; None for no such end.
        steps: environment steps that arrived.
        updates: made so far.
    """

    utd: int
    warmup_steps: int
    critic_first: int = 0
    frozen_from_step: int | None = None
    steps: int = 0
    updates: int = 0

    @property
    def owed(self) -> int:
        """Updates that the experience so far asks for and that were not made yet."""
        last = self.steps if self.frozen_from_step is None else min(self.steps, self.frozen_from_step)
        beyond = last - self.warmup_steps
        return (self.critic_first + beyond * self.utd if beyond > 0 else 0) - self.updates

    @property
    def is_frozen(self) -> bool:
        """Whether there will be no more updates, however many steps arrive."""
        return self.frozen_from_step is not None and self.steps >= self.frozen_from_step and self.owed == 0

    @property
    def behind_steps(self) -> float:
        """How many environment steps the learner lags behind."""
        return self.owed / self.utd

    @property
    def is_actor_due(self) -> bool:
        """Whether the next update includes the actor's: the last of those that a step brings."""
        made = self.updates - self.critic_first
        return made >= 0 and (made + 1) % self.utd == 0
