"""The other processes of a graph that is measured, and this one joined to them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import rclpy
from rclpy.context import Context
from rclpy.node import Node

from robot_rl import config as configuration
from robot_rl.runtime.config import TrainConfig
from robot_rl.runtime.processes.environment import make_environment
from robot_rl.runtime.processes.executables import to_command
from robot_rl.runtime.processes.graph import list_processes
from robot_rl.runtime.processes.ros_domain import reserve_domain
from robot_rl_ros.assembly import RosWorkcell
from robot_rl_ros.link import Link

_PATIENCE_S = 120.0  # the first start compiles the 1 kHz loop
_END_S = 20.0


@dataclass(frozen=True)
class Graph:
    """A graph without its actor, whose place this process takes.

    Attributes:
        config: of all processes, with the run's folder and the channel's address.
        link: of this process.
        cell: the robot.
    """

    config: TrainConfig
    link: Link
    cell: RosWorkcell


@contextmanager
def running(words: Sequence[str], names: Sequence[str] = ("simulation",)) -> Iterator[Graph]:
    """Start the processes `names` of the training graph for the KEY=VALUE `words`, and join them."""
    processes = {process.name: process for process in list_processes("train_peg", words)}
    with ExitStack() as stack:
        domain = stack.enter_context(reserve_domain())
        environment = make_environment(os.environ, 200) | {"ROS_DOMAIN_ID": str(domain)}
        for name in names:
            stack.enter_context(_started(to_command(processes[name]), environment))
        config = configuration.load(TrainConfig, "train", processes["actor"].arguments)
        os.environ.update({key: environment[key] for key in ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE")})
        context = Context()
        rclpy.init(args=[], context=context)
        stack.callback(context.try_shutdown)
        link = Link(Node("actor", context=context), _PATIENCE_S)
        stack.callback(link.close)
        yield Graph(config, link, RosWorkcell(link, config))


@contextmanager
def _started(command: Sequence[str], environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
