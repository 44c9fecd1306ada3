"""The reset node, as a reset procedure."""

from __future__ import annotations

import time
from typing import Any

from rclpy.action import ActionClient
from rclpy.action.client import ClientGoalHandle
from robot_rl_msgs.action import Reset

from robot_rl.clock import Clock
from robot_rl.control.safety import SafetyFilter
from robot_rl.errors import DeviceError, StoppedError
from robot_rl.robot.protocols import Teleop
from robot_rl.robot.robot import Robot
from robot_rl.types import Button
from robot_rl_ros import convert
from robot_rl_ros.clock import LockStepClock
from robot_rl_ros.link import Link

HOLDING = frozenset({Button.PAUSE, Button.ABORT})
"""With these a person has the robot hold while it is not theirs, and go on."""
_LOOK_EVERY_S = 0.05
_RELEASED_S = 0.3  # a button that stays down is pressed once


class RosReset:
    """Asks the reset node, which moves the robot itself, and waits for as long as it tells of its progress.

    Who watches may call a reset off, with the button for a pause or an abort; it begins anew when they press again.
    """

    def __init__(self, link: Link, teleop: Teleop | None = None) -> None:
        """Join the node.

        Args:
            link: whose thread waits.
            teleop: the watching person's device; it is looked at in real time only.
        """
        self._link, self._teleop = link, teleop
        self._client: ActionClient[Any, Any, Any] = ActionClient(link.node, Reset, "reset/reset")
        link.at_close(self._client.destroy)  # a node that is destroyed forgets its action clients
        self._phase, self._has_news, self._down_s = "beginning", False, 0.0

    def run(self, robot: Robot, clock: Clock, safety: SafetyFilter, seed: int) -> None:
        """Bring robot and scene to the start of an episode.

        Raises:
            StoppedError: the reset failed.
            DeviceError: the node is not there, or has fallen silent.
        """
        del robot, safety
        link = self._link
        if not link.spin_until(self._client.server_is_ready, link.patience_s):
            raise DeviceError(f"The reset node was not there within {link.patience_s:g} s.")
        self._is_pressed()  # what was pressed before it has begun
        while (answer := self._play(seed)) is None:
            link.node.get_logger().warning(
                f"the reset was called off while {self._phase}: the arm holds. Press pause or abort again to go on."
            )
            while not self._is_pressed():
                link.sleep(_LOOK_EVERY_S)
        if not answer.success:
            raise StoppedError(answer.message or "The reset has failed; the output of its process says why.")
        if isinstance(clock, LockStepClock):
            clock.take_over(convert.from_time(answer.stamp))

    def _play(self, seed: int) -> Any:
        """The result of one reset; None where the person has called it off."""
        goal = self._client.send_goal_async(Reset.Goal(seed=seed), feedback_callback=self._note)
        handle = self._link.wait(goal, "The reset node")
        if not handle.accepted:
            raise DeviceError("The reset node refused: is another reset under way?")
        return self._wait(handle)

    def _is_pressed(self) -> bool:
        """Whether the person presses one of the buttons now."""
        if self._teleop is None or self._link.due_ns is not None:
            return False
        command = self._teleop.read()
        if command is None or HOLDING.isdisjoint(command.buttons):
            return False
        before_s, self._down_s = self._down_s, time.monotonic()
        return self._down_s - before_s > _RELEASED_S

    def _note(self, message: Reset.Impl.FeedbackMessage) -> None:
        self._phase, self._has_news = message.feedback.phase, True

    def _wait(self, handle: ClientGoalHandle[Any, Any, Any]) -> Any:
        """The result; it has as much time as its own limit gives it, as long as the node is alive.

        None where it was called off.
        """
        link, result = self._link, handle.get_result_async()
        silent_from_s, is_called_off = time.monotonic(), False
        while not result.done():
            if time.monotonic() - silent_from_s > link.patience_s:
                handle.cancel_goal_async()
                raise DeviceError(f"The reset node has been silent for {link.patience_s:g} s, while {self._phase}.")
            if not is_called_off and self._is_pressed():
                is_called_off = True
                handle.cancel_goal_async()
            self._has_news = False
            if link.spin_until(lambda: result.done() or self._has_news, _LOOK_EVERY_S):
                silent_from_s = time.monotonic()
        answer = result.result()
        assert answer is not None, "it ended"
        return None if is_called_off else answer.result
