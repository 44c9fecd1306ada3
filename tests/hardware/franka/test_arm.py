"""The arm's driver sits the exam of all arms, against the simulated robot behind the real wire, in lock-step."""

import numpy as np
import pytest
from robot_rl_hardware.fci_sim.process import run_robot
from robot_rl_hardware.franka.arm import FrankaArm
from robot_rl_hardware.franka.settings import ROBOTS, ArmSettings

from robot_rl.clock import to_ns
from robot_rl.errors import SpecError, StoppedError
from robot_rl.geometry import Pose
from robot_rl.robot.protocols import TaredArm
from robot_rl.sim import franka
from tests.contracts import ArmContract, assert_near, distance
from tests.hardware.fci_sim.clients import make_host


@pytest.fixture(scope="module", params=ROBOTS)
def robot(request):
    with run_robot(make_host(), request.param) as robot:
        yield robot


fr3_only = pytest.mark.parametrize("robot", ["fr3"], indirect=True)
"""Where the library makes no difference, one robot is enough."""


@pytest.fixture(scope="module")
def driven(robot):
    with FrankaArm(ArmSettings(robot.host, robot.robot, is_lock_step=True)) as arm:
        yield arm, arm.state().tcp_pose


@pytest.fixture
def advance(driven):
    clock = driven[0].clock
    return lambda seconds: clock.sleep_until_ns(clock.now_ns() + to_ns(seconds))


@pytest.fixture
def arm(driven, advance):
    """At rest where it began."""
    arm, start = driven
    arm.recover()
    arm.set_impedance("insertion")
    arm.set_posture(franka.HOME_JOINTS)
    arm.set_equilibrium_pose(start, arm.state().stamp_ns)
    for _ in range(10):
        advance(0.15)
        state = arm.state()
        metres, radians = distance(state.tcp_pose, start)
        if metres < 1e-3 and radians < 0.01 and np.abs(state.tcp_twist_base).max() < 1e-3:
            break
    arm.recover()
    return arm


class TestFrankaArm(ArmContract):
    @pytest.fixture
    def arm(self, arm):
        return arm

    @pytest.fixture
    def advance(self, advance):
        return advance


def test_it_begins_where_the_robot_is(arm):
    np.testing.assert_allclose(arm.state().joint_positions, franka.HOME_JOINTS, atol=2e-3)


def test_what_it_says_agrees_with_the_physics(arm, advance, robot):
    advance(0.1)
    truth = robot.order("look")
    state = arm.state()
    np.testing.assert_allclose(state.joint_positions, truth["joint_positions"], atol=1e-4)
    np.testing.assert_allclose(np.linalg.det(state.tcp_pose.rotation), 1.0, atol=1e-12)
    assert truth["lost_count"] == 0


def test_torques_never_change_by_more_than_the_robot_bears(arm, advance):
    """Also with the preset that knows no ramp and no limits of its own."""
    arm.set_impedance("serl")
    before = arm.state().joint_torques
    steps = []
    for tick in range(60):
        if tick == 5:
            far = arm.state().tcp_pose @ Pose(np.array([0.05, 0.05, -0.05]))
            arm.set_equilibrium_pose(far, arm.state().stamp_ns - to_ns(0.1))
        advance(0.001)
        torque = arm.state().joint_torques
        steps.append(np.abs(torque - before).max())
        before = torque
    assert max(steps) <= 0.9 + 1e-5  # the robot's record of a torque has 32 bits
    assert max(steps) > 0.1, "the arm was asked for nothing that needs a limit"


@fr3_only
def test_the_null_space_goes_to_a_posture_while_the_tool_stays(arm, advance):
    before = arm.state()
    arm.set_posture(before.joint_positions + np.array([0.8, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]))
    advance(1.0)
    after = arm.state()
    assert after.joint_positions[0] > before.joint_positions[0] + 0.01
    assert_near(after.tcp_pose, before.tcp_pose, 0.003, 0.03)


@fr3_only
def test_a_tare_needs_rest(arm, advance):
    assert isinstance(arm, TaredArm)
    arm.set_equilibrium_pose(arm.state().tcp_pose @ Pose(np.array([0.02, 0.0, 0.0])), arm.state().stamp_ns)
    advance(0.08)
    assert not arm.tare()
    advance(1.0)
    assert arm.tare()
    arm.stop()
    with pytest.raises(StoppedError, match="stop requested"):
        arm.tare()


@fr3_only
@pytest.mark.parametrize("posture", [np.zeros(6), np.full(7, np.nan), np.full(7, 4.0)])
def test_an_impossible_posture_is_refused(arm, posture):
    with pytest.raises(SpecError, match="7 angles"):
        arm.set_posture(posture)


@fr3_only
def test_a_command_that_was_under_way_for_long_has_less_time_left(arm, advance):
    """Half of the period has passed: the spring's rest pose is there after the other half."""
    positions = []
    for age_s in (0.0, 0.1):
        start = arm.state().tcp_pose
        goal = start @ Pose(np.array([0.004, 0.0, 0.0]))
        arm.set_equilibrium_pose(goal, arm.state().stamp_ns - to_ns(age_s))
        advance(0.03)
        positions.append(np.linalg.norm(arm.state().tcp_pose.position - start.position))
        arm.set_equilibrium_pose(start, arm.state().stamp_ns)
        advance(0.8)
    assert positions[1] > 1.5 * positions[0]


def test_the_same_commands_lead_to_the_same_bits():
    """In lock-step, with a fresh robot each: in time that waits nothing depends on how fast anybody is."""
    ends = []
    for _ in range(2):
        with run_robot(make_host()) as robot, FrankaArm(ArmSettings(host=robot.host, is_lock_step=True)) as arm:
            start = arm.state().tcp_pose
            for step in range(5):
                goal = start @ Pose(np.array([0.002 * step, -0.001 * step, 0.0]))
                arm.set_equilibrium_pose(goal, arm.state().stamp_ns)
                arm.clock.sleep_until_ns(arm.clock.now_ns() + to_ns(0.1))
            ends.append(robot.order("look"))
    for name in ("cycle_count", "joint_positions", "joint_velocities"):
        assert ends[0][name] == ends[1][name], name
    assert ends[0]["cycle_count"] == 501  # the first one is the motion's beginning
    assert np.abs(ends[0]["joint_velocities"]).max() > 1e-3
