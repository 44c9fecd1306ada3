"""What a person asks of a running graph: where the tool is, and that a stopped arm recovers."""

import re
import subprocess
import sys
import threading

import numpy as np
import pytest
from geometry_msgs.msg import Pose, Quaternion
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
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


class Stubborn:
    """A controller in a thread, whose arm is stopped and does not come free."""

    def __init__(self, is_refused):
        self._context, self._is_refused = simulated.make_context(), is_refused
        node = Node("impedance_controller", context=self._context, namespace="stubborn")
        self._states = node.create_publisher(ArmState, "~/state", qos.STREAM)
        self._stop = StopRecord(Reason.WRENCH, "71 N", 1)
        node.create_service(Trigger, "~/recover", self._recover)
        node.create_timer(0.05, self._tell)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        self._thread = threading.Thread(target=self._executor.spin)
        self._thread.start()

    def _tell(self):
        pose = Pose(orientation=Quaternion(w=1.0))
        self._states.publish(ArmState(tcp_pose=pose, stop=convert.to_stop_msg(self._stop)))

    def _recover(self, request, response):
        del request
        response.success, response.message = not self._is_refused, "the user stop is pressed"
        if response.success:
            self._stop = StopRecord(Reason.SPEED, "2 m/s", 2)
        return response

    def close(self):
        self._executor.shutdown()
        self._thread.join()
        self._context.try_shutdown()


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
