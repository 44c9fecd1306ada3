"""The gamepad from the kernel's events on, which come through a pipe."""

import logging
import os
import struct
import time

import numpy as np
import pytest
from robot_rl_hardware import gamepad
from robot_rl_hardware.gamepad import Gamepad

from robot_rl.clock import MonotonicClock
from robot_rl.control.hand import AxisMap, ButtonMap
from robot_rl.types import Button
from tests.contracts import TeleopContract, until

BUTTON, AXIS, INITIAL = 1, 2, 0x80
AXES = AxisMap((1, 0, 4, None, None, 3), dead_band=0.1)
BUTTONS = ButtonMap(0, 1, success=3, pause=7)


class Pad:
    """The kernel's end of a device."""

    def __init__(self, file):
        self.file = file
        os.mkfifo(file)
        self.plug()

    def plug(self):
        self._pipe = os.open(self.file, os.O_RDWR)

    def unplug(self):
        os.close(self._pipe)

    def say(self, *events):
        os.write(self._pipe, b"".join(struct.pack("<IhBB", 0, value, kind, number) for kind, number, value in events))


@pytest.fixture
def pad(tmp_path, monkeypatch):
    monkeypatch.setattr(gamepad, "_RETRY_S", 0.05)
    pad = Pad(tmp_path / "js0")
    yield pad
    pad.unplug()


def make(pad, **more):
    return Gamepad(MonotonicClock(), AXES, BUTTONS, str(pad.file), **more)


def wait(condition):
    return until(condition, 20.0)


class TestGamepad(TeleopContract):
    @pytest.fixture
    def teleop(self, pad):
        with make(pad) as device:
            pad.say((AXIS, 1, -32768), (AXIS, 0, 10_000), (BUTTON, 0, 1))
            wait(device.read)
            yield device

    @pytest.fixture
    def advance(self):
        return time.sleep


@pytest.mark.parametrize(
    ("number", "value", "axis", "pushed"),
    [(1, -32767, 0, 1.0), (1, 32767, 0, -1.0), (0, -32767, 1, 1.0), (4, -32767, 2, 1.0), (3, -32767, 5, 1.0)]
    + [(1, -32768, 0, 1.0), (0, 16384, 1, -16384 / 32767), (0, 3000, 1, 0.0), (9, 32767, 1, 0.0)],
)
def test_a_stick_pushes_along_its_axis(pad, number, value, axis, pushed):
    with make(pad) as device:
        pad.say((BUTTON, 7, 1), (AXIS, number, value))
        expected = np.zeros(6)
        expected[axis] = pushed
        wait(lambda: (command := device.read()) and command.buttons)
        if pushed:
            np.testing.assert_array_equal(wait(device.read).twist_base, expected)
        else:
            assert device.read() is None


def test_a_stick_that_is_held_says_nothing_and_is_believed(pad):
    with make(pad) as device:
        pad.say((AXIS, 1, -32767))
        wait(device.read)
        time.sleep(0.5)
        assert device.read().twist_base[0] == 1.0
        pad.say((AXIS, 1, 0))
        wait(lambda: device.read() is None)


def test_sticks_that_do_not_move_at_all_for_long_are_let_go_until_they_do(pad):
    with make(pad, hold_s=0.3) as device:
        pad.say((AXIS, 1, -32767))
        wait(device.read)
        wait(lambda: device.read() is None)
        time.sleep(0.1)
        assert device.read() is None
        pad.say((AXIS, 1, -32000))
        assert wait(device.read).twist_base[0] == 32000 / 32767


def test_a_button_that_stays_down_for_long_without_a_word_is_let_go_until_there_is_one(pad):
    """A battery that is empty while a button is down would leave the robot to nobody for ever."""
    with make(pad, hold_s=0.3) as device:
        pad.say((BUTTON, 0, 1), (BUTTON, 3, 1))
        wait(device.read)
        wait(lambda: device.read() is None)
        time.sleep(0.1)
        assert device.read() is None
        pad.say((AXIS, 1, 100))
        command = wait(device.read)
        assert (command.gripper, command.buttons) == (-1.0, frozenset()), "it is still down, and was pressed once"


def test_a_press_counts_once_however_short_it_was(pad):
    with make(pad) as device:
        pad.say((BUTTON, 3, 1), (BUTTON, 3, 0), (BUTTON, 0, 1))
        command = wait(device.read)
        said = [*command.buttons]
        wait(lambda: (command := device.read()) and command.gripper == -1.0 and not command.buttons)
        assert said == [Button.SUCCESS]
        pad.say((BUTTON, 0, 0))
        wait(lambda: device.read() is None)


def test_what_is_down_when_it_is_opened_was_not_pressed(pad):
    with make(pad) as device:
        pad.say((BUTTON | INITIAL, 3, 1), (BUTTON | INITIAL, 7, 0), (AXIS | INITIAL, 1, -32767))
        command = wait(device.read)
        assert (command.twist_base[0], command.buttons) == (1.0, frozenset())


def test_unplugged_it_is_let_go_at_once_told_once_and_comes_back(pad, caplog):
    with caplog.at_level(logging.INFO), make(pad) as device:
        pad.say((AXIS, 1, -32767))
        wait(device.read)
        pad.unplug()
        os.rename(pad.file, pad.file.with_name("gone"))
        wait(lambda: device.read() is None)
        time.sleep(0.3)  # several attempts
        assert device.read() is None
        os.rename(pad.file.with_name("gone"), pad.file)
        pad.plug()
        wait(lambda: sum("is there" in record.message for record in caplog.records) == 2)
        assert device.read() is None, "where its sticks were is forgotten"
        pad.say((AXIS, 1, -32767))
        wait(device.read)
    told = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 2
    assert "was unplugged" in told[0]
    assert "No such file" in told[1]


def test_one_that_is_not_there_is_nobody(tmp_path, caplog):
    with Gamepad(MonotonicClock(), AXES, BUTTONS, str(tmp_path / "js9")) as device:
        wait(lambda: "js9" in caplog.text)
        assert device.read() is None
