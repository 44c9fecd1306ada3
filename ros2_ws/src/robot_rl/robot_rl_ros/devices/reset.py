"""The reset node, as a reset procedure."""

from __future__ import annotations

from typing import Any

from rclpy.action import ActionClient
from rclpy.action.client import ClientGoalHandle
from robot_rl_msgs.action import Reset

from robot_rl.clock import Clock
from robot_rl.control.safety import SafetyFilter
from robot_rl.errors import DeviceError, StoppedError
from robot_rl.robot.robot import Robot
from robot_rl_ros import convert
from robot_rl_ros.clock import LockStepClock
from robot_rl_ros.link import Link


class RosReset:
    """Asks the reset node, which moves the robot itself, and waits for as long as it tells of its progress."""

    def __init__(self, link: Link) -> None:
        """Join the node."""
        self._link = link
        self._client: ActionClient[Any, Any, Any] = ActionClient(link.node, Reset, "reset/reset")
        link.at_close(self._client.destroy)  # a node that is destroyed forgets its action clients
        self._phase, self._has_news = "beginning", False

    def run(self, robot: Robot, clock: Clock, safety: SafetyFilter, seed: int) -> None:
        """Bring robot and scene to the start of an episode.

        Raises:
            StoppedError: the reset failed, or was cancelled.
            DeviceError: the node is not there, or has fallen silent.
        """
        del robot, safety
        link = self._link
        if not link.spin_until(self._client.server_is_ready, link.patience_s):
            raise DeviceError(f"The reset node was not there within {link.patience_s:g} s.")
        goal = self._client.send_goal_async(Reset.Goal(seed=seed), feedback_callback=self._note)
        handle = link.wait(goal, "The reset node")
        if not handle.accepted:
            raise DeviceError("The reset node refused: is another reset under way?")
        answer = self._wait(handle)
        if not answer.success:
            raise StoppedError(answer.message)
        if isinstance(clock, LockStepClock):
            clock.take_over(convert.from_time(answer.stamp))

    def _note(self, message: Reset.Impl.FeedbackMessage) -> None:
        self._phase, self._has_news = message.feedback.phase, True

    def _wait(self, handle: ClientGoalHandle[Any, Any, Any]) -> Any:
        """The result; it has as much time as its own limit gives it, as long as the node is alive."""
        link, result = self._link, handle.get_result_async()
        self._has_news = True
        while not result.done():
            if not self._has_news:
                handle.cancel_goal_async()
                raise DeviceError(f"The reset node has been silent for {link.patience_s:g} s, while {self._phase}.")
            self._has_news = False
            link.spin_until(lambda: result.done() or self._has_news, link.patience_s)
        answer = result.result()
        assert answer is not None, "it ended"
        return answer.result
