"""A camera as a node."""

from __future__ import annotations

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

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

    def publish(self) -> None:
        """Tell the newest picture."""
        stamp_ns, image = self._camera.read()
        self._image.send(convert.to_image(image, stamp_ns, self._frame))
        if self._size.is_heard:
            height, width, _ = image.shape
            self._size.send(convert.to_camera_info(height, width, stamp_ns, self._frame))

    def repeat(self) -> None:
        """Tell it once more."""
        self._image.repeat()
