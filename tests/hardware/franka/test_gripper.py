"""The hand's driver sits the exam of all grippers, against the simulated hand behind the real wire."""

import os
import signal
import time

import numpy as np
import pytest
from robot_rl_hardware.fci_sim.plant import make_plant
from robot_rl_hardware.fci_sim.process import run_robot
from robot_rl_hardware.franka.gripper import FrankaGripper
from robot_rl_hardware.franka.settings import ROBOTS, HandSettings

from robot_rl.errors import DeviceError
from robot_rl.geometry import Pose
from robot_rl.sim.kinematics import solve_joints
from robot_rl.sim.tasks.task import TOOL_DOWN
from tests.contracts import GripperContract
from tests.hardware.fci_sim.clients import make_host


@pytest.fixture(scope="module", params=ROBOTS)
def robot(request):
    with run_robot(make_host(), request.param) as robot:
        yield robot


fr3_only = pytest.mark.parametrize("robot", ["fr3"], indirect=True)
"""Where the library makes no difference, one robot is enough."""


@pytest.fixture(scope="module")
def opened(robot):
    with FrankaGripper(HandSettings(robot.host, robot.robot)) as gripper:
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


def rest(gripper, limit_s, still_s=1.0):
    """Let time pass, but no more when the fingers have been still for longer than a turn has to wait."""
    end_s = time.monotonic() + limit_s
    width_m, since_s = gripper.width(), time.monotonic()
    while time.monotonic() < min(end_s, since_s + still_s):
        time.sleep(0.01)
        if abs(gripper.width() - width_m) > 1e-4:
            width_m, since_s = gripper.width(), time.monotonic()


class TestFrankaGripper(GripperContract):
    move_s = 3.0  # the fingers may have to wait before they turn

    @pytest.fixture
    def gripper(self, gripper):
        return gripper

    @pytest.fixture
    def advance(self, gripper):
        return lambda seconds: rest(gripper, seconds)


def test_a_command_does_not_wait_for_the_fingers(gripper):
    gripper.set_width(0.0)
    assert gripper.width() > 0.01
    wait_for(lambda: gripper.width() < 0.002)


@fr3_only
def test_a_width_that_is_repeated_is_one_command(gripper):
    """As a policy repeats it, ten times a second."""
    before = gripper._orders.record["count"][0]
    for _ in range(5):
        gripper.set_width(0.03)
        time.sleep(0.05)
    assert gripper._orders.record["count"][0] == before + 1
    wait_for(lambda: abs(gripper.width() - 0.03) < 0.002)


@fr3_only
def test_the_fingers_turn_only_so_often(gripper):
    """Both commands come at once; the second one waits, and the last of those that wait counts."""
    for width_m in (0.05, 0.06):  # they open: to close is a turn
        gripper.set_width(width_m)
        wait_for(lambda width_m=width_m: abs(gripper.width() - width_m) < 0.002)
        time.sleep(0.6)
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


def test_what_lies_between_the_fingers_is_held_and_let_go():
    plant = make_plant("pick_cube", 0)
    address = plant.model.joint("cube_free").qposadr[0]
    rotation = plant.data.body("cube").xmat.reshape(3, 3)
    yaw = float(np.arctan2(rotation[1, 0], rotation[0, 0]))
    around = Pose(plant.data.qpos[address : address + 3], TOOL_DOWN) @ Pose.from_rotation_vector([0.0, 0.0, -yaw])
    host = make_host()
    with run_robot(host, scene="pick_cube") as robot:
        robot.order("place", joints=solve_joints(plant.model, around).tolist())
        with FrankaGripper(HandSettings(host)) as gripper:
            gripper.set_width(0.0)
            wait_for(lambda: abs(gripper.width() - 0.04) < 0.003)
            time.sleep(0.5)
            assert gripper.width() == pytest.approx(0.04, abs=0.003)
            gripper.set_width(0.08)
            wait_for(lambda: gripper.width() > 0.078)


@fr3_only
def test_a_killed_process_is_told(robot):
    with FrankaGripper(HandSettings(robot.host, robot.robot)) as gripper:
        os.kill(gripper.process_numbers[1], signal.SIGKILL)
        wait_for(lambda: is_lost(gripper))
        with pytest.raises(DeviceError, match="hand is lost"):
            gripper.set_width(0.0)


@fr3_only
def test_it_can_be_opened_again(robot):
    gripper = FrankaGripper(HandSettings(robot.host, robot.robot))
    for width_m in (0.05, 0.07):
        with gripper:
            gripper.set_width(width_m)
            wait_for(lambda width_m=width_m: abs(gripper.width() - width_m) < 0.002)
            assert len(gripper.process_numbers) == 2
        assert gripper.process_numbers == ()


def test_one_that_was_never_opened_holds_nothing_and_has_nothing_to_withdraw():
    before = len(os.listdir("/proc/self/fd"))
    grippers = [FrankaGripper(HandSettings()) for _ in range(3)]
    for gripper in grippers:
        gripper.withdraw()  # an arm that is opened before its hand, and is stopped
    assert len(os.listdir("/proc/self/fd")) == before


def test_an_address_where_nobody_is_says_so():
    host = make_host()
    with (
        pytest.raises(DeviceError, match=f"hand at {host}"),
        FrankaGripper(HandSettings(host, "panda", connect_timeout_s=0.1)),
    ):
        pass


def is_lost(gripper):
    try:
        gripper.width()
    except DeviceError:
        return True
    return False
