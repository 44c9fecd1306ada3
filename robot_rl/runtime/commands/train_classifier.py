"""`robot-rl train-classifier`: a success classifier from recordings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TaskID

from robot_rl import config as configuration
from robot_rl.runtime.classifier.config import ClassifierConfig
from robot_rl.runtime.classifier.labels import Part
from robot_rl.runtime.classifier.report import draw_report
from robot_rl.runtime.classifier.training import train
from robot_rl.runtime.interruption import interruptible
from robot_rl.runtime.reporting.output_file import check_path

_FEW = 0.9
"""Of the images that show a success: with fewer, a debounced reward comes late or not at all."""


def run(overrides: Sequence[str]) -> int:
    """Train as the overrides say; the last line printed is a JSON object.

    Ctrl-C ends the training with the best weights so far; a second one ends it at once.
    """
    config = configuration.load(ClassifierConfig, "classifier", [_listed(word) for word in overrides])
    out = Path(config.out)
    report = out.with_name(f"{out.stem}_report.png")
    if config.report is not None:
        report = Path(config.report)
        check_path(report, "report", ".png")
    console = Console()
    with Progress(console=console) as progress, interruptible() as interrupted:
        trained = train(config, _Bar(progress, interrupted, config.fit.max_updates))
    draw_report(trained.figures, trained.gathered.parts[Part.TEST], trained.fitted.losses, report)
    for output in trained.figures:
        console.print(f"{output.name}: {output.claim.statement}")
        if output.recall < _FEW:
            console.print(
                f"{output.name}: of the held-out images that show it only {output.recall:.0%} are called so. Where "
                "the mark comes late, the images before it show it, too, and count as mistakes: "
                "labels.ambiguous_steps=10 leaves out as many before each mark; else more episodes are needed.",
                style="yellow",
            )
    print(json.dumps({"classifier": config.out, "report": str(report), **trained.to_json()}))
    return 130 if interrupted else 0


class _Bar:
    """Shows how far it is."""

    def __init__(self, progress: Progress, interrupted: Sequence[int], max_updates: int) -> None:
        self._progress, self._interrupted, self._max_updates = progress, interrupted, max_updates
        self._task: TaskID | None = None
        self._is_training = False

    def on_gathering(self, episodes: int) -> None:
        """See Listener."""
        self._task = self._progress.add_task("reading", total=episodes)

    def on_episode(self, source: str) -> None:
        """See Listener."""
        if self._interrupted:
            raise KeyboardInterrupt  # half of the data is no data
        assert self._task is not None
        self._progress.update(self._task, advance=1, description=f"reading {Path(source).name}")

    def on_look(self, update: int, loss: float) -> bool:
        """See Listener."""
        assert self._task is not None
        if not self._is_training:
            self._is_training = True
            self._progress.reset(self._task, total=self._max_updates)
        self._progress.update(self._task, completed=update, description=f"validation loss {loss:.4f}")
        return not self._interrupted


def _listed(word: str) -> str:
    """data=a,b as Hydra writes a list, data=[a,b]: a bare comma would mean several trainings to it."""
    key, equals, value = word.partition("=")
    return f"{key}=[{value}]" if key in {"data", "cameras"} and equals and not value.startswith("[") else word
