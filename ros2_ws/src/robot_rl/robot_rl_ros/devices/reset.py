"""The reset node, as a reset procedure."""

from __future__ import annotations

from typing import Any

from rclpy.action import ActionClient
from robot_rl_msgs.action import Reset

from robot_rl.clock import Clock
from robot_rl.control.safety import SafetyFilter
from robot_rl.errors import DeviceError, StoppedError
from robot_rl.robot.robot import Robot
from robot_rl_ros import convert
from robot_rl_ros.clock import LockStepClock
from robot_rl_ros.link import Link


class RosReset:
    """Asks the reset node, which moves the robot itself, and waits."""

    def __init__(self, link: Link, timeout_s: float = 120.0) -> None:
        """Join the node; a reset that takes longer than `timeout_s` is cancelled."""
        self._link, self._timeout_s = link, timeout_s
        self._client: ActionClient[Any, Any, Any] = ActionClient(link.node, Reset, "reset/reset")

    def run(self, robot: Robot, clock: Clock, safety: SafetyFilter, seed: int) -> None:
        """Bring robot and scene to the start of an episode.

        Raises:
            StoppedError: the reset failed.
            DeviceError: the node is not there, or took too long.
        """
        del robot, safety
        link = self._link
        if not link.spin_until(self._client.server_is_ready, link.patience_s):
            raise DeviceError(f"The reset node was not there within {link.patience_s:g} s.")
        handle = link.wait(self._client.send_goal_async(Reset.Goal(seed=seed)), "The reset node")
        if not handle.accepted:
            raise DeviceError("The reset node refused: is another reset under way?")
        result = handle.get_result_async()
        if not link.spin_until(result.done, self._timeout_s):
            handle.cancel_goal_async()
            raise DeviceError(f"The reset took more than {self._timeout_s:g} s and was cancelled.")
        answer = result.result().result
        if not answer.success:
            raise StoppedError(answer.message)
        if isinstance(clock, LockStepClock):
            clock.take_over(convert.from_time(answer.stamp))
