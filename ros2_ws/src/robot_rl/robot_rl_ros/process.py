"""What every process of the graph begins and ends with."""

from __future__ import annotations

import argparse
import gc
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.subscription import Subscription
from rclpy.utilities import remove_ros_args

from robot_rl import config as configuration
from robot_rl.runtime.acting import named_policy
from robot_rl.runtime.config import EnvConfig, RecordConfig, TrainConfig
from robot_rl.runtime.interruption import interruptible
from robot_rl.runtime.policy_config import DistillConfig, EvalConfig, PolicyConfig
from robot_rl.runtime.processes import running_graph
from robot_rl.runtime.processes.running_graph import RunningGraph
from robot_rl_ros.hot_wait import HotWait
from robot_rl_ros.membership import joined

_LOOK_EVERY_S = 0.05  # whether it is to end
_HOT_S, _SERVE_EVERY_S = 0.005, 0.02
NEEDED_S = 18.0
"""Whoever moves the robot has been asked a second time to end by then, and the robot's process has not."""

_SCHEMAS: dict[str, type[EnvConfig]] = {
    "train": TrainConfig,
    "eval": EvalConfig,
    "record": RecordConfig,
    "distill": DistillConfig,
    "env": EnvConfig,
}


@contextmanager
def started(description: str, arguments: Sequence[str] | None) -> Iterator[EnvConfig]:
    """Join the graph with the configuration that the command line says: see `membership.joined`.

    Args:
        description: of the program, for --help.
        arguments: the command line, with the program's name; None for that of the process.
    """
    argv = list(sys.argv if arguments is None else arguments)
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--config", choices=sorted(_SCHEMAS), default="train", help="configuration to compose")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="for example task=peg seed=1")
    parsed = parser.parse_args(remove_ros_args(argv)[1:])
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    with joined(parser.prog, argv):
        config = configuration.load(_SCHEMAS[parsed.config], parsed.config, parsed.overrides)
        if isinstance(config, PolicyConfig):
            config = named_policy.resolve(config, parsed.config, parsed.overrides)
        yield config


@contextmanager
def robot_claimed() -> Iterator[None]:
    """Be the only process on this machine that serves a robot in this ROS domain and namespace.

    A second graph of `ros2 launch` would mix its states into the first one's, and hear the commands for its arm.

    Raises:
        ConfigError: another one does.
    """
    node = Node("claim", start_parameter_services=False, enable_rosout=False)  # ROS says the namespace to nodes alone
    place = RunningGraph(node.context.get_domain_id(), node.get_namespace().strip("/"))
    node.destroy_node()
    with running_graph.robot_claimed(place):
        yield


def freeze_heap() -> None:
    """Call what is there now permanent, for the garbage collector.

    Its full collection looks at each of a third of a million objects, nearly all of them of libraries, while no other
    thread of the process runs: more than a policy period on a busy machine.
    """
    gc.collect()
    gc.freeze()


def serve(
    nodes: Sequence[Node],
    hot: Sequence[Subscription[Any]] = (),
    is_needed: Callable[[], bool] = lambda: False,
) -> None:
    """Serve nodes until Ctrl-C, SIGTERM or the end of the terminal.

    Args:
        nodes: all of one context.
        hot: subscriptions of theirs whose messages come in quick succession: then these alone are waited for, and
            everybody else is asked now and then.
        is_needed: whether somebody relies on them; told to end, they are served for a while nevertheless.
    """
    context = nodes[0].context
    executor = SingleThreadedExecutor(context=context)
    for node in nodes:
        executor.add_node(node)
    wait = HotWait(context, hot)
    end_s: float | None = None
    freeze_heap()
    with suppress(KeyboardInterrupt), interruptible() as interrupted:
        while end_s is None or (is_needed() and time.monotonic() < end_s):
            executor.spin_once(timeout_sec=_LOOK_EVERY_S)
            cold_s = time.monotonic() + _SERVE_EVERY_S
            while hot and time.monotonic() < cold_s and wait.wait(_HOT_S):
                wait.handle()
            if interrupted and end_s is None:
                end_s = time.monotonic() + NEEDED_S
    executor.shutdown()
