"""The fakes sit the same exam as the real devices."""

import numpy as np
import pytest

from robot_rl.clock import FakeClock, to_ns
from robot_rl.geometry import Pose
from robot_rl.robot.fake import TOOL_DOWN, FakeArm, FakeCamera, FakeGripper, FakeTeleop
from robot_rl.types import Button, Command
from tests.contracts import ArmContract, CameraContract, GripperContract, TeleopContract


class OnFakeClock:
    @pytest.fixture
    def clock(self):
        return FakeClock(5_000_000_000)

    @pytest.fixture
    def advance(self, clock):
        return lambda seconds: clock.sleep_until_ns(clock.now_ns() + to_ns(seconds))


class TestFakeArm(OnFakeClock, ArmContract):
    @pytest.fixture
    def arm(self, clock):
        return FakeArm(clock)

    def test_the_tool_points_down_half_a_metre_in_front(self, arm):
        np.testing.assert_allclose(arm.state().tcp_pose.rotation[:, 2], [0.0, 0.0, -1.0])
        np.testing.assert_allclose(arm.state().tcp_pose.position, [0.5, 0.0, 0.2])

    def test_a_later_wrench_does_not_change_an_earlier_state(self, arm):
        arm.wrench[2] = 5.0
        state = arm.state()
        arm.wrench[2] = 7.0
        assert state.tcp_wrench[2] == 5.0


class TestFakeGripper(OnFakeClock, GripperContract):
    @pytest.fixture
    def gripper(self):
        return FakeGripper()


class TestFakeCamera(OnFakeClock, CameraContract):
    shape = (24, 32)

    @pytest.fixture
    def camera(self, clock):
        return FakeCamera(clock, *self.shape)

    def test_its_picture_moves(self, camera, advance):
        before = camera.read()[1]
        advance(0.1)
        assert (camera.read()[1] != before).any()


class TestFakeTeleop(OnFakeClock, TeleopContract):
    @pytest.fixture
    def teleop(self, clock):
        command = Command(np.full(6, 0.5), clock.now_ns(), -1.0, frozenset({Button.SUCCESS}))
        return FakeTeleop([None, command, command])

    def test_it_plays_its_list_once_an_episode(self, teleop):
        for _ in range(2):
            teleop.reset()
            said = [teleop.read() is not None for _ in range(5)]
            assert said == [False, True, True, False, False]


def test_a_fake_arm_can_stand_anywhere():
    pose = Pose(np.array([0.1, 0.2, 0.3])) @ TOOL_DOWN
    assert FakeArm(FakeClock(), pose).state().tcp_pose is pose
