"""The simulated devices sit the same exam as the fakes and the drivers."""

import numpy as np
import pytest

from robot_rl.errors import StoppedError, UnknownNameError
from robot_rl.geometry import Pose
from robot_rl.sim import franka
from robot_rl.sim.devices import SimCamera
from robot_rl.types import Reason
from tests import simcells
from tests.contracts import ArmContract, CameraContract, GripperContract, TeleopContract, assert_near

READY = Pose(np.array([0.5, 0.0, 0.2]), np.array([1.0, 0.0, 0.0, 0.0]))


class InWorkcell:
    overrides = ("task=reach",)

    @pytest.fixture
    def cell(self):
        cell = simcells.make(*self.overrides)
        simcells.stand(cell, READY, 0.04)
        return cell

    @pytest.fixture
    def advance(self, cell):
        return lambda seconds: simcells.sleep(cell, seconds)


class TestSimArm(InWorkcell, ArmContract):
    @pytest.fixture
    def arm(self, cell):
        return cell.env.robot.arm

    def test_a_command_takes_one_policy_period(self, cell, arm, advance):
        goal = READY @ Pose(np.array([0.0, 0.0, -0.01]))
        arm.set_equilibrium_pose(goal, cell.env.clock.now_ns())
        advance(0.05)
        assert_near(cell.simulation.law.shaped_target, READY @ Pose(np.array([0, 0, -0.005])), 1e-6, 1e-6)
        advance(0.05)
        assert_near(cell.simulation.law.shaped_target, goal, 1e-9, 1e-7)

    def test_a_command_that_was_under_way_has_less_time_left(self, cell, arm, advance):
        advance(0.1)
        goal = READY @ Pose(np.array([0.0, 0.0, -0.01]))
        arm.set_equilibrium_pose(goal, cell.env.clock.now_ns() - 60_000_000)
        advance(0.04)
        assert_near(cell.simulation.law.shaped_target, goal, 1e-9, 1e-7)

    def test_the_twist_is_the_motion_of_the_tool(self, arm, advance):
        arm.set_equilibrium_pose(READY @ Pose.from_rotation_vector([0, 0, 0.1], [0.01, 0, 0]), arm.state().stamp_ns)
        advance(0.08)
        before = arm.state()
        advance(0.001)
        after = arm.state()
        velocity = (after.tcp_pose.position - before.tcp_pose.position) / 1e-3
        turning = (after.tcp_pose @ before.tcp_pose.inverse()).rotation_vector / 1e-3
        middle = 0.5 * (before.tcp_twist_base + after.tcp_twist_base)
        assert np.linalg.norm(velocity) > 0.02
        np.testing.assert_allclose(middle[:3], velocity, atol=1e-3)
        np.testing.assert_allclose(middle[3:], turning, atol=1e-2)


class TestSimGripper(InWorkcell, GripperContract):
    @pytest.fixture
    def gripper(self, cell):
        return cell.env.robot.gripper

    def test_it_takes_its_time(self, gripper, advance):
        before = gripper.width()
        gripper.set_width(0.0)
        assert gripper.width() == before, "set_width does not wait"
        advance(0.02)
        assert 0.0 < gripper.width() < before

    def test_while_the_arm_is_stopped_nothing_is_dropped(self, cell, gripper, advance):
        cell.env.robot.stop(Reason.WRENCH, "61 N")
        before = gripper.width()
        with pytest.raises(StoppedError, match="61 N"):
            gripper.set_width(0.08)
        advance(0.5)
        assert gripper.width() == pytest.approx(before, abs=1e-3)


class TestWristCamera(InWorkcell, CameraContract):
    shape = (48, 64)

    @pytest.fixture
    def camera(self, cell):
        camera = SimCamera(cell.simulation, "wrist", *self.shape)
        yield camera
        camera.close()


class TestSideCamera(TestWristCamera):
    @pytest.fixture
    def camera(self, cell):
        camera = SimCamera(cell.simulation, "side", *self.shape)
        yield camera
        camera.close()

    def test_it_sees_the_robot_move(self, camera, cell):
        before = camera.read()[1].astype(int)
        assert np.abs(camera.read()[1].astype(int) - before).max() == 0, "nothing moved"
        simcells.stand(cell, READY @ Pose(np.array([0.0, 0.1, -0.1])))
        assert np.abs(camera.read()[1].astype(int) - before).max() > 30

    def test_closed_it_can_be_read_again(self, camera):
        before = camera.read()[1]
        camera.close()
        camera.close()
        np.testing.assert_array_equal(camera.read()[1], before)


class TestScriptedExpert(InWorkcell, TeleopContract):
    overrides = ("task=reach", "teleop=expert")

    @pytest.fixture
    def teleop(self, cell):
        cell.env.reset(seed=0)
        return cell.env._takeover._teleop


class TestScriptedHuman(InWorkcell, TeleopContract):
    overrides = ("task=peg", "teleop=human", "teleop.human.patience_s=0.1", "teleop.human.reaction_s=0.05")

    @pytest.fixture
    def teleop(self, cell):
        cell.env.reset(seed=0)
        return cell.env._takeover._teleop


def test_an_unknown_camera_is_answered_with_the_known_ones():
    with pytest.raises(UnknownNameError, match="side, wrist"):
        SimCamera(simcells.make("task=reach").simulation, "top", 8, 8)


def test_the_clock_makes_physics_happen():
    cell = simcells.make("task=reach")
    clock = cell.env.clock
    start_ns = clock.now_ns()
    clock.sleep_until_ns(start_ns + 7_000_000)
    assert clock.now_ns() == start_ns + 7_000_000
    assert cell.simulation.data.time == pytest.approx(7e-3)
    clock.sleep_until_ns(start_ns)
    assert clock.now_ns() == start_ns + 7_000_000
    clock.sleep_until_ns(start_ns + 7_000_001)
    assert clock.now_ns() >= start_ns + 7_000_001


def test_the_widest_opening_is_the_hands():
    assert simcells.make("task=reach").env.robot.max_width_m == franka.MAX_GRIPPER_WIDTH_M
