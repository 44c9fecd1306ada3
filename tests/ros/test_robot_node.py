"""The nodes of a real robot over fake devices."""

from types import SimpleNamespace

import pytest
import rclpy
from rclpy.node import Node
from robot_rl_ros.clock import NodeClock
from robot_rl_ros.robot import RobotNode

from robot_rl.errors import DeviceError
from robot_rl.robot.fake import FakeArm, FakeGripper
from robot_rl.types import Reason
from tests.ros import simulated

WORDS = ("task=reach", "robot=external", "reward=task", "teleop=none", "demonstrations=0")
PLACE = ("task.place.target_m=[0.5,0.0,0.05]", "task.place.success_depth_m=0.02")


class LoseHand(FakeGripper):
    """Does not answer while it is lost."""

    is_lost = False

    def width(self):
        if self.is_lost:
            raise DeviceError("the hand is lost")
        return super().width()


@pytest.fixture
def devices():
    """(node, arm, gripper)"""
    rclpy.init(args=[])
    timekeeper = Node("timekeeper")
    arm, gripper = FakeArm(NodeClock(timekeeper)), LoseHand()
    node = RobotNode(timekeeper, arm, gripper, simulated.load(*WORDS, *PLACE))
    yield node, arm, gripper
    for each in (timekeeper, *node.nodes):
        each.destroy_node()
    rclpy.try_shutdown()


def test_each_loss_of_the_hand_stops_the_arm_and_is_told_once(devices, monkeypatch):
    node, arm, gripper = devices
    told = []
    monkeypatch.setattr(node, "get_logger", lambda: SimpleNamespace(error=told.append))
    for losses in (1, 2):
        gripper.is_lost = True
        for _ in range(3):
            node._speak()
        stop = arm.state().stop
        assert (stop.reason, stop.detail) == (Reason.STALE_STATE, "the hand is lost")
        assert told == ["the hand is lost"] * losses
        gripper.is_lost = False
        node._speak()
        arm.recover()
