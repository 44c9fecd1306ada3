"""A person's device at the other end of the wire."""

from __future__ import annotations

from typing import Any

from geometry_msgs.msg import TwistStamped
from rclpy.client import Client
from robot_rl_msgs.msg import Takeover
from robot_rl_msgs.srv import StartEpisode
from sensor_msgs.msg import Joy

from robot_rl.types import Button, Command
from robot_rl_ros import convert, qos
from robot_rl_ros.link import Link, Newest


class RosTeleop:
    """The device of a teleop node."""

    def __init__(self, link: Link, is_scripted: bool) -> None:
        """Join the node.

        Args:
            link: whose thread reads the device.
            is_scripted: whether the person is a script, which draws what it does in an episode from a seed.
        """
        self._link = link
        self._pressed: set[Button] = set()
        self._asked = 0.0  # of the gripper, newest since the last read
        self._twist = Newest(link, TwistStamped, "teleop/twist", convert.from_twist_stamped, qos.STREAM)
        self._joy = Newest(link, Joy, "teleop/buttons", self._take, qos.PRESSES)
        self._takeover = link.node.create_publisher(Takeover, "teleop/takeover", qos.LATCHED)
        self._start: Client[Any, Any] | None = None
        if is_scripted:
            self._start = link.node.create_client(StartEpisode, "teleop/start_episode")

    def _take(self, message: Joy) -> tuple[int, float]:
        stamp_ns, gripper, buttons = convert.from_joy(message)
        self._pressed |= buttons
        self._asked = gripper or self._asked
        return stamp_ns, gripper

    def reset(self, seed: int | None = None) -> None:
        """An episode starts: forget what was pressed before."""
        if self._start is not None and seed is not None:
            self._link.call(self._start, StartEpisode.Request(seed=seed))
        self._pressed.clear()
        self._asked = 0.0

    def read(self) -> Command | None:
        """What the person does now; None while their device has said nothing yet."""
        if self._link.due_ns is None:
            self._link.drain()
            if self._twist.value is None:
                return None
        stamp_ns, twist = self._twist.read()
        # In real time a press may be over before it is looked for; in lock-step nothing passes between two readings.
        gripper = self._joy.read()[1] if self._link.due_ns is not None else self._asked or self._joy.value or 0.0
        pressed, self._pressed, self._asked = frozenset(self._pressed), set(), 0.0
        return Command(twist, stamp_ns, gripper, pressed)

    def show(self, is_active: bool, stamp_ns: int) -> None:
        """Tell the person whether they have the robot."""
        self._takeover.publish(convert.to_takeover(is_active, stamp_ns))
