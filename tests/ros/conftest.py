"""Every test process has a ROS domain of its own."""

import os

import pytest

from robot_rl.runtime.ros_domain import reserve_domain


@pytest.fixture(scope="session", autouse=True)
def _own_domain():
    """Hear nobody but the processes of this test process."""
    with reserve_domain() as domain:
        os.environ["ROS_DOMAIN_ID"] = str(domain)
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        yield
