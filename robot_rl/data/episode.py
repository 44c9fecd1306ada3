"""One recorded episode as arrays: what is read from a store, imported and exported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robot_rl.errors import SpecError
from robot_rl.types import Observation, Source, StepRecord, StepType, TimeStep


@dataclass(frozen=True, eq=False)
class Episode:
    """T control steps between T + 1 observations.

    Attributes:
        proprio: name -> float32 (T + 1, n).
        images: name -> uint8 (T + 1, H, W, 3), RGB.
        stamps_ns: of the observations, int64 (T + 1,).
        actions: executed actions, float32 (T, A).
        rewards: float32 (T,).
        sources: who chose the actions, int8 (T,).
        policy_versions: weights that were acting, int64 (T,).
        is_terminal: whether the task ended (no bootstrap), as opposed to the time.
        is_success: whether it ended well; None where nobody said.
        is_complete: whether the last time step is there; a killed writer leaves an episode without one.
        base_actions: of the frozen base policy, float32 (T + 1, A), or None without one.
        paid_at_start: reward that came with the first observation: of the step that ended in a pause, where this is the
            part of an episode that follows one; otherwise 0.
    """

    proprio: Mapping[str, NDArray[np.float32]]
    images: Mapping[str, NDArray[np.uint8]]
    stamps_ns: NDArray[np.int64]
    actions: NDArray[np.float32]
    rewards: NDArray[np.float32]
    sources: NDArray[np.int8]
    policy_versions: NDArray[np.int64]
    is_terminal: bool
    is_success: bool | None
    is_complete: bool = True
    base_actions: NDArray[np.float32] | None = None
    paid_at_start: float = 0.0

    def __len__(self) -> int:
        """Number of control steps."""
        return len(self.actions)

    @property
    def rate_hz(self) -> float | None:
        """Control steps per second, as its stamps say; None where they stand still.

        To one decimal: a robot's clock is not exact, and times of others are often float32.
        """
        period_ns = float(np.median(np.diff(self.stamps_ns)))
        return round(1e9 / period_ns, 1) if period_ns > 0.0 else None

    def records(self, episode: int) -> Iterator[StepRecord]:
        """Its time steps in their order, as those of episode number `episode`."""
        last = len(self) if self.is_complete else -1
        for step in range(len(self) + 1):
            observation = Observation(
                {name: values[step] for name, values in self.proprio.items()},
                {name: values[step] for name, values in self.images.items()},
                int(self.stamps_ns[step]),
                None if self.base_actions is None else self.base_actions[step],
            )
            kind = StepType.FIRST if step == 0 else StepType.LAST if step == last else StepType.MID
            if step == 0:
                action, reward, source, version = np.zeros_like(self.actions[0]), self.paid_at_start, Source.POLICY, -1
            else:
                action, reward = self.actions[step - 1], float(self.rewards[step - 1])
                source, version = Source(int(self.sources[step - 1])), int(self.policy_versions[step - 1])
            discount = 0.0 if step == last and self.is_terminal else 1.0
            time_step = TimeStep(kind, observation, reward, discount, action, source)
            yield StepRecord(time_step, episode, step, version, bool(self.is_success) and step == last)


def to_episode(records: Sequence[StepRecord]) -> Episode:
    """The records of one episode, in their order and without a gap, as arrays.

    Raises:
        SpecError: fewer than two time steps, a gap, or a first one that is not the first.
    """
    steps = [record.step for record in records]
    if len(records) < 2 or steps != list(range(len(records))):
        raise SpecError(f"an episode needs time steps 0, 1, 2, ... and at least two, got {steps[:20]}.")
    time_steps = [record.time_step for record in records]
    observations = [time_step.observation for time_step in time_steps]
    first, last = observations[0], time_steps[-1]
    has_base = first.base_action is not None
    return Episode(
        proprio={name: np.stack([o.proprio[name] for o in observations]) for name in first.proprio},
        images={name: np.stack([o.images[name] for o in observations]) for name in first.images},
        stamps_ns=np.array([o.stamp_ns for o in observations], np.int64),
        actions=np.stack([t.applied_action for t in time_steps[1:]]),
        rewards=np.array([t.reward for t in time_steps[1:]], np.float32),
        sources=np.array([t.source for t in time_steps[1:]], np.int8),
        policy_versions=np.array([r.policy_version for r in records[1:]], np.int64),
        is_terminal=last.is_terminal,
        is_success=records[-1].is_success,
        is_complete=last.is_last,
        base_actions=np.stack([o.base_action for o in observations if o.base_action is not None]) if has_base else None,
        paid_at_start=float(time_steps[0].reward),
    )
