"""The actor as a process: environment and policy on one side of the channel, over the devices of the graph."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rclpy.node import Node
from rich.console import Console
from robot_rl_msgs.msg import Episode

from robot_rl.errors import ConfigError
from robot_rl.runtime.config import EnvConfig, TrainConfig
from robot_rl.runtime.connection import make_actor_channel
from robot_rl.runtime.evaluation import EpisodeResult
from robot_rl.runtime.interruption import interruptible
from robot_rl.runtime.learner_command import to_folder
from robot_rl.runtime.metrics_writer import MetricsWriter
from robot_rl.runtime.observers import Observer
from robot_rl.runtime.remote_actor import run_remote_actor
from robot_rl.runtime.run_summary import print_summary
from robot_rl.runtime.training_progress import TrainingProgress
from robot_rl.types import Source, TimeStep
from robot_rl_ros import convert, process, qos
from robot_rl_ros.assembly import RosWorkcell
from robot_rl_ros.link import Link

_REMIND_EVERY_S = 10.0


class GraphObserver(Observer):
    """Tells the graph what the actor does: each episode, and to the person whether they have the robot."""

    def __init__(self, node: Node, cell: RosWorkcell) -> None:
        self._node, self._cell = node, cell
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


def free_to_move(node: Node, link: Link, cell: RosWorkcell, config: EnvConfig) -> None:
    """Wait until the arm may move. Only a simulated one is recovered without a person having said so."""
    arm = cell.robot.arm
    stop = arm.state().stop
    if stop is not None and config.graph.recovers:
        arm.recover()
    while (stop := arm.state().stop) is not None:
        node.get_logger().warning(
            f"the arm is stopped ({stop.reason.value}: {stop.detail}). When that is safe: "
            "ros2 service call impedance_controller/recover std_srvs/srv/Trigger"
        )
        link.spin_until(lambda: arm.state().stop is None, _REMIND_EVERY_S)


def train(node: Node, config: TrainConfig) -> int:
    """Act in a training run until it is over; 130 where it was interrupted."""
    folder = to_folder(config, "actor")
    console = Console()
    if folder.finished_steps() < config.steps:
        link = Link(node, config.graph.patience_s)
        cell = RosWorkcell(link, config)
        free_to_move(node, link, cell, config)
        channel = make_actor_channel(config, cell.env.spec)
        has_finished = False
        try:
            with interruptible() as interrupted, TrainingProgress(config.steps, 0, console) as progress:
                metrics = MetricsWriter(folder.path)
                observers = [metrics, progress, GraphObserver(node, cell)]
                try:
                    has_finished = (
                        run_remote_actor(
                            cell.env, cell.lonely_env, config, channel, observers, lambda: bool(interrupted)
                        )
                        is not None
                    )
                finally:
                    metrics.close()
        finally:
            channel.close(has_finished=has_finished)
            link.close()
        if not has_finished:
            return 130
    print_summary(config, folder, console)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the actor of a training run."""
    with process.started(__doc__, arguments, has_handlers=False) as (config, _):
        if not isinstance(config, TrainConfig):
            raise ConfigError("the actor trains: --config train.")
        return train(Node("actor"), config)


if __name__ == "__main__":
    sys.exit(main())
