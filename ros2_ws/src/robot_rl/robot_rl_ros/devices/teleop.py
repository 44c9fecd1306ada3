"""A person's device at the other end of the wire."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rclpy.client import Client
from robot_rl_msgs.msg import Takeover, TeleopCommand
from robot_rl_msgs.srv import StartEpisode

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
        self._gripper = 0.0  # newest that was asked for since the last read
        self._command = Newest(link, TeleopCommand, "teleop/command", self._take, qos.PRESSES)
        self._takeover = link.node.create_publisher(Takeover, "teleop/takeover", qos.LATCHED)
        self._start: Client[Any, Any] | None = None
        if is_scripted:
            self._start = link.node.create_client(StartEpisode, "teleop/start_episode")

    def _take(self, message: TeleopCommand) -> tuple[int, Command]:
        command = convert.from_teleop_command(message)
        self._pressed |= command.buttons
        self._gripper = command.gripper or self._gripper
        return command.stamp_ns, command

    def reset(self, seed: int | None = None) -> None:
        """An episode starts: forget what was pressed before."""
        if self._start is not None and seed is not None:
            self._link.call(self._start, StartEpisode.Request(seed=seed))
        self._pressed.clear()
        self._gripper = 0.0

    def read(self) -> Command | None:
        """What the person does now; None while their device has said nothing yet."""
        if self._link.due_ns is None:
            self._link.drain()
            if self._command.value is None:
                return None
        _, command = self._command.read()
        # A press may be over before it is looked for.
        command = replace(command, gripper=self._gripper, buttons=frozenset(self._pressed))
        self._pressed.clear()
        self._gripper = 0.0
        return command

    def show(self, is_active: bool, stamp_ns: int) -> None:
        """Tell the person whether they have the robot."""
        self._takeover.publish(convert.to_takeover(is_active, stamp_ns))
