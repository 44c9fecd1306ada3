"""A recovery that is not answered, or crossed by a stop, moves nothing; and a process that hangs is a stop."""

import os
import re
import signal
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from robot_rl_hardware.fci_sim.process import run_robot
from robot_rl_hardware.franka import arm as arm_module
from robot_rl_hardware.franka.arm import FrankaArm
from robot_rl_hardware.franka.settings import ArmSettings

from robot_rl.clock import to_ns
from robot_rl.errors import StoppedError
from robot_rl.types import Reason
from tests.hardware.fci_sim.clients import make_host
from tests.hardware.franka.scripted import ScriptedArm, make_script


class EchoingArm(ScriptedArm):
    """It tells the orders as numbers of the joints."""

    script = make_script(
        """
        told = ("preset_count", "preset", "target_count", "posture_count", "tare_count")
        report["measured"]["joint_positions"][: len(told)] = [order[name] for name in told]
        """
    )


class Pause:
    """What happens while something is waited for: once, what it is told, and then the time passes."""

    def __init__(self):
        self.then = lambda: None

    def __call__(self, seconds):
        then, self.then = self.then, lambda: None
        then()
        time.sleep(seconds)


def wait_for(is_true, limit_s=20.0):
    deadline_s = time.monotonic() + limit_s
    while not is_true():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.005)


def advance(arm, seconds):
    arm.clock.sleep_until_ns(arm.clock.now_ns() + to_ns(seconds))


def is_answered(arm):
    return arm._link._reports.peek("mode_count") == arm._link.order["mode_count"]


@contextmanager
def frozen(process):
    """It neither ends nor goes on."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


@pytest.fixture(scope="module")
def robot():
    with run_robot(make_host()) as robot:
        yield robot


def find_process(robot):
    """Number of the simulated robot's process."""
    for words in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if os.fsencode(robot.side_channel) in words.read_bytes().split(b"\0"):
                return int(words.parent.name)
        except OSError:
            continue
    raise AssertionError("the simulated robot has ended")


@pytest.fixture
def pause():
    return Pause()


@pytest.fixture
def hung_up(robot, pause):
    """An arm whose robot has closed the connection, and its stop."""
    with FrankaArm(ArmSettings(robot.host, is_lock_step=True), pause=pause) as arm:
        if arm.state().stop is not None:
            arm.recover()
        arm.set_equilibrium_pose(arm.state().tcp_pose, arm.state().stamp_ns)
        robot.order("hang_up", at_cycle=robot.order("look")["cycle_count"] + 20)
        advance(arm, 0.1)
        stop = arm.state().stop
        assert "connection" in stop.detail
        yield arm, stop


def assert_it_stays_stopped_until_it_is_recovered(arm, robot, stop):
    wait_for(lambda: is_answered(arm))
    advance(arm, 0.1)
    assert arm.state().stop == stop
    assert robot.order("look")["mode"] == "IDLE"
    with pytest.raises(StoppedError, match="connection"):
        arm.set_equilibrium_pose(arm.state().tcp_pose, arm.state().stamp_ns)
    arm.recover()
    assert arm.state().stop is None
    assert robot.order("look")["mode"] == "MOVE"


def test_a_recovery_that_the_robot_answers_too_late_is_void(hung_up, robot, monkeypatch):
    arm, stop = hung_up
    with monkeypatch.context() as patched, frozen(find_process(robot)):
        patched.setattr(arm_module, "_RECOVER_S", 0.3)
        with pytest.raises(StoppedError, match=r"no answer within 0\.3 s"):
            arm.recover()
        assert arm.state().stop == stop
    assert_it_stays_stopped_until_it_is_recovered(arm, robot, stop)


def test_a_stop_during_a_recovery_is_obeyed(hung_up, robot, pause):
    """While the robot makes up its mind, somebody presses the button."""
    arm, stop = hung_up
    number = find_process(robot)
    os.kill(number, signal.SIGSTOP)

    def press():
        assert arm.stop(Reason.REQUESTED, "stay") == stop, "the first reason is kept"
        os.kill(number, signal.SIGCONT)

    pause.then = press
    with pytest.raises(StoppedError, match="not recovered"):
        arm.recover()
    assert_it_stays_stopped_until_it_is_recovered(arm, robot, stop)


def test_a_stop_while_another_process_is_started_is_obeyed(pause):
    with EchoingArm(ArmSettings(), pause=pause) as arm:
        os.kill(arm.process_number, signal.SIGKILL)
        wait_for(lambda: arm.state().stop is not None)
        stop = arm.state().stop
        pause.then = lambda: arm.stop(Reason.REQUESTED, "stay")
        with pytest.raises(StoppedError, match="status -9"):
            arm.recover()
        assert is_answered(arm)
        assert arm.state().stop == stop
        arm.recover()
        assert arm.state().stop is None


def test_another_process_goes_on_with_the_preset_that_was_set_and_with_no_goal():
    with EchoingArm(ArmSettings()) as arm:
        arm.set_impedance("compliant")
        wait_for(lambda: arm.state().joint_positions[0] == 1.0)
        number = arm.state().joint_positions[1]
        arm.set_equilibrium_pose(arm.state().tcp_pose, time.monotonic_ns())
        arm.set_posture(np.array([0.0, -0.8, 0.0, -2.4, 0.0, 1.6, 0.8]))
        wait_for(lambda: (arm.state().joint_positions[2:4] == 1.0).all())
        for _ in range(2):
            os.kill(arm.process_number, signal.SIGKILL)
            wait_for(lambda: arm.state().stop is not None)
            arm.recover()
            assert arm.state().stop is None
            np.testing.assert_array_equal(arm.state().joint_positions[:5], [1.0, number, 0.0, 0.0, 0.0])
    with arm:
        np.testing.assert_array_equal(arm.state().joint_positions[:2], [0.0, 0.0], "it is opened anew")


def test_a_process_that_hangs_is_a_stop(monkeypatch):
    told = []
    with EchoingArm(ArmSettings(), on_stop=lambda: told.append(1)) as arm:
        monkeypatch.setattr(arm_module, "_RECOVER_S", 0.3)
        with frozen(arm.process_number):
            wait_for(lambda: arm.state().stop is not None)
            stop = arm.state().stop
            assert told
            assert stop.reason is Reason.STALE_STATE
            assert re.search(rf"told of the arm for \S+ s: .* the process {arm.process_number}, .* hangs", stop.detail)
            with pytest.raises(StoppedError, match="stale robot state"):
                arm.set_equilibrium_pose(arm.state().tcp_pose, time.monotonic_ns())
            assert arm.stop(Reason.REQUESTED, "again") == stop
            with pytest.raises(StoppedError, match="no answer"):
                arm.recover()
            assert arm.state().stop == stop
        wait_for(lambda: is_answered(arm))
        assert arm.state().stop == stop, "that it goes on is no reason to move"
        monkeypatch.setattr(arm_module, "_RECOVER_S", 10.0)
        arm.recover()
        assert arm.state().stop is None


def test_a_process_that_hangs_can_be_replaced():
    with EchoingArm(ArmSettings()) as arm:
        with frozen(arm.process_number):
            wait_for(lambda: arm.state().stop is not None)
            stop, number = arm.state().stop, arm.process_number
            os.kill(number, signal.SIGKILL)
        wait_for(lambda: arm._link.status is not None)
        assert arm.state().stop == stop, "the first reason is kept"
        arm.recover()
        assert arm.state().stop is None
        assert arm.process_number != number


def test_a_recovery_of_a_moving_arm_waits_for_its_answer():
    """What the process has told before says nothing of whether it still listens."""
    with EchoingArm(ArmSettings()) as arm:
        arm.stop()
        wait_for(lambda: is_answered(arm))
        arm.recover()
        assert is_answered(arm)
