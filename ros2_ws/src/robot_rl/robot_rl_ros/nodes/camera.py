"""A camera as a node."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from robot_rl.errors import DeviceError
from robot_rl.robot.protocols import Camera
from robot_rl_ros import convert, qos
from robot_rl_ros.broadcast import Broadcast


class CameraNode(Node):
    """Owns a camera: `~/color/image_raw` and `~/color/camera_info` out, as realsense-ros names them.

    Whoever knows when a picture is due calls `publish`.
    """

    def __init__(self, name: str, camera: Camera) -> None:
        super().__init__(f"camera_{name}", start_parameter_services=False)
        self._camera, self._frame = camera, f"camera_{name}_color_optical_frame"
        self._image = Broadcast(self, Image, "~/color/image_raw", qos.STREAM)
        self._size = Broadcast(self, CameraInfo, "~/color/camera_info", qos.STREAM)
        self._told_ns: int | None = None
        self._is_silent = False

    def publish(self) -> None:
        """Tell the newest picture."""
        self._send(*self._camera.read())

    def publish_new(self) -> None:
        """Tell the newest picture, unless it was told before. A camera that is silent is logged once, and is silent."""
        try:
            stamp_ns, image = self._camera.read()
        except DeviceError as error:
            if not self._is_silent:
                self.get_logger().error(str(error))
            self._is_silent = True
            return
        self._is_silent = False
        if stamp_ns != self._told_ns:
            self._told_ns = stamp_ns
            self._send(stamp_ns, image)

    def _send(self, stamp_ns: int, image: NDArray[np.uint8]) -> None:
        self._image.send(convert.to_image(image, stamp_ns, self._frame))
        if self._size.is_heard:
            height, width, _ = image.shape
            self._size.send(convert.to_camera_info(height, width, stamp_ns, self._frame))

    def repeat(self) -> None:
        """Tell it once more."""
        self._image.repeat()
