"""The actor as a process: environment and policy on one side of the channel, over the devices of the graph."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console

from robot_rl.errors import ConfigError
from robot_rl.runtime.commands import actor as actor_command
from robot_rl.runtime.commands import evaluate as evaluate_command
from robot_rl.runtime.config import EnvConfig, TrainConfig
from robot_rl.runtime.policy_config import EvalConfig
from robot_rl_ros import driver, process

NAME = "actor"


def train(config: TrainConfig) -> int:
    """Act in a training run until it is over; 130 where it was interrupted."""

    @contextmanager
    def enter() -> Iterator[actor_command.Stage]:
        with driver.joined(NAME, config) as here:
            yield actor_command.Stage(here.cell.env, here.cell.lonely_env, [here.observer])

    return actor_command.run_on(enter, config)


def evaluate(config: EvalConfig) -> int:
    """Evaluate a policy."""
    with driver.joined(NAME, config) as here:
        cameras = list(here.cell.robot.cameras.values())
        return evaluate_command.run_on(here.cell.env, config, Console(), cameras, [here.observer])


def act(config: EnvConfig) -> int:
    """What the configuration is for."""
    if isinstance(config, TrainConfig):
        return train(config)
    if isinstance(config, EvalConfig):
        return evaluate(config)
    raise ConfigError("the actor trains or evaluates: --config train or --config eval.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the actor of a training run, or an evaluation."""
    with process.started(__doc__, arguments) as config:
        return act(config)


if __name__ == "__main__":
    sys.exit(main())
