"""The devices over the wire sit the same exam as those behind it."""

import numpy as np
import pytest

from robot_rl.errors import DeviceError, StoppedError
from robot_rl.types import Reason
from tests.contracts import ArmContract, CameraContract, GripperContract, TeleopContract
from tests.ros import simulated

SIZE = 48


class OverTheWire:
    words = ("task=reach", "robot=sim_pixels", f"robot.image_size={SIZE}", "teleop=expert")

    @pytest.fixture(scope="class")
    @classmethod
    def here(cls, tmp_path_factory):
        with simulated.graph(tmp_path_factory.mktemp("graph"), *cls.words) as (_, here):
            yield here

    @pytest.fixture
    def advance(self, here):
        return here.advance

    @pytest.fixture
    def robot(self, here):
        here.cell.robot.arm.recover()
        here.cell.env.reset(seed=0)
        return here.cell.robot


class TestRosRobot(OverTheWire, ArmContract):
    @pytest.fixture
    def arm(self, robot):
        return robot.arm

    def test_a_command_that_breaks_a_limit_stops_the_arm_and_says_why(self, arm, advance):
        outside = arm.state().tcp_pose
        outside = type(outside)(outside.position + [0.06, 0.06, 0.0], outside.quaternion)
        with pytest.raises(StoppedError, match="step too large"):
            arm.set_equilibrium_pose(outside, arm.state().stamp_ns)
        assert arm.state().stop.reason is Reason.STEP
        before = arm.state().tcp_pose
        advance(0.5)
        assert np.linalg.norm(arm.state().tcp_pose.position - before.position) < 1e-3

    def test_an_old_command_stops_the_arm(self, arm):
        state = arm.state()
        with pytest.raises(StoppedError, match="stale command"):
            arm.set_equilibrium_pose(state.tcp_pose, state.stamp_ns - 1_000_000_000)


class TestRosGripper(OverTheWire, GripperContract):
    @pytest.fixture
    def gripper(self, robot):
        return robot.gripper

    def test_while_the_arm_is_stopped_nothing_is_dropped(self, robot, gripper):
        robot.stop(Reason.WRENCH, "61 N")
        with pytest.raises(StoppedError, match="61 N"):
            gripper.set_width(0.08)


class TestRosCamera(OverTheWire, CameraContract):
    shape = (SIZE, SIZE)

    @pytest.fixture
    def camera(self, robot):
        return robot.cameras["wrist"]


class TestRosTeleop(OverTheWire, TeleopContract):
    @pytest.fixture
    def teleop(self, robot, here):
        return here.cell.teleop


def test_a_simulator_that_is_not_there_is_an_error_that_says_so(tmp_path):
    absent = simulated.joined(simulated.load("task=reach"), patience_s=0.5)
    with pytest.raises(DeviceError, match=r"No simulator has joined within 0\.5 s"), absent:
        pass


def test_a_simulator_that_dies_is_an_error_and_not_a_hang(tmp_path):
    with simulated.graph(tmp_path, "task=reach") as (process, here):
        here.cell.env.reset(seed=0)
        process.kill()
        here.link.patience_s = 1.0
        here.advance(0.1)
        with pytest.raises(DeviceError, match="silent"):
            here.cell.robot.arm.state()
