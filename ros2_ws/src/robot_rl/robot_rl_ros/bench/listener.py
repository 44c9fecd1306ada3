"""Hears the commands to an arm as its controller does, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import rclpy
from geometry_msgs.msg import PoseStamped
from rclpy.context import Context
from rclpy.node import Node

from robot_rl.geometry import Array
from robot_rl_ros import convert, qos
from robot_rl_ros.devices.arm import CONTROLLER
from robot_rl_ros.hot_wait import HotWait


@dataclass(frozen=True, eq=False)
class Heard:
    """A command: when it came [ns], on the system's clock, and its pose."""

    stamp_ns: int
    pose: Array


@dataclass
class Listener:
    """What was heard so far."""

    commands: list[Heard] = field(default_factory=list)

    def note(self, message: PoseStamped) -> None:
        """A command has come."""
        _, pose = convert.from_pose_stamped(message)
        self.commands.append(Heard(time.time_ns(), pose.to_vector()))

    def first_move_ns(self, after_ns: int, distance_m: float) -> int | None:
        """When, after a moment, a command first came that is at least so far from the one before it."""
        for before, now in pairwise(self.commands):
            if now.stamp_ns > after_ns and np.linalg.norm(now.pose[:3] - before.pose[:3]) > distance_m:
                return now.stamp_ns
        return None


@contextmanager
def listening(lease_s: float) -> Iterator[Listener]:
    """Listen until the context ends."""
    context = Context()
    rclpy.init(args=[], context=context)
    node = Node("listener", context=context)
    listener = Listener()
    subscription = node.create_subscription(
        PoseStamped, f"{CONTROLLER}/equilibrium_pose", listener.note, qos.make_command_qos(lease_s)
    )
    has_ended = threading.Event()

    def listen() -> None:
        wait = HotWait(context, [subscription])
        while not has_ended.is_set():
            if wait.wait(0.05):
                wait.handle()

    thread = threading.Thread(target=listen, name="listener")
    thread.start()
    try:
        yield listener
    finally:
        has_ended.set()
        thread.join()
        node.destroy_node()
        context.try_shutdown()
