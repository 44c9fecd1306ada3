"""A task as a node: the estimate of its target, and what it pays."""

from __future__ import annotations

from rclpy.node import Node
from robot_rl_msgs.msg import Estimate, Reward

from robot_rl.env.task import Task
from robot_rl.robot.robot import RobotReading
from robot_rl_ros import convert, qos
from robot_rl_ros.broadcast import Broadcast


class TaskNode(Node):
    """Judges: `~/reward` and `~/estimate` out, once a policy period."""

    def __init__(self, task: Task) -> None:
        super().__init__("task", start_parameter_services=False)
        self._task = task
        self._reward = Broadcast(self, Reward, "~/reward", qos.PRESSES)
        self._estimate = Broadcast(self, Estimate, "~/estimate", qos.STREAM)

    def publish(self, reading: RobotReading) -> None:
        """Judge a reading."""
        stamp_ns = reading.state.stamp_ns
        self._estimate.send(convert.to_estimate(self._task.estimate(reading), stamp_ns))
        self._reward.send(convert.to_reward(self._task.evaluate(reading), stamp_ns))

    def repeat(self) -> None:
        """Tell it once more."""
        self._reward.repeat()
        self._estimate.repeat()
