"""Nodes of devices that refuse: who asked is told why, and the node goes on."""

from types import SimpleNamespace

import pytest
import rclpy
from robot_rl_msgs.srv import SetWidth
from robot_rl_ros.nodes.gripper import GripperNode
from robot_rl_ros.nodes.impedance_controller import ImpedanceController
from std_srvs.srv import Trigger

from robot_rl.clock import FakeClock
from robot_rl.errors import DeviceError, StoppedError
from robot_rl.robot.fake import FakeArm, FakeGripper
from robot_rl.types import Reason


@pytest.fixture
def _ros():
    rclpy.init(args=[])
    yield
    rclpy.shutdown()


@pytest.mark.usefixtures("_ros")
@pytest.mark.parametrize("error", [StoppedError, DeviceError])
def test_a_recovery_that_a_robot_refuses_is_answered(error):
    class Refusing(FakeArm):
        def recover(self):
            raise error("the user stop is pressed")

    clock = FakeClock()
    arm = Refusing(clock)
    arm.stop(Reason.REQUESTED, "a test")
    nothing_wrong = SimpleNamespace(check_state=lambda state: None, show=lambda state: None)
    node = ImpedanceController(arm, nothing_wrong, clock, 2.0)
    try:
        answer = node._serve_recover(Trigger.Request(), Trigger.Response())
    finally:
        node.destroy_node()
    assert not answer.success
    assert answer.message == "the user stop is pressed"
    assert arm.state().stop is not None


@pytest.mark.usefixtures("_ros")
def test_a_hand_that_is_gone_is_answered():
    class Gone(FakeGripper):
        def set_width(self, width_m):
            raise DeviceError("the hand does not answer")

    node = GripperNode(Gone(), FakeClock())
    try:
        answer = node._serve(SetWidth.Request(width_m=0.02), SetWidth.Response())
    finally:
        node.destroy_node()
    assert (answer.success, answer.message) == (False, "the hand does not answer")
