"""What watches a run: override what is of interest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from robot_rl.types import TimeStep

if TYPE_CHECKING:
    from robot_rl.runtime.reporting.evaluation import EpisodeResult, Evaluation


class Observer:
    """Watches an evaluation or a training."""

    def on_start(self, step: int) -> None:
        """The actor begins; the run has made so many environment steps before."""

    def on_step(self, time_step: TimeStep) -> None:
        """A time step, the first of an episode included."""

    def on_episode_end(self, episode: EpisodeResult) -> None:
        """An episode has ended."""

    def on_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """What the learner measured, after so many environment steps."""

    def on_evaluation(self, step: int, evaluation: Evaluation) -> None:
        """The policy was evaluated, after so many environment steps."""

    def close(self) -> None:
        """The run is over, well or not."""
