"""A person's device that somebody else's node publishes."""

from __future__ import annotations

from geometry_msgs.msg import Twist, TwistStamped
from rclpy.node import Node
from sensor_msgs.msg import Joy

from robot_rl.clock import Clock
from robot_rl.control.hand import Hand
from robot_rl.runtime.device_config import JoyConfig, TwistConfig
from robot_rl.types import Command
from robot_rl_ros import convert, qos


class JoyHand:
    """A gamepad, or whatever else comes as sensor_msgs/Joy."""

    def __init__(self, node: Node, clock: Clock, config: JoyConfig) -> None:
        """Listen with `node`, which its owner spins."""
        self._hand = Hand(clock, config.axes, config.buttons, config.silence_s)
        node.create_subscription(Joy, config.topic, self._take, qos.FOREIGN)

    def reset(self, seed: int | None = None) -> None:
        """An episode starts; a hand does what it does."""

    def read(self) -> Command | None:
        """What the person does now; None for nothing, and where nobody publishes."""
        return self._hand.take()

    def _take(self, message: Joy) -> None:
        self._hand.move(message.axes)
        self._hand.push(message.buttons)


class TwistHand:
    """A SpaceMouse of the package spacenav, or whatever else comes as a twist, perhaps with buttons beside it.

    A publisher that says nothing for a while counts as let go, also one that speaks only when something changes: a hand
    that trembles is heard all the time, and a zero that comes late does not find the robot still moving.
    """

    def __init__(self, node: Node, clock: Clock, config: TwistConfig) -> None:
        """Listen with `node`, which its owner spins."""
        self._hand = Hand(clock, config.axes, config.buttons, config.silence_s)
        if config.is_stamped:
            node.create_subscription(TwistStamped, config.topic, self._take_stamped, qos.FOREIGN)
        else:
            node.create_subscription(Twist, config.topic, self._take, qos.FOREIGN)
        if config.buttons_topic:
            node.create_subscription(Joy, config.buttons_topic, self._take_buttons, qos.FOREIGN)

    def reset(self, seed: int | None = None) -> None:
        """An episode starts; a hand does what it does."""

    def read(self) -> Command | None:
        """What the person does now; None for nothing, and where nobody publishes."""
        return self._hand.take()

    def _take(self, message: Twist) -> None:
        self._hand.move(convert.from_twist(message).tolist())

    def _take_stamped(self, message: TwistStamped) -> None:
        self._take(message.twist)

    def _take_buttons(self, message: Joy) -> None:
        self._hand.push(message.buttons)
