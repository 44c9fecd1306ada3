"""Whatever breaks, the arm holds or stops, and the reason is told: each fault against the simulated robot."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from robot_rl_hardware.fci_sim.process import run_robot
from robot_rl_hardware.franka.arm import FrankaArm
from robot_rl_hardware.franka.settings import ROBOTS, ArmSettings

from robot_rl.clock import to_ns
from robot_rl.errors import ConfigError, DeviceError, StoppedError
from robot_rl.geometry import Pose
from robot_rl.sim import franka
from robot_rl.sim.kinematics import solve_joints
from robot_rl.sim.simulation import Simulation
from robot_rl.sim.tasks.task import TOOL_DOWN
from robot_rl.sim.workcell import make_workcell_spec
from robot_rl.types import Reason
from tests.contracts import assert_near
from tests.hardware.fci_sim.clients import make_host

ASIDE = Pose(np.array([0.0, 0.01, 0.0]))


@pytest.fixture(scope="module", params=ROBOTS)
def served(request):
    with run_robot(make_host(), request.param) as robot:
        yield robot


fr3_only = pytest.mark.parametrize("served", ["fr3"], indirect=True)
"""Where the library makes no difference, one robot is enough."""


@pytest.fixture
def robot(served):
    """At its ready pose, whatever happened to it before."""
    served.order("release_user_stop")
    served.order("place", joints=franka.HOME_JOINTS.tolist())
    return served


def drive(robot, **settings):
    return FrankaArm(ArmSettings(robot.host, robot.robot, is_lock_step=True, **settings))


@pytest.fixture
def arm(robot):
    with drive(robot) as arm:
        if arm.state().stop is not None:  # an error that the test before left behind
            arm.recover()
        yield arm


def advance(arm, seconds):
    arm.clock.sleep_until_ns(arm.clock.now_ns() + to_ns(seconds))


def move(arm, by):
    goal = arm.state().tcp_pose @ by
    arm.set_equilibrium_pose(goal, arm.state().stamp_ns)
    advance(arm, 1.0)
    return goal


def break_it(arm, robot, do, **arguments):
    """Something happens in 20 ms, in the middle of a move; the stop that the arm tells of."""
    arm.set_equilibrium_pose(arm.state().tcp_pose @ ASIDE, arm.state().stamp_ns)
    robot.order(do, at_cycle=robot.order("look")["cycle_count"] + 20, **arguments)
    advance(arm, 0.1)
    stop = arm.state().stop
    assert stop is not None
    with pytest.raises(StoppedError, match=stop.reason.value):
        arm.set_equilibrium_pose(arm.state().tcp_pose, arm.state().stamp_ns)
    return stop


def assert_it_moves_again(arm):
    assert arm.state().stop is None
    before = arm.state().tcp_pose
    advance(arm, 0.3)
    assert_near(arm.state().tcp_pose, before, 0.003, 0.03)  # what was commanded before the stop is void
    goal = move(arm, ASIDE)
    assert_near(arm.state().tcp_pose, goal, 0.002, 0.02)


# ------------------------------------------------------------------------------------ the robot stops


@pytest.mark.parametrize(
    ("served", "error", "reason"),
    [
        ("fr3", "joint_reflex", Reason.WRENCH),
        ("fr3", "cartesian_velocity", Reason.SPEED),
        ("panda", "joint_reflex", Reason.WRENCH),
    ],
    indirect=["served"],
)
def test_an_error_of_the_robot_is_a_stop_with_its_name(arm, robot, error, reason):
    stop = break_it(arm, robot, "reflex", error=error)
    assert stop.reason is reason
    assert error in stop.detail
    assert "recover()" in stop.detail
    assert robot.order("look")["mode"] == "REFLEX"
    arm.recover()
    assert robot.order("look")["mode"] == "MOVE"
    assert_it_moves_again(arm)


def test_a_pressed_user_stop_is_not_recovered_from_by_program(arm, robot):
    stop = break_it(arm, robot, "press_user_stop")
    assert (stop.reason, "user stop" in stop.detail) == (Reason.REQUESTED, True)
    for _ in range(2):
        with pytest.raises(StoppedError, match="user stop is pressed"):
            arm.recover()
        assert arm.state().stop == stop
        assert robot.order("look")["mode"] == "USER_STOPPED"
    robot.order("release_user_stop")
    assert arm.state().stop == stop, "releasing the button alone moves nothing"
    arm.recover()
    assert_it_moves_again(arm)


@fr3_only
def test_an_arm_with_its_user_stop_pressed_can_be_opened(robot):
    robot.order("press_user_stop")
    with drive(robot) as arm:
        assert arm.state().stop.reason is Reason.REQUESTED
        np.testing.assert_allclose(arm.state().joint_positions, franka.HOME_JOINTS, atol=1e-5)
        robot.order("release_user_stop")
        arm.recover()
        assert_it_moves_again(arm)


def test_it_is_recovered_only_so_often(robot):
    with drive(robot, recoveries_per_minute=1) as arm:
        break_it(arm, robot, "reflex", error="joint_reflex")
        arm.recover()
        break_it(arm, robot, "reflex", error="joint_reflex")
        with pytest.raises(StoppedError, match="1 times within a minute"):
            arm.recover()
        assert robot.order("look")["mode"] == "REFLEX"


# ------------------------------------------------------------------------------------ the connection


@fr3_only
def test_a_closed_connection_is_a_stop_and_is_made_again_on_request(arm, robot):
    stop = break_it(arm, robot, "hang_up")
    assert (stop.reason, "connection" in stop.detail) == (Reason.STALE_STATE, True)
    assert robot.order("look")["mode"] == "IDLE"
    arm.recover()
    assert_it_moves_again(arm)


def test_a_silent_robot_is_a_stop(arm, robot):
    stop = break_it(arm, robot, "fall_silent", duration_s=1.5)
    assert stop.reason is Reason.STALE_STATE
    time.sleep(0.6)
    arm.recover()
    assert_it_moves_again(arm)


@fr3_only
def test_missing_states_stop_the_arm_softly_before_the_robot_does(arm, robot):
    stop = break_it(arm, robot, "drop_states", count=12)
    assert (stop.reason, "missing" in stop.detail) == (Reason.STALE_STATE, True)
    seen = robot.order("look")
    assert (seen["mode"], seen["errors"]) == ("MOVE", [])
    arm.recover()
    assert_it_moves_again(arm)


@fr3_only
def test_so_many_that_the_robot_stops_are_told_by_their_name(arm, robot):
    stop = break_it(arm, robot, "drop_commands", count=25)
    assert (stop.reason, "communication_constraints_violation" in stop.detail) == (Reason.STALE_COMMAND, True)


def test_an_address_where_nobody_is_says_what_to_check():
    with (
        pytest.raises(DeviceError, match="FCI active"),
        FrankaArm(ArmSettings(make_host(), "panda", connect_timeout_s=0.2)),
    ):
        pass


def test_the_driver_of_the_other_robot_says_so(served):
    other = {"fr3": "panda", "panda": "fr3"}[served.robot]
    with pytest.raises(DeviceError) as raised, FrankaArm(ArmSettings(served.host, other)):
        pass
    said = str(raised.value)
    assert f"speaks version {'10' if other == 'panda' else '5'} of its interface" in said
    assert f"set robot='{served.robot}'" in said
    assert "\n" not in said


# ------------------------------------------------------------------------------------ those who command


def test_without_commands_it_holds_the_last_pose_and_then_stops(arm, robot):
    goal = move(arm, ASIDE)
    advance(arm, 0.9)
    assert arm.state().stop is None
    assert_near(arm.state().tcp_pose, goal, 0.002, 0.02)
    advance(arm, 0.2)
    assert arm.state().stop.reason is Reason.WATCHDOG
    assert robot.order("look")["mode"] == "MOVE", "the spring holds it"
    assert_near(arm.state().tcp_pose, goal, 0.002, 0.02)
    arm.recover()
    assert_it_moves_again(arm)


def test_a_killed_driver_leaves_an_arm_that_holds(arm, robot):
    arm.set_equilibrium_pose(arm.state().tcp_pose @ ASIDE, arm.state().stamp_ns)
    advance(arm, 0.05)
    os.kill(arm.process_number, signal.SIGKILL)
    wait_for(lambda: arm.state().stop is not None)
    stop = arm.state().stop
    assert (stop.reason, "status -9" in stop.detail) == (Reason.STALE_STATE, True)
    assert arm.stop() == stop
    seen = robot.order("look")
    assert (seen["mode"], seen["errors"]) == ("IDLE", [])
    arm.recover()
    assert_it_moves_again(arm)


POLICY = """
import sys, time
from robot_rl_hardware.franka.arm import FrankaArm
from robot_rl_hardware.franka.settings import ArmSettings

with FrankaArm(ArmSettings(host=sys.argv[1], is_lock_step=True)) as arm:
    arm.set_equilibrium_pose(arm.state().tcp_pose, arm.state().stamp_ns)
    arm.clock.sleep_until_ns(arm.clock.now_ns() + 50_000_000)
    print(arm.process_number, flush=True)
    time.sleep(60.0)
"""


@fr3_only
def test_a_killed_policy_ends_the_motion(robot):
    policy = subprocess.Popen([sys.executable, "-c", POLICY, robot.host], stdout=subprocess.PIPE, text=True)
    with policy:
        try:
            driver = int(policy.stdout.readline())
            assert robot.order("look")["mode"] == "MOVE"
        finally:
            policy.kill()
    wait_for(lambda: robot.order("look")["mode"] == "IDLE")
    assert robot.order("look")["errors"] == []
    wait_for(lambda: not is_running(driver))


def test_closing_it_ends_the_motion(robot):
    with drive(robot) as arm:
        arm.set_equilibrium_pose(arm.state().tcp_pose @ ASIDE, arm.state().stamp_ns)
        advance(arm, 0.1)
        driver = arm.process_number
    seen = robot.order("look")
    assert (seen["mode"], seen["errors"]) == ("IDLE", [])
    assert not is_running(driver)


# ------------------------------------------------------------------------------------ contact


@fr3_only
def test_it_stops_softly_before_the_robots_reflex(robot):
    joints = solve_joints(Simulation(make_workcell_spec()).model, Pose(np.array([0.5, 0.0, 0.012]), TOOL_DOWN))
    robot.order("place", joints=joints.tolist())
    with drive(robot, force_limit_n=8.0) as arm:
        advance(arm, 0.5)
        goal = arm.state().tcp_pose
        for _ in range(15):  # an approach as slow as one in contact should be
            goal = goal @ Pose(np.array([0.0, 0.0, 0.002]))
            if arm.state().stop is None:
                arm.set_equilibrium_pose(goal, arm.state().stamp_ns)
            advance(arm, 0.1)
        stop = arm.state().stop
        assert stop is not None
        assert stop.reason is Reason.WRENCH
        assert "exceeds 8 N" in stop.detail
        seen = robot.order("look")
        assert (seen["mode"], seen["errors"]) == ("MOVE", [])
        assert np.linalg.norm(arm.state().tcp_wrench[:3]) < 8.0, "it presses on"


def test_a_tare_is_refused_where_something_touches_and_taken_where_it_is_little(robot):
    joints = solve_joints(Simulation(make_workcell_spec()).model, Pose(np.array([0.5, 0.0, 0.012]), TOOL_DOWN))
    robot.order("place", joints=joints.tolist())
    with drive(robot) as arm:
        advance(arm, 0.5)
        goal = arm.state().tcp_pose
        for _ in range(9):  # down to where the spring presses on the table
            goal = goal @ Pose(np.array([0.0, 0.0, 0.002]))
            arm.set_equilibrium_pose(goal, arm.state().stamp_ns)
            advance(arm, 0.1)
        advance(arm, 0.5)
        pressed = arm.state().tcp_wrench
        assert np.linalg.norm(pressed[:3]) > 5.0
        with pytest.raises(DeviceError, match=r"5 N and 1 Nm at most, felt are .* touches the tool"):
            arm.tare()
        np.testing.assert_allclose(arm.state().tcp_wrench, pressed, atol=0.5)
    with drive(robot, tare_limit_n=30.0, tare_limit_nm=5.0) as arm:
        if arm.state().stop is not None:
            arm.recover()
        goal = arm.state().tcp_pose @ Pose(np.array([0.0, 0.0, 0.004]))
        arm.set_equilibrium_pose(goal, arm.state().stamp_ns)
        advance(arm, 1.0)
        pressed = arm.state().tcp_wrench
        assert np.linalg.norm(pressed[:3]) > 2.0
        assert arm.tare()
        advance(arm, 0.1)
        assert np.linalg.norm(arm.state().tcp_wrench[:3]) < 0.3
        arm.set_equilibrium_pose(goal @ Pose(np.array([0.0, 0.0, -0.03])), arm.state().stamp_ns)
        advance(arm, 1.0)
        np.testing.assert_allclose(arm.state().tcp_wrench, -pressed, atol=0.5)


def test_a_soft_limit_beyond_the_robots_own_is_refused():
    with pytest.raises(ConfigError, match="below the robot's own"):
        ArmSettings(force_limit_n=70.0)


def wait_for(is_true, limit_s=10.0):
    deadline_s = time.monotonic() + limit_s
    while not is_true():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.02)


def is_running(number):
    try:
        with open(f"/proc/{number}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
