"""A simulated robot in a process of its own, and this process joined to it: real rclpy, real DDS, loopback only."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import QoSProfile
from robot_rl_ros import qos
from robot_rl_ros.assembly import RosWorkcell
from robot_rl_ros.link import Link

from robot_rl import config as configuration
from robot_rl.clock import to_ns
from robot_rl.runtime.config import TrainConfig

PATIENCE_S = 90.0
"""Other test processes compile and train beside this one."""


@dataclass
class Process:
    """A process of the graph, with what it has printed."""

    popen: subprocess.Popen[bytes]
    log: Path

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()

    def end(self, patience_s: float = 30.0) -> int:
        """Ask it to end; its exit status."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(patience_s)


@contextmanager
def started(module: str, folder: Path, *words: str) -> Iterator[Process]:
    """A process of the graph; killed at the end, if it is still there."""
    log = folder / f"{module}.log"
    with log.open("ab") as file:
        popen = subprocess.Popen(
            [sys.executable, "-m", f"robot_rl_ros.{module}", *words], stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
    process = Process(popen, log)
    try:
        yield process
    finally:
        process.kill()


@dataclass
class Joined:
    """This process in the graph: the environment over the wire, and what is behind it."""

    cell: RosWorkcell
    link: Link
    node: Node
    config: TrainConfig

    def advance(self, seconds: float) -> None:
        clock = self.cell.env.clock
        clock.sleep_until_ns(clock.now_ns() + to_ns(seconds))

    def wait_for(self, is_reached: Callable[[], bool]) -> None:
        """Handle messages until a condition holds."""
        assert self.link.spin_until(is_reached, PATIENCE_S)

    def hear(self, message_type: type[Any], topic: str, profile: QoSProfile = qos.STREAM) -> list[Any]:
        """What a topic carries from now on."""
        messages: list[Any] = []
        self.node.create_subscription(message_type, topic, messages.append, profile)
        return messages


def load(*words: str) -> TrainConfig:
    return configuration.load(TrainConfig, "train", words)


def make_context() -> Context:
    """ROS, started once more in this process."""
    context = Context()
    rclpy.init(args=[], context=context)
    return context


@contextmanager
def joined(config: TrainConfig, name: str = "actor", patience_s: float = PATIENCE_S) -> Iterator[Joined]:
    """Join the simulator of this domain."""
    context = make_context()
    node = Node(name, context=context)
    link = Link(node, patience_s)
    try:
        yield Joined(RosWorkcell(link, config), link, node, config)
    finally:
        link.close()
        node.destroy_node()
        rclpy.try_shutdown(context=context)


@contextmanager
def graph(folder: Path, *words: str) -> Iterator[tuple[Process, Joined]]:
    """A simulator and this process, joined."""
    with started("simulation", folder, *words) as process, joined(load(*words)) as here:
        yield process, here
