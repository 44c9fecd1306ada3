"""How a training goes on, in the terminal."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from robot_rl.clock import NS_PER_S, Clock, MonotonicClock
from robot_rl.runtime.reporting.evaluation import EpisodeResult, Evaluation
from robot_rl.runtime.reporting.observers import Observer
from robot_rl.types import TimeStep

RECENT_EPISODES = 20
"""Episodes that the shown success and intervention rates are of."""
LINE_EVERY_STEPS = 1000
"""Environment steps, or updates of pretraining, between two lines where there is no terminal."""
_ROWS = ("success", "intervention", "base policy alone", "learner", "updates owed", "acting weights", "evaluation")
"""The state's rows, in the order in which they are shown once they are known."""
_SPEED_OVER_S = 300.0
"""The remaining time is estimated from the speed over so long: episodes, resets and evaluations average out."""
_SHOW_EVERY_NS = NS_PER_S * 3 // 10
"""Rich keeps a thousand moments to estimate from."""


class TrainingProgress(Observer):
    """A progress bar with the run's state beneath it; where the output is no terminal, a line now and then.

    Used as a context manager, or ended by `close`.
    """

    def __init__(
        self, total_steps: int, first_step: int = 0, console: Console | None = None, clock: Clock | None = None
    ) -> None:
        """Prepare; nothing is shown before the context is entered.

        Args:
            total_steps: environment steps of the run.
            first_step: those that it has made already: more than 0 where it is resumed.
            console: where to show it; standard output if None.
            clock: for rates; the machine's, if None.
        """
        self._total, self._step = total_steps, first_step
        self._console = console or Console()
        self._clock = clock or MonotonicClock()
        self._recent: deque[EpisodeResult] = deque(maxlen=RECENT_EPISODES)
        self._probes: deque[EpisodeResult] = deque(maxlen=RECENT_EPISODES)
        self._last_updates: tuple[int, float] | None = None  # time [ns], number of updates
        self._shown_ns = 0
        self._rows: dict[str, str] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("remaining"),
            TimeRemainingColumn(),
            console=self._console,
            speed_estimate_period=_SPEED_OVER_S,
        )
        self._pretraining = self._progress.add_task("pretraining (updates)", start=False, visible=False)
        self._training = self._progress.add_task(
            "training (steps)", start=False, total=total_steps, completed=first_step
        )
        self._live = Live(self._progress, console=self._console) if self._console.is_interactive else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Leave the last state on the screen."""
        self._show_step()
        if self._live is not None:
            self._live.stop()

    def on_pretrain(self, update: int, total: int) -> None:
        """`update` of `total` updates before the first environment step were made."""
        if self._live is None:
            if update % LINE_EVERY_STEPS == 0 or update == total:
                self._print(f"pretraining: update {update} of {total}")
            return
        self._progress.start_task(self._pretraining)
        self._progress.update(self._pretraining, completed=update, total=total, visible=update < total)

    def on_start(self, step: int) -> None:
        """Go on at this step."""
        self._step = step
        self._progress.update(self._training, completed=step)

    def on_step(self, time_step: TimeStep) -> None:
        """Count a step; the first time step of an episode is none."""
        if time_step.is_first:
            self._progress.start_task(self._training)
            return
        self._step += 1
        if self._clock.now_ns() - self._shown_ns >= _SHOW_EVERY_NS:
            self._show_step()
        if self._live is None and self._step % LINE_EVERY_STEPS == 0:
            state = "; ".join(f"{name} {value}" for name, value in self._known_rows())
            self._print(f"step {self._step} of {self._total}: {state or 'no episode has ended'}")

    def _show_step(self) -> None:
        self._shown_ns = self._clock.now_ns()
        self._progress.update(self._training, completed=self._step)

    def on_episode_end(self, episode: EpisodeResult) -> None:
        """Take an episode into the rates of the last ones."""
        if episode.is_probe:
            self._probes.append(episode)
            solved = sum(probe.is_success and probe.human_steps == 0 for probe in self._probes)
            self._rows["base policy alone"] = f"{solved} of the last {len(self._probes)} episodes"
            self._refresh()
            return
        self._recent.append(episode)
        successes = [recent for recent in self._recent if recent.is_success]
        alone = sum(recent.human_steps == 0 for recent in successes)
        steps = sum(recent.steps for recent in self._recent)
        human_steps = sum(recent.human_steps for recent in self._recent)
        self._rows["success"] = f"{len(successes)} of the last {len(self._recent)} episodes, {alone} without a person"
        self._rows["intervention"] = f"{human_steps / max(1, steps):.1%} of their steps"
        self._refresh()

    def on_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Show how the learner keeps up."""
        del step  # counted here, also between two lines of metrics
        now_ns, updates = self._clock.now_ns(), metrics.get("learner/updates")
        if updates is not None:
            if self._last_updates is not None and now_ns > self._last_updates[0]:
                then_ns, before = self._last_updates
                self._rows["learner"] = f"{(updates - before) / (now_ns - then_ns) * NS_PER_S:.1f} updates/s"
            self._last_updates = now_ns, updates
        if "learner/behind_steps" in metrics:
            self._rows["updates owed"] = f"those of {metrics['learner/behind_steps']:.1f} steps"
        if "actor/weights_age_steps" in metrics:
            self._rows["acting weights"] = f"{metrics['actor/weights_age_steps']:.0f} steps old"
        self._refresh()

    def on_evaluation(self, step: int, evaluation: Evaluation) -> None:
        """Show an evaluation."""
        low, high = evaluation.interval
        rate = f"{evaluation.success_rate:.1%} (95 %: {low:.1%} to {high:.1%}, {len(evaluation.episodes)} episodes)"
        self._rows["evaluation"] = f"{rate} at step {step}"
        if self._live is None:
            self._print(f"evaluation at step {step} of {self._total}: success {rate}")
        self._refresh()

    def _known_rows(self) -> list[tuple[str, str]]:
        return [(name, self._rows[name]) for name in _ROWS if name in self._rows]

    def _print(self, line: str) -> None:
        # A line stays a line whatever the width, and what is in brackets is no markup
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _refresh(self) -> None:
        """Show the rows; the table is built here, since the display draws it in a thread of its own."""
        if self._live is None:
            return
        self._show_step()
        table = Table(show_header=False)
        for name, value in self._known_rows():
            table.add_row(name, value)
        self._live.update(Group(self._progress, table))
