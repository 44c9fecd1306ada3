"""`robot-rl train` and `robot-rl resume`."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from robot_rl import config as configuration
from robot_rl.errors import ConfigError
from robot_rl.runtime.channels.agreement import find_difference
from robot_rl.runtime.config import TrainConfig
from robot_rl.runtime.interruption import interruptible
from robot_rl.runtime.learning.training import Training
from robot_rl.runtime.reporting.alarms import AlarmBell
from robot_rl.runtime.reporting.evaluation import Evaluation
from robot_rl.runtime.reporting.learning_curve import plot_runs
from robot_rl.runtime.reporting.metrics_writer import MetricsWriter
from robot_rl.runtime.reporting.training_progress import TrainingProgress
from robot_rl.runtime.run_folder import RunFolder, beginning, choose_folder, resolve


def train(overrides: list[str]) -> int:
    """Start a run as the overrides say; the last line printed is a JSON object."""
    config = resolve(configuration.load(TrainConfig, "train", overrides))
    folder = choose_folder(config)
    with beginning(folder, config):
        return _run(config, folder)


def resume(path: Path, overrides: list[str]) -> int:
    """Continue a run from its newest checkpoint, with more steps if the overrides say so; the last line as `train`'s.

    Raises:
        ConfigError: the folder holds no run, or the overrides change what is learned.
    """
    folder = RunFolder(path)
    stored = folder.load_config()
    config = configuration.amend(stored, overrides)
    if difference := find_difference(stored, config):
        raise ConfigError(f"{path} cannot go on with another configuration: {difference}. Begin another run with it.")
    if overrides and config.steps < (made := folder.count_steps()):
        raise ConfigError(f"{path} has {made} steps already: it cannot end after {config.steps}.")
    return _run(config, folder)


def _run(config: TrainConfig, folder: RunFolder) -> int:
    console = Console()
    console.print(f"run {folder.path}: {config.agent.name} on {config.task.name}, seed {config.seed}")
    first_step = folder.count_steps()
    with interruptible() as interrupted, TrainingProgress(config.steps, first_step, console) as progress:
        metrics = MetricsWriter(folder.path, first_step)
        try:
            training = Training(config, folder, [metrics, progress, AlarmBell(console)])
        except BaseException:
            metrics.close()
            raise
        evaluation = training.run(lambda: bool(interrupted), progress.on_pretrain)
    if evaluation is None:
        console.print(f"Interrupted; go on with: robot-rl resume {folder.path}", soft_wrap=True)  # to be copied
        return 130
    curve = folder.path / "learning_curve.png"
    plot_runs({config.agent.name: [folder.path]}, curve, f"{config.task.name}, seed {config.seed}")
    console.print(f"wrote {curve}\nevaluate it again with: robot-rl eval policy={folder.path}")
    print(json.dumps(_to_json(config, folder, training, evaluation)))
    return 0


def _to_json(config: TrainConfig, folder: RunFolder, training: Training, evaluation: Evaluation) -> dict[str, object]:
    return {
        **evaluation.to_json(),
        "run": str(folder.path),
        "task": config.task.name,
        "agent": config.agent.name,
        "seed": config.seed,
        "env_steps": training.learner.budget.steps,
        "updates": training.learner.budget.updates,
        "training_minutes": round(training.training_s / 60.0, 2),
    }
