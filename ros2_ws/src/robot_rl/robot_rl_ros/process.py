"""What every process of the graph begins and ends with."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import rclpy
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

from robot_rl import config as configuration
from robot_rl.errors import RobotRLError
from robot_rl.runtime import evaluate_command
from robot_rl.runtime.config import EnvConfig, EvalConfig, RecordConfig, TrainConfig

_SCHEMAS: dict[str, type[EnvConfig]] = {
    "train": TrainConfig,
    "eval": EvalConfig,
    "record": RecordConfig,
    "env": EnvConfig,
}


@contextmanager
def started(description: str, arguments: Sequence[str] | None, *, has_handlers: bool = True) -> Iterator[EnvConfig]:
    """Join the graph with the configuration that the command line says, and leave it at the end.

    An error of the project becomes one line on standard error and the exit status 2; an interruption, status 130.

    Args:
        description: of the program, for --help.
        arguments: the command line, with the program's name; None for that of the process.
        has_handlers: whether Ctrl-C and SIGTERM shut ROS down at once; False for who has something to end first.
    """
    argv = list(sys.argv if arguments is None else arguments)
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--config", choices=sorted(_SCHEMAS), default="train", help="configuration to compose")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="for example task=peg seed=1")
    parsed = parser.parse_args(remove_ros_args(argv)[1:])
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    options = SignalHandlerOptions.ALL if has_handlers else SignalHandlerOptions.NO
    rclpy.init(args=argv, signal_handler_options=options)
    try:
        config = configuration.load(_SCHEMAS[parsed.config], parsed.config, parsed.overrides)
        if isinstance(config, EvalConfig):
            config = evaluate_command.resolve(config, parsed.overrides)
        yield config
    except RobotRLError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    finally:
        rclpy.try_shutdown()
