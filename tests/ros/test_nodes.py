"""Nodes by themselves: of devices that refuse, in a process that is late, and what they share."""

import gc
import re
import threading
import time
from types import SimpleNamespace

import pytest
import rclpy
from builtin_interfaces.msg import Time
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSCompatibility, qos_check_compatible
from robot_rl_msgs.msg import ArmState as ArmStateMsg
from robot_rl_msgs.srv import SetWidth
from robot_rl_ros import convert, process, qos
from robot_rl_ros.clock import every
from robot_rl_ros.devices.arm import RosArm
from robot_rl_ros.devices.gripper import RosGripper
from robot_rl_ros.link import Link, Newest
from robot_rl_ros.nodes.gripper import GripperNode
from robot_rl_ros.nodes.impedance_controller import BASE_FRAME, ImpedanceController
from robot_rl_ros.simulation import SimulationNode
from rosgraph_msgs.msg import Clock
from std_srvs.srv import Trigger

from robot_rl.clock import FakeClock
from robot_rl.errors import DeviceError, StoppedError
from robot_rl.robot.fake import FakeArm, FakeGripper
from robot_rl.runtime.assembly import make_served_workcell
from robot_rl.types import Reason
from tests.fakes import NotedArm
from tests.ros import simulated


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
@pytest.mark.parametrize("is_used", [True, False])
def test_who_has_the_robot_reset_and_dies_leaves_an_arm_that_stops(is_used):
    clock = FakeClock()
    arm, nothing_wrong = FakeArm(clock), SimpleNamespace(check_state=lambda state: None, show=lambda state: None)
    node = ImpedanceController(arm, nothing_wrong, clock, 2.0)
    try:
        if is_used:
            node.begin_reset()
        node._watch(SimpleNamespace(alive_count_change=-1))
    finally:
        node.destroy_node()
    assert (arm.state().stop is not None) is is_used


@pytest.mark.usefixtures("_ros")
def test_who_commands_while_a_reset_moves_the_arm_stops_it():
    """Two drive it. But for the last command of whoever asked for the reset, which may come after its beginning."""
    clock = FakeClock(10**9)
    arm = NotedArm(clock)
    nothing_wrong = SimpleNamespace(
        check_state=lambda state: None, check_command=lambda *asked: None, show=lambda state: None
    )
    node = ImpedanceController(arm, nothing_wrong, clock, 2.0)

    def command():
        node._command(convert.to_pose_stamped(arm.state().tcp_pose, clock.now_ns(), BASE_FRAME))

    try:
        node.begin_reset()
        command()
        assert (arm.commands, arm.state().stop) == ([], None)
        node.end_reset()
        clock.sleep_until_ns(2 * 10**9)
        command()
        assert (len(arm.commands), arm.state().stop) == (1, None)
        node.begin_reset()
        clock.sleep_until_ns(3 * 10**9)
        command()
    finally:
        node.destroy_node()
    assert len(arm.commands) == 1
    assert arm.state().stop.reason is Reason.RIVAL


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


@pytest.fixture
def refused(_ros, monkeypatch):
    """A gripper over the wire that refuses everything; what handles all that has come; and what the user was told."""

    class Refusing(FakeGripper):
        def set_width(self, width_m):
            raise StoppedError(f"not to {width_m * 1e3:.0f} mm")

    monkeypatch.setattr("robot_rl_ros.link._SERVE_EVERY_S", 0.0)
    node, hand = rclpy.create_node("actor"), GripperNode(Refusing(), FakeClock())
    link, server = Link(node, simulated.PATIENCE_S), SingleThreadedExecutor()
    server.add_node(hand)
    thread = threading.Thread(target=server.spin)
    thread.start()
    told = []
    monkeypatch.setattr(node, "get_logger", lambda: SimpleNamespace(warning=told.append))

    def act(pause_s=0.02):
        """A moment in which other things came, too."""
        time.sleep(pause_s)
        hand.publish()
        link.drain()

    try:
        gripper = RosGripper(link, 0.08)
        assert link.spin_until(gripper._client.service_is_ready, simulated.PATIENCE_S)
        yield gripper, act, told
    finally:
        server.shutdown()
        thread.join()
        link.close()
        for each in (node, hand):
            each.destroy_node()


def to_warnings(*widths_mm):
    return [f"the gripper refused: not to {width_mm} mm" for width_mm in widths_mm]


def test_in_real_time_every_refusal_of_the_gripper_is_told(refused):
    """Each answer is three callbacks, and a drain must not leave two of them for later."""
    gripper, act, told = refused
    for width_mm in range(20):
        gripper.set_width(width_mm * 1e-3)
        act()
    for _ in range(20):  # an answer may be late
        act(0.0 if len(told) == 20 else 0.1)
    assert told == to_warnings(*range(20))
    assert not gripper._client._pending_requests


def test_in_real_time_a_gripper_is_asked_for_the_same_opening_now_and_then_and_for_another_at_once(
    refused, monkeypatch
):
    gripper, act, told = refused
    for now_s, width_mm in [(9.0, 20), (9.01, 20), (9.02, 30), (9.04, 30), (9.05, 20), (9.06, 20), (9.15, 20)]:
        monkeypatch.setattr("robot_rl_ros.devices.gripper.time", SimpleNamespace(monotonic=lambda at=now_s: at))
        gripper.set_width(width_mm * 1e-3)
        act()
    for _ in range(20):
        act(0.0 if len(told) == 4 else 0.1)
    assert told == to_warnings(20, 30, 20, 20)


def test_who_drives_learns_that_somebody_else_commands_the_arm_too():
    """Its controller had obeyed 5 commands before, of somebody who has ended; two are ours, and an eighth is not."""
    context = simulated.make_context()
    talker, node = (rclpy.create_node(name, context=context) for name in ("talker", "actor"))
    link, state = Link(node, patience_s=simulated.PATIENCE_S), FakeArm(FakeClock()).state()
    try:
        publisher = talker.create_publisher(ArmStateMsg, "impedance_controller/state", qos.STREAM)
        arm = RosArm(link, 0.1)
        assert link.spin_until(lambda: publisher.get_subscription_count() == 1, simulated.PATIENCE_S)

        def say(commands):
            publisher.publish(convert.to_arm_state_msg(state, BASE_FRAME, commands))
            assert link.wait_for(lambda: arm._commands == commands)

        for commands in (4, 5):
            say(commands)
            arm.state()
        arm.set_equilibrium_pose(state.tcp_pose, 0)
        arm.set_equilibrium_pose(state.tcp_pose, 0)
        for commands in (5, 6, 7):
            say(commands)
            arm.state()
        say(8)
        with pytest.raises(DeviceError, match="somebody else commands the arm, too"):
            arm.set_equilibrium_pose(state.tcp_pose, 0)
    finally:
        link.close()
        for each in (node, talker):
            each.destroy_node()
        rclpy.try_shutdown(context=context)


@pytest.mark.usefixtures("_ros")
def test_a_simulator_that_is_late_takes_no_punctual_command_for_one_of_the_future():
    config = simulated.load("task=reach", "teleop=none", "graph=real_time")
    cell = make_served_workcell(config)
    node = SimulationNode(cell, config, is_lock_step=False)
    try:
        time.sleep(0.4)  # more than a command's stamp may be off
        arm, now_ns = cell.env.robot.arm, time.time_ns()
        assert now_ns - arm.state().stamp_ns >= 400_000_000, "simulated time has not passed"
        node.controller.commands.callback(convert.to_pose_stamped(arm.state().tcp_pose, now_ns, BASE_FRAME))
        assert arm.state().stop is None
    finally:
        for each in node.nodes:
            each.destroy_node()


def test_the_garbage_collector_looks_no_more_at_what_was_there_before_the_work():
    before = [["something old"]]
    try:
        process.freeze_heap()
        assert not any(each is before for each in gc.get_objects())
    finally:
        gc.unfreeze()


def test_who_commands_is_heard_several_times_within_the_time_after_which_it_counts_as_gone():
    listener, commander = qos.make_command_qos(0.1), qos.make_commander_qos(0.1)
    assert qos_check_compatible(commander, listener)[0] == QoSCompatibility.OK
    assert 3 * commander.liveliness_lease_duration.nanoseconds < listener.liveliness_lease_duration.nanoseconds


def test_what_was_heard_too_long_ago_is_not_the_present():
    """Nor is the same moment, told again: whoever repeats themselves may not know the present."""
    context = simulated.make_context()
    talker, node = (rclpy.create_node(name, context=context) for name in ("talker", "actor"))
    link = Link(node, patience_s=1.0)

    def listen(**silence):
        return Newest(link, Clock, "topic", lambda message: (message.clock.sec, message), qos.STREAM, **silence)

    try:
        publisher = talker.create_publisher(Clock, "topic", qos.STREAM)
        newest, ever = listen(max_silence_s=0.2), listen()
        still = listen(max_silence_s=0.2, stands_still=lambda message: message.clock.nanosec == 1)
        assert link.spin_until(lambda: publisher.get_subscription_count() == 3, simulated.PATIENCE_S)

        def tell(sec, nanosec=0):
            publisher.publish(Clock(clock=Time(sec=sec, nanosec=nanosec)))

        tell(0)
        heard = (newest, ever, still)
        assert link.spin_until(lambda: all(each.value is not None for each in heard), simulated.PATIENCE_S)
        for each in heard:
            each._heard_s -= 0.3
        assert ever.read()[0] == 0
        tell(0)
        with pytest.raises(DeviceError, match=r"was silent for 1 s: its newest message is of 0\.000 s"):
            newest.read()
        with pytest.raises(DeviceError, match="was silent"):
            still.read()
        tell(0, nanosec=1)
        assert still.read()[0] == 0
        tell(1)
        assert newest.read()[0] == 1
    finally:
        link.close()
        for each in (node, talker):
            each.destroy_node()
        rclpy.try_shutdown(context=context)


def test_what_is_done_again_and_again_does_not_wait_for_a_clock_that_stands_still():
    """A clock that was set back stands still to a timer of its own."""
    context = simulated.make_context()
    simulated_time = Parameter("use_sim_time", Parameter.Type.BOOL, True)
    node = rclpy.create_node("node", context=context, parameter_overrides=[simulated_time])
    link = Link(node, patience_s=1.0)
    steady, by_its_clock = [], []
    try:
        every(node, 0.01, lambda: steady.append(1))
        node.create_timer(0.01, lambda: by_its_clock.append(1))
        assert link.spin_until(lambda: len(steady) >= 3, simulated.PATIENCE_S)
        assert by_its_clock == []
    finally:
        link.close()
        node.destroy_node()
        rclpy.try_shutdown(context=context)


@pytest.mark.parametrize(
    ("profile", "cause"),
    [(qos.STREAM, "nothing came."), (qos.FOREIGN, "nothing came; talker publishes it otherwise: ERROR: Best effort")],
)
def test_why_a_topic_is_silent_is_said_where_the_graph_knows(profile, cause):
    context = simulated.make_context()
    talker, node = (rclpy.create_node(name, context=context) for name in ("talker", "actor"))
    link = Link(node, patience_s=1.0)
    try:
        talker.create_publisher(Clock, "topic", profile)
        newest = Newest(link, Clock, "topic", lambda message: (0, message), qos.STREAM)
        with pytest.raises(DeviceError, match=re.escape(cause)):
            newest.read()
    finally:
        link.close()
        for each in (node, talker):
            each.destroy_node()
        rclpy.try_shutdown(context=context)
