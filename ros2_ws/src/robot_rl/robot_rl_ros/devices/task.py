"""A task at the other end of the wire: what is known of the target, and whether it is solved."""

from __future__ import annotations

from robot_rl_msgs.msg import Estimate, Reward

from robot_rl.errors import DeviceError
from robot_rl.geometry import Array
from robot_rl.robot.robot import RobotReading
from robot_rl.types import Outcome
from robot_rl_ros import convert, qos
from robot_rl_ros.link import Link, Newest


class RosTask:
    """The task of a task node; its rewards may also come from a classifier."""

    def __init__(self, link: Link, name: str, estimate_size: int, reward_topic: str = "task/reward") -> None:
        """Listen to the estimate, and to the rewards of `reward_topic`."""
        self.name, self.estimate_size = name, estimate_size
        self._estimate = Newest(link, Estimate, "task/estimate", convert.from_estimate, qos.STREAM)
        self._reward = Newest(link, Reward, reward_topic, convert.from_reward, qos.STREAM)

    def estimate(self, reading: RobotReading) -> Array:
        """What is known of the target. Shape (estimate_size,).

        Raises:
            DeviceError: it has another size, or is silent.
        """
        del reading  # the node has looked itself, at the same moment
        _, values = self._estimate.read()
        if values.shape != (self.estimate_size,):
            raise DeviceError(f"The estimate of {self.name} must have {self.estimate_size} values, got {values.shape}.")
        return values

    def evaluate(self, reading: RobotReading) -> Outcome:
        """What was said of the present situation."""
        del reading
        return self._reward.read()[1]
