"""The hand's driver sits the exam of all grippers, against the simulated hand behind the real wire."""

import os
import signal
import time

import pytest
from robot_rl_hardware.fci_sim.process import run_robot
from robot_rl_hardware.franka.gripper import FrankaGripper
from robot_rl_hardware.franka.settings import HandSettings

from robot_rl.errors import DeviceError
from tests.contracts import GripperContract
from tests.hardware.fci_sim.clients import make_host


@pytest.fixture(scope="module")
def robot():
    with run_robot(make_host()) as robot:
        yield robot


@pytest.fixture(scope="module")
def opened(robot):
    with FrankaGripper(HandSettings(host=robot.host)) as gripper:
        yield gripper


@pytest.fixture
def gripper(opened):
    opened.set_width(0.06)
    wait_for(lambda: abs(opened.width() - 0.06) < 0.002)
    time.sleep(0.6)  # a turn is allowed again
    return opened


def wait_for(is_true, limit_s=10.0):
    deadline_s = time.monotonic() + limit_s
    while not is_true():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.01)


class TestFrankaGripper(GripperContract):
    @pytest.fixture
    def gripper(self, gripper):
        return gripper

    @pytest.fixture
    def advance(self):
        return time.sleep


def test_a_command_does_not_wait_for_the_fingers(gripper):
    began_s = time.monotonic()
    gripper.set_width(0.0)
    assert time.monotonic() - began_s < 0.3  # the fingers need twice as long
    assert gripper.width() > 0.05
    wait_for(lambda: gripper.width() < 0.002)


def test_a_width_that_is_repeated_is_one_command(gripper):
    """As a policy repeats it, ten times a second."""
    for _ in range(20):
        gripper.set_width(0.03)
        time.sleep(0.05)
    assert abs(gripper.width() - 0.03) < 0.002


def test_the_fingers_turn_only_so_often(gripper):
    """Both commands come at once; the second one waits, and the last of those that wait counts."""
    widths = []
    gripper.set_width(0.0)
    time.sleep(0.05)
    for width_m in (0.08, 0.07):
        gripper.set_width(width_m)
    deadline_s = time.monotonic() + 10.0
    while not widths or abs(widths[-1] - 0.07) > 0.002 or min(widths) > 0.05:
        assert time.monotonic() < deadline_s
        widths.append(gripper.width())
        time.sleep(0.01)
    assert min(widths) < 0.05, "it has turned before it may"
    assert max(widths[widths.index(min(widths)) :]) < 0.075, "a command that was replaced was obeyed"


def test_a_killed_process_is_told(robot):
    with FrankaGripper(HandSettings(host=robot.host)) as gripper:
        os.kill(gripper.process_numbers[1], signal.SIGKILL)
        wait_for(lambda: is_lost(gripper))
        with pytest.raises(DeviceError, match="hand is lost"):
            gripper.set_width(0.0)


def test_an_address_where_nobody_is_says_so():
    host = make_host()
    with (
        pytest.raises(DeviceError, match=f"hand at {host}"),
        FrankaGripper(HandSettings(host=host, connect_timeout_s=0.1)),
    ):
        pass


def is_lost(gripper):
    try:
        gripper.width()
    except DeviceError:
        return True
    return False
