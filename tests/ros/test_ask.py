"""What a person asks of a running graph: where the tool is, and that a stopped arm recovers."""

import io
import re
import subprocess
import sys
import threading

import numpy as np
import pytest
from geometry_msgs.msg import Pose, Quaternion
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future
from robot_rl_msgs.msg import ArmState
from robot_rl_ros import ask, convert, driver, qos
from std_srvs.srv import Trigger

from robot_rl.errors import DeviceError
from robot_rl.types import Reason, StopRecord
from tests.ros import simulated


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """In lock-step, where nobody says anything by themselves while time stands still."""
    with simulated.graph(tmp_path_factory.mktemp("graph"), "task=reach", "teleop=none") as (_, here):
        here.cell.env.reset(0)
        yield here


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    monkeypatch.setattr(ask, "_PATIENCE_S", simulated.PATIENCE_S)


def said(capsys, *words):
    """(exit status, lines)"""
    code = ask.main(["ask", *words])
    return code, capsys.readouterr().out.splitlines()


def numbers(text):
    return [float(number) for number in re.findall(r"-?\d[\d.e-]*", text)]


def test_where_says_the_measured_pose_and_the_words_of_a_place_there(here, capsys):
    pose = here.cell.robot.arm.state().tcp_pose
    code, (said_pose, words, arm) = said(capsys, "where", "--tool-length", "0.04")
    assert code == 0
    assert said_pose.startswith("T_base_tcp: {position: [")
    np.testing.assert_allclose(numbers(said_pose), [*pose.position, *pose.quaternion], atol=1e-6)
    tip = simulated.load(*words.split()).task.place
    np.testing.assert_allclose(tip.target_m, pose.transform_point([0.0, 0.0, 0.04]), atol=1e-5)
    assert tip.tool_length_m == 0.04
    assert arm == "the arm is free to move"
    assert here.cell.robot.arm.state().stop is None, "who looks is no commander whose end stops the arm"


def test_a_stopped_arm_is_recovered(here, capsys):
    here.cell.robot.arm.stop(Reason.WRENCH, "a test")
    assert said(capsys, "where")[1][-1] == "the arm is stopped: wrench limit: a test"
    assert said(capsys, "recover") == (0, ["the arm was stopped: wrench limit: a test", "it may move again"])
    here.wait_for(lambda: here.cell.robot.arm.state().stop is None)
    assert said(capsys, "recover") == (0, ["the arm is free to move: it was not stopped"])


class Stopped:
    """A controller in a thread, whose arm is stopped; what comes of a recovery is the subclass's to say."""

    def __init__(self):
        self._context = simulated.make_context()
        self._node = node = Node("impedance_controller", context=self._context, namespace="stubborn")
        self._states = node.create_publisher(ArmState, "~/state", qos.STREAM)
        self._stop = StopRecord(Reason.WRENCH, "71 N", 1)
        self._service = node.create_service(Trigger, "~/recover", self._recover)
        node.create_timer(0.05, self._tell)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        self._thread = threading.Thread(target=self._executor.spin)
        self._thread.start()

    def _tell(self):
        pose = Pose(orientation=Quaternion(w=1.0))
        self._states.publish(ArmState(tcp_pose=pose, stop=convert.to_stop_msg(self._stop)))

    def close(self):
        self._executor.shutdown()
        self._thread.join()
        self._context.try_shutdown()


class Stubborn(Stopped):
    """Its arm does not come free."""

    def __init__(self, is_refused):
        self._is_refused = is_refused
        super().__init__()

    def _recover(self, request, response):
        del request
        response.success, response.message = not self._is_refused, "the user stop is pressed"
        if response.success:
            self._stop = StopRecord(Reason.SPEED, "2 m/s", 2)
        return response


class Slow(Stopped):
    """Its arm comes free when it is allowed to; nothing else is served meanwhile, as where a driver recovers."""

    def __init__(self):
        self.may_end = threading.Event()
        super().__init__()

    def _recover(self, request, response):
        del request
        response.success = self.may_end.wait(simulated.PATIENCE_S)
        self._stop = None
        return response

    def close(self):
        self.may_end.set()
        super().close()


class Gone(Stopped):
    """Its process dies of being asked."""

    async def _recover(self, request, response):
        del request, response
        self._node.destroy_service(self._service)
        await Future()


@pytest.fixture
def slow():
    controller = Slow()
    yield controller
    controller.close()


class Screen(io.StringIO):
    """A terminal, at which somebody does something once they have read a word."""

    def __init__(self, word, act):
        super().__init__()
        self._word, self._act = word, act

    def write(self, text):
        if self._word in text:
            self._act()
        return super().write(text)


def recover_slowly(monkeypatch, screen):
    """What the command's exit status is, while a person reads at this screen; it speaks without delay."""
    monkeypatch.setattr(ask, "_SAY_EVERY_S", 0.05)
    monkeypatch.setattr(sys, "stdout", screen)
    return ask.main(["ask", "recover", "--ros-args", "-r", "__ns:=/stubborn"])


def test_a_recovery_that_takes_long_is_waited_for_and_told_of(slow, monkeypatch):
    """Whoever was told that it failed would walk up to an arm that moves."""
    monkeypatch.setattr(ask, "_PATIENCE_S", 5.0)
    screen = Screen("still recovering", slow.may_end.set)
    assert recover_slowly(monkeypatch, screen) == 0
    first, *between, last = screen.getvalue().splitlines()
    assert (first, last) == ("the arm was stopped: wrench limit: 71 N", "it may move again")
    assert between, "people who wait want to know why"
    assert all(re.fullmatch(r"still recovering after \d+ s: keep clear", line) for line in between)


def test_a_recovery_that_is_no_longer_waited_for_may_still_come(slow, monkeypatch, capsys):
    monkeypatch.setattr(ask, "_RECOVERY_S", 0.2)
    with pytest.raises(SystemExit) as end:
        recover_slowly(monkeypatch, io.StringIO())
    assert end.value.code == DeviceError.exit_status
    (line,) = capsys.readouterr().err.splitlines()
    said = "The controller has not answered within 0.2 s. It may still recover, and the arm may move then: keep clear."
    assert line == f"robot-rl: {said}"
    assert not slow.may_end.is_set()


def test_a_controller_that_is_gone_is_not_waited_for(monkeypatch, capsys):
    gone, screen = Gone(), io.StringIO()
    try:
        with pytest.raises(SystemExit) as end:
            recover_slowly(monkeypatch, screen)
    finally:
        gone.close()
    assert end.value.code == DeviceError.exit_status
    said = "The controller has not answered and is not heard any more. It may still recover"
    assert capsys.readouterr().err.startswith(f"robot-rl: {said}")


def test_ctrl_c_does_not_end_the_recovery_and_the_person_is_told(slow, monkeypatch, capsys):
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as end:
        recover_slowly(monkeypatch, Screen("still recovering", interrupt))
    assert end.value.code == 130
    assert capsys.readouterr().err == "It may still recover, and the arm may move then: keep clear.\n"
    assert not slow.may_end.is_set()


@pytest.mark.parametrize(
    ("is_refused", "why"),
    [(True, "the user stop is pressed"), (False, "it was stopped again at once: speed limit: 2 m/s")],
)
def test_an_arm_that_does_not_recover_says_why(capsys, is_refused, why):
    stubborn = Stubborn(is_refused)
    try:
        code, lines = said(capsys, "recover", "--ros-args", "-r", "__ns:=/stubborn")
    finally:
        stubborn.close()
    assert code == 1
    assert lines == ["the arm was stopped: wrench limit: 71 N", f"it has not recovered: {why}"]


def test_where_nobody_is_that_is_said_in_one_line(here, capsys, monkeypatch):
    monkeypatch.setattr(ask, "_PATIENCE_S", 0.3)
    with pytest.raises(SystemExit) as end:
        ask.main(["ask", "where", "--ros-args", "-r", "__ns:=/left_arm"])
    assert end.value.code == DeviceError.exit_status
    (line,) = capsys.readouterr().err.splitlines()
    domain = here.node.context.get_domain_id()
    assert line.startswith(f"robot-rl: No graph answers in ROS domain {domain}, namespace left_arm (")


@pytest.mark.usefixtures("here")
def test_the_command_joins_the_graph_of_its_domain():
    command = [sys.executable, "-m", "robot_rl.cli", "where"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=simulated.PATIENCE_S, check=False)
    assert process.returncode == 0, process.stderr
    assert process.stdout.startswith("T_base_tcp: ")
    assert process.stdout.endswith("the arm is free to move\n")


def test_who_waits_for_a_stopped_arm_says_how_it_is_recovered():
    context = simulated.make_context()
    node = Node("actor", context=context, namespace="left_arm")
    try:
        text = driver.make_reminder(node, StopRecord(Reason.WRENCH, "71 N", 0))
        domain = context.get_domain_id()
    finally:
        node.destroy_node()
        context.try_shutdown()
    assert "(wrench limit: 71 N)" in text
    assert f": robot-rl recover --domain {domain} --namespace left_arm (" in text
    assert f"ROS_DOMAIN_ID={domain} ros2 service call /left_arm/impedance_controller/recover std_srvs" in text
