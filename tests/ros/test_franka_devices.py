"""Arm and hand of a Franka as one robot: what the one has to know of the other."""

import pytest
from robot_rl_ros import franka_devices

from robot_rl import config as configuration
from robot_rl.clock import FakeClock
from robot_rl.errors import StoppedError
from robot_rl.robot.fake import FakeArm, FakeGripper
from robot_rl.runtime.config import EnvConfig


class Opened:
    """A context that is the device."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


class Arm(Opened, FakeArm):
    def __init__(self, settings, clock, pause, on_stop):
        super().__init__(FakeClock(0))
        self.on_stop = on_stop


class Hand(Opened, FakeGripper):
    def __init__(self, settings, pause):
        super().__init__()
        self.withdrawals = 0
        hands.append(self)

    def withdraw(self):
        self.withdrawals += 1


hands: list[Hand] = []


def test_a_stop_of_the_arm_withdraws_what_the_hand_was_told(monkeypatch):
    monkeypatch.setattr("robot_rl_hardware.franka.arm.FrankaArm", Arm)
    monkeypatch.setattr("robot_rl_hardware.franka.gripper.FrankaGripper", Hand)
    words = ("robot=fr3", "task.place.target_m=[0.5,0.0,0.05]")
    with franka_devices.opened(configuration.load(EnvConfig, "env", words)) as (arm, gripper):
        arm.stop()
        with pytest.raises(StoppedError):
            gripper.set_width(0.0)
        arm.on_stop()
        assert [hand.withdrawals for hand in hands] == [1]
