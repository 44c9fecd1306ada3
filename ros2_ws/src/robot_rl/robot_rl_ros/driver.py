"""What the processes that drive the robot have in common: they join it, may move it, and say what they do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rclpy.node import Node
from robot_rl_msgs.msg import Episode

from robot_rl.errors import DeviceError
from robot_rl.runtime.config import EnvConfig
from robot_rl.runtime.processes.running_graph import RunningGraph
from robot_rl.runtime.reporting.evaluation import EpisodeResult
from robot_rl.runtime.reporting.observers import Observer
from robot_rl.runtime.stopping import stopping
from robot_rl.types import Source, StopRecord, TimeStep
from robot_rl_ros import convert, process, qos
from robot_rl_ros.assembly import RosWorkcell
from robot_rl_ros.devices.arm import CONTROLLER
from robot_rl_ros.link import Link

_JOIN_S = 240.0
"""What is started with the graph has at least this time to appear; a robot that moves is judged by its patience.

On a machine that has never run the law, that is compiled first: about a minute, and an arm's driver may take three.
"""
_SETTLE_S = 3.0
"""Whoever is in the graph has answered a node that joins by then: on a busy machine that has taken 2 s."""
_REMIND_EVERY_S = 10.0


class GraphObserver(Observer):
    """Tells the graph what is done with the robot: each episode, and to the person whether they have it."""

    def __init__(self, node: Node, cell: RosWorkcell) -> None:
        self._cell = cell
        self._episodes = node.create_publisher(Episode, "~/episode", qos.STREAM)
        self._has_person = False

    def on_step(self, time_step: TimeStep) -> None:
        """Show a takeover or a hand-back."""
        has_person = time_step.source is Source.HUMAN and not time_step.is_last
        if has_person is not self._has_person and self._cell.teleop is not None:
            self._cell.teleop.show(has_person, time_step.observation.stamp_ns)
        self._has_person = has_person

    def on_episode_end(self, episode: EpisodeResult) -> None:
        """Publish the episode."""
        self._episodes.publish(convert.to_episode(episode, self._cell.env.clock.now_ns()))


@dataclass(frozen=True)
class Driver:
    """Who drives the robot of a graph.

    Attributes:
        cell: the robot.
        observer: to be told everything.
    """

    cell: RosWorkcell
    observer: GraphObserver


@contextmanager
def joined(name: str, config: EnvConfig) -> Iterator[Driver]:
    """Join the robot of the graph as the node `name`; its arm may move, and is stopped at the end.

    Raises:
        DeviceError: nobody is there, or somebody else drives there.
    """
    node = Node(name)
    link = Link(node, max(config.graph.patience_s, _JOIN_S))
    try:
        wait_alone(link)
        cell = RosWorkcell(link, config)
        check_alone(node, own=1)  # whoever came meanwhile
        free_to_move(link, cell, config)
        link.patience_s = config.graph.patience_s
        process.freeze_heap()
        with stopping(cell.robot, f"the {name}"):
            yield Driver(cell, GraphObserver(node, cell))
    finally:
        link.close()
        node.destroy_node()


def wait_alone(link: Link) -> None:
    """Wait for the controller of the graph, and see to it that nobody drives it.

    Before anything is created that the controller would hear: it stops its arm when one who may command it leaves.

    Raises:
        DeviceError: it is not there; or see `check_alone`.
    """
    node = link.node
    topic = node.resolve_topic_name(f"{CONTROLLER}/state")
    deadline_s = time.monotonic() + link.patience_s
    while not link.spin_until(lambda: node.count_publishers(topic) > 0, min(_REMIND_EVERY_S, link.patience_s)):
        if time.monotonic() >= deadline_s:
            raise DeviceError(f"No robot has joined within {link.patience_s:g} s: nobody publishes {topic}.")
        node.get_logger().info(f"waiting for a robot: nobody publishes {topic} yet")
    link.spin_until(lambda: bool(find_rival(node, own=0)), _SETTLE_S)
    check_alone(node, own=0)


def check_alone(node: Node, own: int) -> None:
    """See to it that nobody else drives the robot: two graphs in one place hear, and would move, each other's arm.

    Args:
        node: a node of the graph.
        own: how many publishers of commands this process has.

    Raises:
        DeviceError: there is another driver, or another robot.
    """
    rival = find_rival(node, own)
    if rival:
        raise DeviceError(
            f"Another graph runs in ROS domain {node.context.get_domain_id()}: {rival}. This one leaves its arm alone. "
            "End it, or give this one a ROS_DOMAIN_ID or a --namespace of its own."
        )


def find_rival(node: Node, own: int) -> str:
    """Which sign there is of another graph; "" for none. Arguments as in `check_alone`."""
    states, commands = (node.resolve_topic_name(f"{CONTROLLER}/{topic}") for topic in ("state", "equilibrium_pose"))
    robots = node.count_publishers(states)
    if robots > 1:
        return f"{robots} controllers publish {states}"
    return f"somebody else publishes {commands}" if node.count_publishers(commands) > own else ""


def free_to_move(link: Link, cell: RosWorkcell, config: EnvConfig) -> None:
    """Wait until the arm may move. Only a simulated one is recovered without a person having said so."""
    arm = cell.robot.arm
    stop = arm.state().stop
    if stop is not None and config.graph.recovers:
        arm.recover()
    while (stop := arm.state().stop) is not None:
        link.node.get_logger().warning(make_reminder(link.node, stop))
        link.spin_until(lambda: arm.state().stop is None, _REMIND_EVERY_S)


def make_reminder(node: Node, stop: StopRecord) -> str:
    """What a person is told who may recover the stopped arm of a node's graph, whatever terminal they do it in."""
    graph = RunningGraph(node.context.get_domain_id(), node.get_namespace().strip("/"))
    service = node.resolve_service_name(f"{CONTROLLER}/recover")
    return (
        f"the arm is stopped ({stop.reason.value}: {stop.detail}). When that is safe: robot-rl recover {graph.words} "
        f"(or where ROS 2 is installed: ROS_DOMAIN_ID={graph.domain} ros2 service call {service} std_srvs/srv/Trigger)"
    )
