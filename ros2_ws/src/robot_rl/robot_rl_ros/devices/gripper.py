"""A gripper at the other end of the wire."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from rclpy.client import Client
from rclpy.task import Future
from robot_rl_msgs.srv import SetWidth
from sensor_msgs.msg import JointState

from robot_rl.errors import SpecError, StoppedError
from robot_rl_ros import convert, qos
from robot_rl_ros.link import Link, Newest

_REPEAT_AFTER_S = 0.05  # so a failed opening is tried again, and a person's hundred commands a second are not requests


class RosGripper:
    """The gripper of a node of that name."""

    def __init__(self, link: Link, max_width_m: float) -> None:
        self._link, self._max_width_m = link, max_width_m
        self._width = Newest(link, JointState, "gripper/joint_states", convert.from_finger_state, qos.STREAM)
        self._client: Client[Any, Any] = link.node.create_client(SetWidth, "gripper/set_width")
        self._asked_m, self._asked_s = float("nan"), 0.0

    def width(self) -> float:
        """Present opening [m]."""
        return self._width.read()[1]

    def max_width(self) -> float:
        """Largest opening [m]."""
        return self._max_width_m

    def set_width(self, width_m: float) -> None:
        """Start moving to an opening [m]; in real time without waiting for the answer, which goes to the log."""
        if not np.isfinite(width_m):
            raise SpecError(f"gripper width must be finite, got {width_m}.")
        request = SetWidth.Request(width_m=float(width_m))
        if self._link.due_ns is not None:
            _check(self._link.call(self._client, request))
            return
        now_s = time.monotonic()
        if width_m != self._asked_m or now_s - self._asked_s >= _REPEAT_AFTER_S:
            self._asked_m, self._asked_s = width_m, now_s
            self._client.call_async(request).add_done_callback(self._note_refusal)

    def _note_refusal(self, future: Future[Any]) -> None:
        answer = future.result()
        if answer is not None and not answer.success:
            self._link.node.get_logger().warning(f"the gripper refused: {answer.message}")


def _check(answer: SetWidth.Response) -> None:
    if not answer.success:
        raise StoppedError(answer.message)
