"""The robot composed of its devices."""

import numpy as np
import pytest

from robot_rl.clock import FakeClock
from robot_rl.errors import StoppedError
from robot_rl.geometry import Pose
from robot_rl.robot.fake import TOOL_DOWN, FakeArm, FakeCamera
from robot_rl.robot.robot import Robot
from robot_rl.types import Reason, RobotCommand
from tests.fakes import NotedGripper

UP = TOOL_DOWN @ Pose(np.array([0.0, 0.0, -0.1]))


@pytest.fixture
def clock():
    return FakeClock(7)


@pytest.fixture
def gripper():
    return NotedGripper()


@pytest.fixture
def robot(clock, gripper):
    return Robot(FakeArm(clock), gripper, {"wrist": FakeCamera(clock, 4, 6), "side": FakeCamera(clock, 8, 8)})


def test_it_reads_every_device_once(robot, gripper):
    gripper.set_width(0.03)
    reading = robot.observe()
    assert reading.state.stamp_ns == 7
    assert reading.width_m == 0.03
    assert {name: image.shape for name, image in reading.images.items()} == {"wrist": (4, 6, 3), "side": (8, 8, 3)}


def test_without_a_gripper_the_width_is_zero(clock):
    robot = Robot(FakeArm(clock))
    assert (robot.observe().width_m, robot.max_width_m, dict(robot.observe().images)) == (0.0, 0.0, {})
    robot.apply(RobotCommand(UP, 0, 0.05))
    assert robot.observe().state.tcp_pose is UP


def test_a_command_reaches_arm_and_gripper(robot, gripper):
    robot.apply(RobotCommand(UP, 0, 0.02))
    assert robot.observe().state.tcp_pose is UP
    assert gripper.asked == [0.02]


def test_a_command_without_width_leaves_the_gripper_alone(robot, gripper):
    robot.apply(RobotCommand(UP, 0))
    assert gripper.asked == []


def test_a_width_of_zero_is_a_command(robot, gripper):
    robot.apply(RobotCommand(UP, 0, 0.0))
    assert gripper.asked == [0.0]


def test_stopped_neither_arm_nor_gripper_moves(robot, gripper):
    record = robot.stop(Reason.WRENCH, "61 N")
    assert robot.observe().state.stop == record
    with pytest.raises(StoppedError, match="wrench"):
        robot.apply(RobotCommand(UP, 0, 0.0))
    assert gripper.asked == [], "a stopped robot keeps its grasp"
