"""`robot-rl actor`: the actor of a training run as a process, with the simulated robot in it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

from rich.console import Console

from robot_rl import config as configuration
from robot_rl.env.robot_env import RobotEnv
from robot_rl.runtime.acting.remote_actor import run_remote_actor
from robot_rl.runtime.acting.shadow import make_shadow
from robot_rl.runtime.assembly import make_env
from robot_rl.runtime.channels.connection import make_actor_channel
from robot_rl.runtime.commands.learner import to_folder
from robot_rl.runtime.config import TeleopConfig, TrainConfig
from robot_rl.runtime.interruption import interruptible
from robot_rl.runtime.reporting.metrics_writer import MetricsWriter, newest_evaluation
from robot_rl.runtime.reporting.observers import Observer
from robot_rl.runtime.reporting.run_summary import print_summary
from robot_rl.runtime.reporting.training_progress import TrainingProgress
from robot_rl.runtime.run_folder import RunFolder


@dataclass(frozen=True)
class Stage:
    """Where an actor acts.

    Attributes:
        env: with the person.
        lonely_env: without anybody, to evaluate in; may be of the same robot.
        observers: that belong to the place, told everything.
    """

    env: RobotEnv
    lonely_env: RobotEnv
    observers: Sequence[Observer] = ()


def run(overrides: list[str]) -> int:
    """Act on a simulated robot in this process, see `run_on`."""
    config = configuration.load(TrainConfig, "train", overrides)
    logging.basicConfig(format="%(message)s")

    @contextmanager
    def enter() -> Iterator[Stage]:
        yield Stage(make_env(config), make_env(replace(config, teleop=TeleopConfig())))

    return run_on(enter, config)


def run_on(enter: Callable[[], AbstractContextManager[Stage]], config: TrainConfig) -> int:
    """Act until the run has its steps, evaluate, and say what came of it; the last line printed is a JSON object.

    Args:
        enter: brings up the robot; not called where the run is finished.
        config: of the run, as the learner has it.

    Returns:
        0 where the run is over, 130 where interrupted: the same command goes on.

    Raises:
        ConfigError: no run_dir.
        RefusedError: the learner refuses this actor: its configuration is another.
    """
    folder = to_folder(config, "actor")
    console = Console()
    if folder.finished_steps() >= config.steps:
        console.print(f"The run {folder.path} is finished.", soft_wrap=True)
    else:
        with enter() as stage:
            has_finished = _act(stage, config, folder, console)
        if not has_finished:
            console.print("Interrupted; the same command goes on with the run.")
            return 130
    print_summary(config, folder, console)
    return 0


def _act(stage: Stage, config: TrainConfig, folder: RunFolder, console: Console) -> bool:
    """Whether the run was not interrupted."""
    for env in (stage.env, stage.lonely_env):
        env.base = make_shadow(config, env.spec, env.clock, is_lock_step=config.graph.is_lock_step)
    channel = make_actor_channel(config, stage.env.spec)
    has_finished = False
    try:
        with interruptible() as interrupted, TrainingProgress(config.steps, 0, console) as progress:
            metrics = MetricsWriter(folder.path)
            observers = [metrics, progress, *stage.observers]
            try:
                evaluation = run_remote_actor(
                    stage.env,
                    stage.lonely_env,
                    config,
                    channel,
                    observers,
                    lambda: bool(interrupted),
                    newest_evaluation(folder.path),
                )
            finally:
                metrics.close()
        has_finished = evaluation is not None
    finally:
        for env in (stage.env, stage.lonely_env):
            if env.base is not None:
                env.base.close()
        channel.close(has_finished=has_finished)
    return has_finished
