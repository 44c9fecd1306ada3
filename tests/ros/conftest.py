"""Every test process has a ROS domain of its own. Where there is no ROS, and no wheels of it, nothing here can run."""

import importlib.util
import os

import pytest

from robot_rl.runtime.processes.ros_domain import reserve_domain

if importlib.util.find_spec("rclpy") is None and not os.environ.get("CI"):
    collect_ignore_glob = ["test_*.py"]
elif importlib.util.find_spec("pyrealsense2") is None and not os.environ.get("CI"):
    collect_ignore_glob = ["test_cameras.py"]


@pytest.fixture(scope="session", autouse=True)
def _own_domain():
    """Hear nobody but the processes of this test process."""
    with reserve_domain() as domain:
        os.environ["ROS_DOMAIN_ID"] = str(domain)
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        yield
