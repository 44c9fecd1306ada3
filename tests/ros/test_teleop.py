"""A person's device in the graph: foreign topics over real DDS, and the teleop process from end to end."""

import fcntl
import importlib.util
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from contextlib import contextmanager

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import Twist, TwistStamped, Vector3
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy, qos_profile_sensor_data
from robot_rl_ros.clock import NodeClock
from robot_rl_ros.devices.foreign_hand import JoyHand, TwistHand
from robot_rl_ros.devices.teleop import RosTeleop
from robot_rl_ros.link import Link
from robot_rl_ros.teleop import opened
from sensor_msgs.msg import Joy

from robot_rl.control.hand import AxisMap, ButtonMap
from robot_rl.runtime.config import TeleopConfig
from robot_rl.runtime.device_config import JoyConfig, SpaceMouseConfig, TwistConfig
from robot_rl.types import Button
from tests.contracts import TeleopContract
from tests.hardware import mice as desks
from tests.ros import simulated

PATIENCE_S = 60.0
RELIABLE = QoSProfile(depth=10, reliability=QoSReliabilityPolicy.RELIABLE)
BEST_EFFORT = qos_profile_sensor_data
QOS = pytest.mark.parametrize("qos", [RELIABLE, BEST_EFFORT], ids=["reliable", "best effort"])
BUTTONS = ButtonMap(0, 1, success=2, pause=3)


class Wire:
    """A node that speaks, and one that listens, each with a context of its own: what goes between them is DDS."""

    def __init__(self):
        self.contexts = [Context(), Context()]
        for context in self.contexts:
            rclpy.init(args=[], context=context)
        self.speaker, self.listener = (Node(f"wire_{k}", context=c) for k, c in enumerate(self.contexts))
        self.clock = NodeClock(self.listener)
        self._executor = SingleThreadedExecutor(context=self.contexts[1])
        self._executor.add_node(self.listener)

    def publisher(self, message_type, topic, qos):
        publisher = self.speaker.create_publisher(message_type, topic, qos)
        end_s = time.monotonic() + PATIENCE_S
        while not publisher.get_subscription_count():
            assert time.monotonic() < end_s, f"nobody hears {topic}"
            self.spin(0.02)
        return publisher

    def spin(self, seconds):
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0.0:
            self._executor.spin_once(timeout_sec=left_s)

    def until_read(self, hand, repeat=lambda: None):
        """What the hand says, once it says something; a message of best effort may have to be sent again."""
        end_s = time.monotonic() + PATIENCE_S
        while (command := hand.read()) is None:
            assert time.monotonic() < end_s, "nothing was heard"
            repeat()
            self.spin(0.02)
        return command

    def close(self):
        self._executor.shutdown()
        for node, context in zip((self.speaker, self.listener), self.contexts, strict=True):
            node.destroy_node()
            rclpy.shutdown(context=context)


@pytest.fixture(scope="module")
def wire():
    wire = Wire()
    yield wire
    wire.close()


def to_twist(values):
    return Twist(
        linear=Vector3(x=values[0], y=values[1], z=values[2]), angular=Vector3(x=values[3], y=values[4], z=values[5])
    )


SPACENAV = [0.35, -0.7, 0.0, 0.0, 0.0, 1.4]
HALVED = AxisMap(scales=(1 / 0.7,) * 6)


# ------------------------------------------------------------------------------------ foreign topics


@QOS
def test_a_gamepad_is_heard_whatever_its_quality_of_service(wire, qos):
    topic = f"joy_{qos.reliability.name}"
    axes = AxisMap((1, 0, 4, None, None, 3), (1.0, -1.0, 1.0, 1.0, 1.0, 0.5), dead_band=0.1)
    hand = JoyHand(wire.listener, wire.clock, JoyConfig(topic, axes, BUTTONS))
    publisher = wire.publisher(Joy, topic, qos)
    message = Joy(axes=[0.25, 1.0, 0.9, -1.0, 0.05], buttons=[0, 1, 1, 0])
    command = wire.until_read(hand, lambda: publisher.publish(message))
    np.testing.assert_array_equal(command.twist_base, [1.0, -0.25, 0, 0, 0, -0.5])
    assert (command.gripper, command.buttons) == (1.0, {Button.SUCCESS})
    assert 0 <= wire.clock.now_ns() - command.stamp_ns < 1_000_000_000


@QOS
@pytest.mark.parametrize("is_stamped", [False, True], ids=["Twist", "TwistStamped"])
def test_a_twist_is_heard_with_the_buttons_beside_it(wire, qos, is_stamped):
    topic = f"nav_{is_stamped}_{qos.reliability.name}/twist"
    buttons = topic.replace("twist", "joy")
    hand = TwistHand(wire.listener, wire.clock, TwistConfig(topic, is_stamped, HALVED, buttons, BUTTONS))
    message = TwistStamped(twist=to_twist(SPACENAV)) if is_stamped else to_twist(SPACENAV)
    publisher, button = wire.publisher(type(message), topic, qos), wire.publisher(Joy, buttons, qos)
    command = wire.until_read(hand, lambda: publisher.publish(message))
    np.testing.assert_allclose(command.twist_base, [0.5, -1.0, 0, 0, 0, 1.0])
    wire.spin(0.3)
    command = wire.until_read(hand, lambda: button.publish(Joy(axes=[0.0] * 6, buttons=[0, 0, 0, 1])))
    assert command.buttons == {Button.PAUSE}
    np.testing.assert_array_equal(command.twist_base, 0.0)


def test_a_publisher_that_falls_silent_has_let_go(wire):
    hand = TwistHand(wire.listener, wire.clock, TwistConfig("silent/twist", axes=HALVED, silence_s=0.2))
    publisher = wire.publisher(Twist, "silent/twist", RELIABLE)
    publisher.publish(to_twist(SPACENAV))
    wire.until_read(hand)
    wire.spin(0.25)
    assert hand.read() is None
    publisher.publish(to_twist(SPACENAV))  # one that speaks only when something changes: each change counts
    wire.until_read(hand)
    publisher.publish(to_twist([0.0] * 6))
    wire.spin(0.1)
    assert hand.read() is None, "its zero counts at once"


def test_what_is_not_finite_does_not_move_anything(wire):
    hand = TwistHand(wire.listener, wire.clock, TwistConfig("broken/twist", axes=HALVED))
    publisher = wire.publisher(Twist, "broken/twist", RELIABLE)
    for value in (float("nan"), float("inf")):
        publisher.publish(to_twist([value, 0.1, 0.1, 0.1, 0.1, 0.1]))
    wire.spin(0.1)
    assert hand.read() is None


class TestJoyHand(TeleopContract):
    @pytest.fixture
    def teleop(self, wire):
        return JoyHand(wire.listener, wire.clock, JoyConfig("contract/joy", AxisMap(), BUTTONS))

    @pytest.fixture
    def advance(self, wire):
        publisher = wire.publisher(Joy, "contract/joy", BEST_EFFORT)

        def advance(seconds):
            publisher.publish(
                Joy(axes=[3.0, -0.2, 0.0, 0.0, 0.0, float("nan") if seconds > 0.02 else 0.0], buttons=[1])
            )
            wire.spin(seconds)

        yield advance
        wire.speaker.destroy_publisher(publisher)


class TestTwistHand(TeleopContract):
    @pytest.fixture
    def teleop(self, wire):
        return TwistHand(wire.listener, wire.clock, TwistConfig("contract/twist", buttons_topic=""))

    @pytest.fixture
    def advance(self, wire):
        publisher = wire.publisher(Twist, "contract/twist", BEST_EFFORT)

        def advance(seconds):
            publisher.publish(to_twist([3.0, -0.2, 0.0, 0.0, 0.0, 0.1]))
            wire.spin(seconds)

        yield advance
        wire.speaker.destroy_publisher(publisher)


# ------------------------------------------------------------------------------------ the process


@contextmanager
def far_end():
    """What the actor has of the teleop process."""
    context = Context()
    rclpy.init(args=[], context=context)
    node = Node("actor", context=context)
    link = Link(node, PATIENCE_S)
    try:
        yield RosTeleop(link, is_scripted=False), node, link
    finally:
        link.close()
        node.destroy_node()
        rclpy.shutdown(context=context)


WORDS = ("--config", "env", "graph=real_time", "task=reach")


def test_a_gamepad_reaches_the_actor_and_no_press_is_lost_while_it_thinks(tmp_path):
    with simulated.started("teleop", tmp_path, *WORDS, "teleop=joy") as process, far_end() as (teleop, node, link):
        gamepad = node.create_publisher(Joy, "joy", BEST_EFFORT)
        push = Joy(axes=[0.0, 0.5, 0.0, 0.0, 0.0, 0.0], buttons=[0] * 8)

        def is_pushed():
            gamepad.publish(push)
            command = teleop.read()
            return command is not None and command.twist_base.any()

        assert link.spin_until(is_pushed, PATIENCE_S), process.output()
        np.testing.assert_array_equal(teleop.read().twist_base, [0.5, 0, 0, 0, 0, 0])

        gamepad.publish(Joy(axes=push.axes, buttons=[1, 0, 0, 0, 0, 0, 0, 1]))
        time.sleep(0.05)
        gamepad.publish(push)
        time.sleep(0.5)  # the actor thinks: half a hundred readings come in meanwhile
        command = teleop.read()
        assert command.buttons == {Button.PAUSE}
        assert command.gripper == -1.0
        link.spin_until(lambda: False, 0.05)
        command = teleop.read()
        assert (command.gripper, command.buttons) == (0.0, frozenset())
        assert not command.twist_base.any(), "the gamepad has said nothing for half a second"
        assert node.get_clock().now().nanoseconds - command.stamp_ns < 500_000_000, "and the node is alive"
        assert process.end() == 0, process.output()


def test_a_teleop_process_that_dies_is_nobody(tmp_path):
    """Its last word grows old, and what is old is no hand: see Takeover."""
    with simulated.started("teleop", tmp_path, *WORDS, "teleop=twist") as process, far_end() as (teleop, node, link):
        assert link.spin_until(lambda: teleop.read() is not None, PATIENCE_S), process.output()
        process.kill()
        link.spin_until(lambda: False, 0.5)
        command = teleop.read()
        assert node.get_clock().now().nanoseconds - command.stamp_ns > 200_000_000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            (*WORDS, "teleop=human"),
            "teleop=human is no device; choose one of: gamepad, joy, keyboard, spacemouse, twist",
        ),
        (("--config", "env", "teleop=joy"), "it needs graph=real_time"),
        ((*WORDS, "teleop=joy", "teleop.joy.silence_s=0"), "silence_s must be positive"),
    ],
)
def test_what_cannot_work_is_said_in_one_line(tmp_path, words, message):
    with simulated.started("teleop", tmp_path, *words) as process:
        assert process.popen.wait(PATIENCE_S) == 2
        assert message in process.output()
        assert len(process.output().strip().splitlines()) == 1


@pytest.mark.skipif(
    importlib.util.find_spec("pyspacemouse") is None and not os.environ.get("CI"), reason="pyspacemouse is missing"
)
def test_a_spacemouse_is_opened_as_configured(wire, tmp_path, monkeypatch):
    folder = tmp_path / "desk"
    folder.mkdir()
    for name, value in desks.to_environment(folder).items():
        monkeypatch.setenv(name, value)
    config = TeleopConfig("spacemouse", spacemouse=SpaceMouseConfig((1,), AxisMap(scales=(-1.0,) * 6), BUTTONS))
    with desks.desk(folder) as mice:
        mice += [desks.Mouse(folder / "0"), desks.Mouse(folder / "1", values=(0.4, 0, 0, 0, 0, 0))]
        with opened(config, wire.listener, wire.clock) as device:
            np.testing.assert_array_equal(wire.until_read(device).twist_base, [-0.4, 0, 0, 0, 0, 0])
        assert [mouse.opened for mouse in mice] == [0, 1]


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_keys_reach_the_actor_and_the_terminal_is_given_back(tmp_path, end):
    person, terminal = pty.openpty()
    before = termios.tcgetattr(terminal)
    log = tmp_path / "teleop.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "robot_rl.cli", "keyboard", "task=reach"],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(terminal, termios.TIOCSCTTY, 0),
        )
    try:
        with far_end() as (teleop, _, link):

            def is_pushed():
                os.write(person, b"r")
                command = teleop.read()
                return command is not None and command.twist_base[2] > 0.0

            assert link.spin_until(is_pushed, PATIENCE_S), log.read_text()
        assert termios.tcgetattr(terminal) != before
        process.send_signal(end)
        assert process.wait(PATIENCE_S) in (0, 130), log.read_text()
        assert termios.tcgetattr(terminal) == before
    finally:
        process.kill()
        process.wait()
        os.close(person)
        os.close(terminal)
