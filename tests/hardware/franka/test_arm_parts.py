"""The arm's side that commands, with a process in the place of the driver's that only says what it is told to say."""

import os
import signal
import time

import numpy as np
import pytest
from robot_rl_hardware.franka.settings import ArmSettings

from robot_rl.errors import DeviceError, StoppedError
from robot_rl.types import Reason
from tests.hardware.fci_sim.clients import make_host
from tests.hardware.franka.scripted import ScriptedArm, make_script


class TalkingArm(ScriptedArm):
    """It is stopped by itself at the first change of the preset."""

    script = make_script(
        """
        if order["preset_count"] and own is None:
            own = StopRecord(Reason.WRENCH, "it touched something", 5)
            put_stop(report, own)
        """
    )


def wait_for(is_true, limit_s=20.0):
    deadline_s = time.monotonic() + limit_s
    while not is_true():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.001)


def test_a_stop_is_told_when_it_is_commanded_and_when_it_is_seen():
    told = []
    with TalkingArm(ArmSettings(), on_stop=lambda: told.append(len(told))) as arm:
        arm.state()
        arm.recover()
        assert told == [], "it was never stopped"
        arm.stop(Reason.REQUESTED)
        assert told == [0]
        arm.state()
        assert told == [0, 1], "a command may have come between that was let through just before"


def test_a_stop_that_nobody_has_seen_is_told_before_it_is_recovered_from():
    told = []
    with TalkingArm(ArmSettings(), on_stop=lambda: told.append(1)) as arm:
        arm.set_impedance("compliant")
        wait_for(lambda: arm._link._reports.peek("stop_reason"))
        assert told == []
        arm.recover()
        assert told == [1]
        assert arm.state().stop is None


DIES = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


@pytest.mark.parametrize("script", [DIES, None], ids=["dies", "driver"])
def test_where_no_other_process_can_be_started_the_last_state_and_the_first_reason_are_kept(script):
    """Also where the driver has begun, and finds no robot at its address."""
    with TalkingArm(ArmSettings(make_host(), connect_timeout_s=0.1)) as arm:
        os.kill(arm.process_number, signal.SIGKILL)
        wait_for(lambda: arm.state().stop is not None)
        before = arm.state()
        assert "status -9" in before.stop.detail
        arm.script = script
        for _ in range(2):
            with pytest.raises(DeviceError, match="ended with status -9; see" if script else "FCI active"):
                arm.recover()
            arm.sustain()
            after = arm.state()
            assert (after.stamp_ns, after.stop) == (before.stamp_ns, before.stop)
            np.testing.assert_array_equal(after.tcp_pose.position, [0.5, 0.0, 0.2])
            with pytest.raises(StoppedError, match="status -9"):
                arm.set_equilibrium_pose(before.tcp_pose, before.stamp_ns)
        arm.script = TalkingArm.script
        arm.recover()
        assert arm.state().stop is None
        assert arm.state().stamp_ns > before.stamp_ns


LOSES = """
import sys, time
from robot_rl_hardware.franka.controller import ArmController
from robot_rl_hardware.franka.records import ORDER_DTYPE, REPORT_DTYPE
from robot_rl_hardware.franka.settings import ArmSettings
from robot_rl_hardware.franka.shared import SharedRecord
from robot_rl.types import Reason, StopRecord

orders, reports = SharedRecord(ORDER_DTYPE, int(sys.argv[2])), SharedRecord(REPORT_DTYPE, int(sys.argv[3]))
controller = ArmController(ArmSettings(), orders, reports)
controller.set_stop(StopRecord(Reason.STALE_STATE, "the connection to the robot is lost", 1))
controller.tell(1, is_moving=False)
while not orders.peek("is_over"):
    time.sleep(1e-3)
"""


def test_an_arm_that_was_never_seen_is_not_said_to_be_anywhere():
    arm = TalkingArm(ArmSettings())
    arm.script = LOSES
    with pytest.raises(DeviceError, match="the connection to the robot is lost"), arm:
        pass
