"""The arm's driver, against the simulated robot behind the real wire, in lock-step."""

import numpy as np
import pytest
from robot_rl_hardware.fci_sim.process import run_robot
from robot_rl_hardware.franka.arm import FrankaArm
from robot_rl_hardware.franka.settings import ArmSettings

from robot_rl.clock import to_ns
from robot_rl.sim import franka
from tests.contracts import ArmContract
from tests.hardware.fci_sim.clients import make_host


@pytest.fixture(scope="module")
def served():
    with run_robot(make_host()) as robot:
        yield robot


@pytest.fixture
def robot(served):
    """At its ready pose, with nothing in force."""
    served.order("release_user_stop")
    served.order("place", joints=franka.HOME_JOINTS.tolist())
    return served


@pytest.fixture
def arm(robot):
    with FrankaArm(ArmSettings(host=robot.host, is_lock_step=True)) as arm:
        yield arm


@pytest.fixture
def advance(arm):
    return lambda seconds: arm.clock.sleep_until_ns(arm.clock.now_ns() + to_ns(seconds))


class TestFrankaArm(ArmContract):
    @pytest.fixture
    def arm(self, arm):
        return arm

    @pytest.fixture
    def advance(self, advance):
        return advance


def test_it_begins_where_the_robot_is(arm, robot):
    np.testing.assert_allclose(arm.state().joint_positions, franka.HOME_JOINTS, atol=1e-5)
