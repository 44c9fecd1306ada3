"""A training run's learner as a process: serves its actors, and ends when they have gone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from robot_rl.runtime.channels.channel import LearnerChannel
from robot_rl.runtime.learning.learner_loop import run_learner, run_learner_in_step
from robot_rl.runtime.learning.learner_run import LearnerRun


class LearnerService:
    """Serves the actors of one run until it is over for them, or interrupted."""

    def __init__(self, run: LearnerRun, channel: LearnerChannel, is_interrupted: Callable[[], bool]) -> None:
        """Join a run that was prepared with its channel."""
        self._run, self._channel, self._is_interrupted = run, channel, is_interrupted
        self._has_met_actors = False
        self._left_s = -math.inf
        self._progress, self._since_s = (0, 0), -math.inf

    def serve(self) -> bool:
        """Learn from what actors send; False where interrupted.

        Weights are offered before the first time step and, where actors wait, after every episode. When the run has
        all its steps, the last ones are announced as such, and the actors are waited for until they have finished, or
        have been silent or away for the configured time. However it ends, everything is on the disk then.
        """
        run = self._run
        self._progress = self._find_progress()
        self._end_episode()
        run.learner.announce()
        if run.config.waits_for_learner:
            run_learner_in_step(run.learner, self._channel, self._is_finished, self._on_step, self._end_episode)
        else:
            run_learner(run.learner, self._is_finished_freely, self._on_look)
        if not run.is_saved:
            run.save()
        run.flush()
        self._channel.acknowledge()
        return not self._is_interrupted()

    def _is_finished(self) -> bool:
        now_s, patience_s = time.monotonic(), self._run.config.channel.patience_s
        is_gone = self._channel.count_actors(math.inf) == 0
        if not is_gone:
            self._left_s = now_s
        has_finished = self._channel.finished_actors > 0
        is_present = self._channel.count_actors(patience_s) > 0
        self._has_met_actors |= is_present or has_finished
        # who said goodbye without having finished may be started again, for the last evaluation
        may_return = is_gone and not has_finished and now_s - self._left_s < patience_s
        if self._is_interrupted():
            return True
        return self._run.learner.is_over and self._has_met_actors and not is_present and not may_return

    def _is_finished_freely(self) -> bool:
        """The same where no actor waits: then no end of an episode offers the last weights, or says that they are."""
        if self._run.has_all and not self._run.learner.is_end_announced:
            self._end_episode()
            self._run.learner.announce()
        return self._is_finished()

    def _end_episode(self) -> None:
        """Save what is due, then offer the weights that the next episode begins with."""
        self._count_time()
        self._run.save_if_due()
        if self._run.has_all and not self._run.is_saved:
            self._run.save()
        self._run.learner.publish(is_forced=True)

    def _on_step(self) -> None:
        self._run.log_if_due()
        self._count_time()

    def _on_look(self) -> None:
        self._on_step()
        self._run.save_if_due()

    def _count_time(self) -> None:
        """Add the time since the last time step or update; a silence that outlasts the patience was no training."""
        progress, now_s = self._find_progress(), time.monotonic()
        if progress == self._progress:
            return
        passed_s = now_s - self._since_s
        if passed_s <= self._run.config.channel.patience_s:
            self._run.training_s += passed_s
        self._progress, self._since_s = progress, now_s

    def _find_progress(self) -> tuple[int, int]:
        return self._run.steps, self._run.learner.budget.updates
