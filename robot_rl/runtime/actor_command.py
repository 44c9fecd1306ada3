"""`robot-rl actor`: the actor of a training run as a process, with the simulated robot in it."""

from __future__ import annotations

import logging
from dataclasses import replace

from rich.console import Console

from robot_rl import config as configuration
from robot_rl.runtime.assembly import make_env
from robot_rl.runtime.config import TeleopConfig, TrainConfig
from robot_rl.runtime.connection import make_actor_channel
from robot_rl.runtime.interruption import interruptible
from robot_rl.runtime.learner_command import to_folder
from robot_rl.runtime.metrics_writer import MetricsWriter
from robot_rl.runtime.remote_actor import run_remote_actor
from robot_rl.runtime.run_folder import RunFolder
from robot_rl.runtime.run_summary import print_summary
from robot_rl.runtime.training_progress import TrainingProgress


def run(overrides: list[str]) -> int:
    """Act until the run has its steps, evaluate, and say what came of it; the last line printed is a JSON object.

    Returns:
        0 where the run is over, 130 where interrupted: the same command goes on.

    Raises:
        ConfigError: no run_dir.
        ChannelError: the learner refuses this actor: its configuration is another.
    """
    config = configuration.load(TrainConfig, "train", overrides)
    folder = to_folder(config, "actor")
    console = Console()
    logging.basicConfig(format="%(message)s")
    if folder.finished_steps() >= config.steps:
        console.print(f"The run {folder.path} is finished.", soft_wrap=True)
    elif not _act(config, folder, console):
        console.print("Interrupted; the same command goes on with the run.")
        return 130
    print_summary(config, folder, console)
    return 0


def _act(config: TrainConfig, folder: RunFolder, console: Console) -> bool:
    """Whether the run was not interrupted."""
    env, evaluation_env = make_env(config), make_env(replace(config, teleop=TeleopConfig()))
    channel = make_actor_channel(config, env.spec)
    has_finished = False
    try:
        with interruptible() as interrupted, TrainingProgress(config.steps, 0, console) as progress:
            metrics = MetricsWriter(folder.path)
            observers = [metrics, progress]
            try:
                evaluation = run_remote_actor(
                    env, evaluation_env, config, channel, observers, lambda: bool(interrupted)
                )
            finally:
                metrics.close()
        has_finished = evaluation is not None
    finally:
        channel.close(has_finished=has_finished)
    return has_finished
