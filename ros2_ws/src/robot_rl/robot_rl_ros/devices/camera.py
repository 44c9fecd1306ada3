"""A camera at the other end of the wire."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image

from robot_rl_ros import convert, qos
from robot_rl_ros.link import Link, Newest


class RosCamera:
    """The newest image of a topic: of a camera node of ours, or of realsense-ros."""

    def __init__(self, link: Link, topic: str) -> None:
        """Subscribe to `topic`, of type sensor_msgs/Image."""
        profile = qos.STREAM if link.due_ns is not None else qos.FOREIGN
        self._newest = Newest(link, Image, topic, convert.from_image, profile)

    def read(self) -> tuple[int, NDArray[np.uint8]]:
        """(stamp_ns, RGB image); DeviceError where the camera is silent."""
        return self._newest.read()
