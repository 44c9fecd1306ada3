"""An arm behind somebody else's controller: the exam of all arms, and what may be wrong with the controller."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import PoseStamped
from rclpy.context import Context
from rclpy.qos import QoSProfile
from robot_rl_ros.devices.external_arm import ExternalArm, Line

from robot_rl.clock import FakeClock, to_ns
from robot_rl.errors import DeviceError, SetupError, StoppedError, UnknownNameError
from robot_rl.geometry import Pose
from robot_rl.runtime.external_config import ExternalConfig
from robot_rl.types import Reason
from tests.contracts import ArmContract, assert_near, until
from tests.ros.foreign_controller import ForeignController

CONFIG = ExternalConfig(
    recovery_type="robot_rl_msgs/action/Reset",  # an action that is installed, and needs no more than an empty goal
    stop_service="halt",
    presets={"compliant": (400.0, 30.0), "insertion": ()},
    stiffness_topic="target_stiffness",
    patience_s=20.0,
)
ASIDE = Pose(np.array([0.01, 0.0, 0.0]))


@contextmanager
def context():
    context = Context()
    rclpy.init(args=[], context=context)
    try:
        yield context
    finally:
        rclpy.try_shutdown(context=context)


@pytest.fixture(scope="module")
def ros():
    with context() as ros:
        yield ros


@contextmanager
def opened(ros, foreign, config=CONFIG):
    """The arm; while it is being opened, the broadcasters speak."""
    arm = ExternalArm(config, foreign.clock, 0.1, ros)
    foreign.node.create_timer(0.02, lambda: None if foreign.is_silent else foreign.say())
    with arm:
        yield arm


@pytest.fixture
def foreign():
    foreign = ForeignController(FakeClock(5_000_000_000))
    yield foreign
    foreign.close()


@pytest.fixture
def arm(ros, foreign):
    with opened(ros, foreign) as arm:
        yield arm


@pytest.fixture
def advance(foreign):
    return foreign.advance


class TestExternalArm(ArmContract):
    settle_s = 0.4

    @pytest.fixture
    def arm(self, arm):
        return arm

    @pytest.fixture
    def advance(self, advance):
        return advance


def broken(arm, foreign, reason, words):
    """The stop that follows, which keeps its record and refuses motion."""
    until(lambda: arm.state().stop is not None)
    stop = arm.state().stop
    assert stop.reason is reason
    assert words in stop.detail
    with pytest.raises(StoppedError, match=reason.value):
        arm.set_equilibrium_pose(foreign.pose, foreign.clock.now_ns())
    assert arm.stop(Reason.REQUESTED, "later") == stop
    return stop


# ------------------------------------------------------------------------------------ what it says and sends


def test_what_nobody_tells_is_said_to_be_zero_or_computed(arm, foreign, advance):
    foreign.names = ["finger", *reversed(foreign.names)]
    foreign.velocities = []
    foreign.force = np.array([1.0, 2.0, 3.0, 0.1, 0.2, 0.3])
    foreign.target = foreign.pose @ Pose.from_rotation_vector([0.0, 0.0, 0.3], [0.05, 0.0, 0.0])
    advance(0.03)
    before = foreign.pose
    advance(0.02)
    until(lambda: arm.state().stamp_ns == foreign.clock.now_ns())
    state = arm.state()
    np.testing.assert_allclose(state.joint_positions, np.linspace(0.1, 0.7, 8)[:0:-1])
    np.testing.assert_array_equal(state.joint_velocities, 0.0)
    np.testing.assert_array_equal(state.joint_torques, 0.0)
    np.testing.assert_array_equal(state.tcp_wrench, foreign.force)
    assert state.stop is None
    twist = state.tcp_twist_base
    assert twist[0] > 0.3 * (foreign.pose.position - before.position)[0] / 0.02 > 0.0
    assert twist[5] < -0.1, "the tool points down: its turn about z is one about -z of the base"


def test_a_target_is_a_straight_way_over_a_period(arm, foreign, advance):
    start = foreign.pose
    goal = start @ Pose.from_rotation_vector([0.0, 0.0, 0.2], [0.02, 0.0, 0.0])
    begin_ns = foreign.clock.now_ns()
    arm.set_equilibrium_pose(goal, begin_ns)
    advance(0.3)
    heard = [(stamp_ns, pose) for stamp_ns, pose in foreign.heard if stamp_ns >= begin_ns]
    assert len(heard) >= 5
    for stamp_ns, pose in heard:
        share = min(1.0, (stamp_ns - begin_ns) / 1e8)
        assert_near(pose, start.interpolate(goal, share), 1e-3, 0.01)
    assert_near(heard[-1][1], goal, 1e-9, 1e-9)
    count = len(foreign.heard)
    advance(0.1)
    assert len(foreign.heard) == count, "arrived, nothing more is sent"


def test_a_controller_that_interpolates_hears_each_target_once(ros, foreign, advance):
    with opened(ros, foreign, replace(CONFIG, is_streamed=False)) as arm:
        goal = foreign.pose @ ASIDE
        arm.set_equilibrium_pose(goal, foreign.clock.now_ns())
        advance(0.2)
        assert len(foreign.heard) == 1
        assert_near(foreign.heard[0][1], goal, 1e-9, 1e-9)


def test_a_preset_is_sent_as_its_numbers_and_others_are_refused(arm, foreign):
    arm.set_impedance("compliant")
    until(lambda: foreign.stiffness == [400.0, 30.0])
    arm.set_impedance("insertion")
    with pytest.raises(UnknownNameError, match=r"external\.presets 'precision'.*compliant, insertion"):
        arm.set_impedance("precision")


def test_a_stop_is_also_told_to_the_controller_and_the_arm_rests_there(arm, foreign, advance):
    arm.set_equilibrium_pose(foreign.pose @ Pose(np.array([0.04, 0.0, 0.0])), foreign.clock.now_ns())
    advance(0.05)
    arm.stop(Reason.WRENCH, "62 N")
    until(lambda: foreign.stops == 1)
    until(lambda: np.allclose(foreign.target.position, arm.state().tcp_pose.position, atol=0.01))
    here = arm.state().tcp_pose
    advance(0.3)
    assert_near(foreign.pose, here, 0.004, 1e-3)


def test_leaving_holds_the_arm_where_it_is(ros, foreign, advance):
    with opened(ros, foreign) as arm:
        arm.set_equilibrium_pose(foreign.pose @ Pose(np.array([0.04, 0.0, 0.0])), foreign.clock.now_ns())
        advance(0.03)
        far = arm.state().tcp_pose.position[0]
    advance(0.3)
    assert abs(foreign.pose.position[0] - far) < 0.03


# ------------------------------------------------------------------------------------ what may be wrong


def test_a_controller_that_dies_is_a_stop_and_it_may_come_back(ros, foreign, advance):
    with opened(ros, foreign, replace(CONFIG, patience_s=0.5)) as arm:
        arm.set_equilibrium_pose(foreign.pose @ ASIDE, foreign.clock.now_ns())
        foreign.is_silent = True
        advance(0.05)
        last = foreign.heard[-1]
        advance(0.1)
        before = arm.state()
        broken(arm, foreign, Reason.STALE_STATE, "/current_pose is")
        assert before.stamp_ns <= foreign.clock.now_ns() - to_ns(0.1), "no state, no new stamp"
        count = len(foreign.heard)
        advance(0.1)
        assert len(foreign.heard) == count, "where it is nobody knows: nothing more is sent"
        assert foreign.heard[-1][0] - last[0] <= to_ns(0.11)
        foreign.refuses = True
        with pytest.raises(StoppedError, match=r"current_pose is .* old.*has not succeeded"):
            arm.recover()
        foreign.refuses, foreign.is_silent = False, False
        arm.recover()
        assert foreign.recoveries == 2
        assert arm.state().stop is None
        until(lambda: np.allclose(foreign.target.position, foreign.pose.position))


def test_a_robot_without_an_error_may_refuse_to_recover(arm, foreign):
    arm.stop()
    foreign.refuses = True
    arm.recover()
    assert foreign.recoveries == 1
    assert arm.state().stop is None


def test_a_service_may_clear_the_errors(ros, foreign):
    with opened(ros, foreign, replace(CONFIG, recovery="clear", recovery_type="std_srvs/srv/Trigger")) as arm:
        arm.recover()
        assert foreign.recoveries == 0, "it was not stopped"
        arm.stop()
        foreign.on_recovery = lambda: setattr(foreign, "is_silent", False)
        arm.recover()
        assert foreign.recoveries == 1


def test_a_second_publisher_is_a_stop_since_the_controller_obeys_nobody_then(arm, foreign, advance):
    other = foreign.node.create_publisher(PoseStamped, "target_pose", QoSProfile(depth=1))
    broken(arm, foreign, Reason.STALE_COMMAND, "/target_pose has several publishers")
    foreign.node.destroy_publisher(other)
    arm.recover()
    goal = foreign.pose @ ASIDE
    arm.set_equilibrium_pose(goal, foreign.clock.now_ns())
    advance(0.4)
    assert_near(arm.state().tcp_pose, goal, 0.002, 0.02)


def test_a_controller_that_does_not_listen_is_a_stop(arm, foreign):
    foreign.node.destroy_subscription(foreign.listener)
    stop = broken(arm, foreign, Reason.STALE_COMMAND, "nobody listens to /target_pose")
    assert arm.state().stop == stop


@pytest.mark.parametrize(
    ("spoil", "reason", "words"),
    [
        (lambda foreign: setattr(foreign, "frame", "world"), Reason.NOT_FINITE, "must be 'fr3_link0', got 'world'"),
        (lambda foreign: setattr(foreign, "force", np.full(6, np.nan)), Reason.NOT_FINITE, "must be finite"),
        (
            lambda foreign: setattr(foreign, "pose", Pose(np.full(3, np.nan))),
            Reason.NOT_FINITE,
            "must be finite",
        ),
        (lambda foreign: foreign.names.pop(), Reason.NOT_FINITE, "joints must include"),
        (lambda foreign: setattr(foreign, "stamp_offset_ns", -to_ns(0.5)), Reason.STALE_STATE, "0.5 s old"),
        (lambda foreign: setattr(foreign, "stamp_offset_ns", to_ns(0.5)), Reason.STALE_STATE, "ahead of ours"),
    ],
    ids=["frame", "wrench", "pose", "joints", "old", "future"],
)
def test_a_state_that_makes_no_sense_is_a_stop_and_not_a_state(arm, foreign, spoil, reason, words):
    before = foreign.pose
    foreign.velocities = []
    spoil(foreign)
    until(lambda: arm.state().stop is not None)
    foreign.pose, state = before, arm.state()
    assert_near(state.tcp_pose, before, 1e-9, 1e-9)
    assert np.isfinite(state.tcp_wrench).all()
    broken(arm, foreign, reason, words)


def test_a_known_offset_of_the_clocks_is_taken_off_and_put_on(ros, foreign):
    foreign.stamp_offset_ns = to_ns(3.0)
    with opened(ros, foreign, replace(CONFIG, clock_offset_s=3.0)) as arm:
        assert arm.state().stamp_ns == foreign.clock.now_ns()
        arm.set_equilibrium_pose(foreign.pose, foreign.clock.now_ns())
        until(lambda: foreign.heard)
        assert foreign.heard[0][0] == foreign.clock.now_ns() + to_ns(3.0)


def test_a_controller_that_is_not_there_is_an_error_that_says_so(ros):
    absent = ExternalArm(replace(CONFIG, patience_s=0.3), FakeClock(1), 0.1, ros)
    with pytest.raises(DeviceError, match="/current_pose was never heard"), absent:
        pass


def test_a_type_that_is_not_installed_is_an_error_that_says_so(ros):
    absent = ExternalArm(replace(CONFIG, recovery_type="no_such_msgs/action/ErrorRecovery"), FakeClock(1), 0.1, ros)
    with pytest.raises(SetupError, match="no no_such_msgs/action/ErrorRecovery: source the workspace"), absent:
        pass


def test_a_line_that_takes_no_time_is_over_also_where_the_clock_was_set_back():
    goal = Pose(np.array([0.1, 0.0, 0.0]))
    assert Line(Pose(), goal, 1000, 1000).at(990) is goal
