"""The real cameras as a process: one node for each."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict

from rclpy.node import Node

from robot_rl.clock import Clock
from robot_rl.errors import ConfigError
from robot_rl.robot.protocols import Camera
from robot_rl.runtime.camera_config import CameraConfig
from robot_rl.runtime.config import RobotConfig
from robot_rl_ros import process
from robot_rl_ros.clock import NodeClock, every
from robot_rl_ros.nodes.camera import CameraNode

_LOOKS_PER_PICTURE = 2.0  # so that a picture waits half a period at most


@contextmanager
def opened(config: CameraConfig, robot: RobotConfig, clock: Clock) -> Iterator[dict[str, tuple[Camera, float]]]:
    """Name -> (camera, its pictures per second) of the cameras of a robot.

    Raises:
        ConfigError: they are no real cameras, or one of the robot's is not among them.
        SetupError: a library is missing.
        DeviceError: one of them cannot be opened.
    """
    if not config.is_device:
        raise ConfigError(f"camera={config.kind} are no real cameras; choose realsense.")
    from robot_rl_hardware.realsense.camera import RealSense
    from robot_rl_hardware.realsense.settings import Settings

    size = robot.image_size
    with ExitStack() as stack:
        yield {
            device.name: (
                stack.enter_context(RealSense(clock, Settings(**asdict(device)), size, size)),
                float(device.rate_hz),
            )
            for device in config.find(robot.cameras)
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the cameras until told to end."""
    with process.started(__doc__, arguments) as config:
        config.check_device()
        timekeeper = Node("cameras", start_parameter_services=False)
        with opened(config.camera, config.robot, NodeClock(timekeeper)) as cameras:
            nodes = [timekeeper]
            for name, (camera, rate_hz) in cameras.items():
                node = CameraNode(name, camera)
                every(node, 1.0 / (_LOOKS_PER_PICTURE * rate_hz), node.publish_new)
                nodes.append(node)
            process.serve(nodes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
