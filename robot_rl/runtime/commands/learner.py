"""`robot-rl learner`: the learner of a training run as a process, for actors elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path

from rich.console import Console

from robot_rl import config as configuration
from robot_rl.errors import ChannelError, ConfigError
from robot_rl.runtime.assembly import make_run_spec
from robot_rl.runtime.channels.agreement import find_difference
from robot_rl.runtime.channels.connection import make_learner_channel
from robot_rl.runtime.channels.zmq_channel import ZmqLearnerChannel
from robot_rl.runtime.config import TrainConfig
from robot_rl.runtime.interruption import interruptible
from robot_rl.runtime.learning.learner_run import LearnerRun
from robot_rl.runtime.learning.learner_service import LearnerService
from robot_rl.runtime.reporting.alarms import AlarmBell
from robot_rl.runtime.reporting.metrics_writer import MetricsWriter
from robot_rl.runtime.reporting.observers import Observer
from robot_rl.runtime.reporting.training_progress import LINE_EVERY_STEPS
from robot_rl.runtime.run_folder import RunFolder, beginning, resolve


def run(overrides: list[str]) -> int:
    """Begin a run, or go on with it; the last line printed is a JSON object where the run has come to its end.

    Returns:
        0 where the run is over for its actors, or was before; 130 where interrupted.

    Raises:
        ConfigError: no run_dir, or it holds a run of another configuration; the message names the keys.
        ChannelError: the actors have gone without the last evaluation; whoever is started again with them makes it.
    """
    said = configuration.load(TrainConfig, "train", overrides)
    config = resolve(said)
    folder = to_folder(config, "learner")
    console = Console(soft_wrap=True)
    if folder.config_file.exists():
        if difference := find_difference(resolve(folder.load_config()), config):
            raise ConfigError(
                f"{folder.path} holds a run of another configuration: {difference}. Go on with the words that it was "
                "begun with, or choose another run_dir."
            )
        if folder.finished_steps() >= config.steps:
            console.print(
                f"The run {folder.path} is finished: it has its {folder.finished_steps()} steps, and was evaluated. "
                f"Evaluate it again with: robot-rl eval policy={folder.path}"
            )
            return 0
        folder.update(config)
        entering: AbstractContextManager[None] = nullcontext()  # another learner may be running it: nothing is undone
    else:
        entering = beginning(folder, config)
    # an actor has the words as they are said, on another machine perhaps, where the same files lie elsewhere
    with (
        entering,
        interruptible() as interrupted,
        closing(make_learner_channel(said, make_run_spec(said))) as channel,
    ):
        console.print(f"run {folder.path}: {config.agent.name} on {config.task.name}, seed {config.seed}")
        return _learn(config, folder, console, lambda: bool(interrupted), channel)


def to_folder(config: TrainConfig, command: str) -> RunFolder:
    """The configured folder of a run, which learner and actor must both be told."""
    if config.run_dir is None:
        raise ConfigError(f"robot-rl {command} must be told the folder of the run, for example run_dir=runs/peg-1.")
    return RunFolder(Path(config.run_dir))


def _learn(
    config: TrainConfig,
    folder: RunFolder,
    console: Console,
    is_interrupted: Callable[[], bool],
    channel: ZmqLearnerChannel,
) -> int:
    metrics = MetricsWriter(folder.path, folder.count_steps(), is_learner=True)
    lines = _Lines(console, config.steps)
    try:
        learner_run = LearnerRun(config, folder, make_run_spec(config), channel, [metrics, lines, AlarmBell(console)])
        try:
            has_ended = learner_run.prepare(lines.on_pretrain, is_interrupted)
            if has_ended:
                steps = learner_run.steps
                console.print(f"learner ready at {channel.address}: {steps} of {config.steps} steps are made")
                has_ended = LearnerService(learner_run, channel, is_interrupted).serve()
        finally:
            learner_run.close()
    finally:
        metrics.close()
    if not has_ended:
        console.print(f"Interrupted after {learner_run.steps} steps; the same command goes on with the run.")
        return 130
    if not channel.finished_actors:
        raise ChannelError(
            f"All {learner_run.steps} steps are made and saved, but the actors have gone without the last evaluation; "
            f"make it by starting learner and actor again, or with: robot-rl eval policy={folder.path}"
        )
    folder.mark_finished(learner_run.steps)
    console.print(f"The run is finished: {learner_run.steps} steps.")
    result = {
        "run": str(folder.path),
        "env_steps": learner_run.steps,
        "updates": learner_run.learner.budget.updates,
        "training_minutes": round(learner_run.training_s / 60.0, 2),
    }
    print(json.dumps(result), flush=True)
    return 0


class _Lines(Observer):
    """A line now and then."""

    def __init__(self, console: Console, total_steps: int) -> None:
        self._console, self._total = console, total_steps
        self._said_at_step = 0

    def on_pretrain(self, update: int, total: int) -> None:
        """`update` of `total` updates before the first environment step were made."""
        if update % LINE_EVERY_STEPS == 0 or update == total:
            self._console.print(f"pretraining: update {update} of {total}")

    def on_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Say how far the run is, and how much is owed."""
        if step - self._said_at_step >= LINE_EVERY_STEPS:
            self._said_at_step = step
            updates, behind = metrics["learner/updates"], metrics["learner/behind_steps"]
            self._console.print(f"step {step} of {self._total}: {updates:.0f} updates, {behind:.1f} steps behind")
