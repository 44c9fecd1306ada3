"""What the processes that drive the robot have in common: they join it, may move it, and say what they do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rclpy.node import Node
from robot_rl_msgs.msg import Episode

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

_JOIN_S = 30.0
"""What is started with the graph has at least this time to appear; a robot that moves is judged by its patience."""

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
        DeviceError: nobody is there.
    """
    node = Node(name)
    link = Link(node, max(config.graph.patience_s, _JOIN_S))
    try:
        cell = RosWorkcell(link, config)
        free_to_move(link, cell, config)
        link.patience_s = config.graph.patience_s
        process.freeze_heap()
        with stopping(cell.robot, f"the {name}"):
            yield Driver(cell, GraphObserver(node, cell))
    finally:
        link.close()
        node.destroy_node()


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
