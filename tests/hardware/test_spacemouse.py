"""The SpaceMouse with a library of fakes: moved, pressed, unplugged and plugged in again."""

import logging
import sys
import threading
import time

import numpy as np
import pytest
from robot_rl_hardware import spacemouse
from robot_rl_hardware.spacemouse import SpaceMouse

from robot_rl.clock import MonotonicClock
from robot_rl.control.hand import AxisMap, ButtonMap
from robot_rl.errors import SetupError
from robot_rl.types import Button
from tests.contracts import TeleopContract
from tests.hardware.fake_pyspacemouse import Mouse, make_module

PATIENCE_S = 10.0


def until(is_reached):
    end_s = time.monotonic() + PATIENCE_S
    while not is_reached():
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.005)


@pytest.fixture
def mice(monkeypatch):
    mice = [Mouse()]
    monkeypatch.setitem(sys.modules, "pyspacemouse", make_module(mice))
    monkeypatch.setattr(spacemouse, "_RETRY_S", 0.05)
    return mice


def make(axes=None, buttons=None, **more):
    return SpaceMouse(MonotonicClock(), axes or AxisMap(), buttons or ButtonMap(0, 1), **more)


class TestSpaceMouse(TeleopContract):
    @pytest.fixture
    def teleop(self, mice):
        mice[0].values = (0.3, 0, 0, 0, 0, -2.0)
        with make() as device:
            until(device.read)
            yield device

    @pytest.fixture
    def advance(self):
        return time.sleep


class TestSpaceMouseThatIsNotThere(TestSpaceMouse):
    @pytest.fixture
    def teleop(self, mice):
        mice[0].is_plugged = False
        with make() as device:
            yield device

    def test_it_says_nothing(self, teleop):
        assert teleop.read() is None


def test_it_reports_what_is_pushed_and_pressed(mice):
    axes = AxisMap(scales=(1.0, -1.0, 1.0, 1.0, 1.0, 0.5), dead_band=0.05)
    with make(axes, ButtonMap(None, None, success=0, pause=1)) as device:
        mice[0].values = (0.5, 0.25, 0.01, 0, 0, 1.0)
        until(device.read)
        np.testing.assert_array_equal(device.read().twist_base, [0.5, -0.25, 0, 0, 0, 0.5])
        mice[0].buttons = (0, 1)
        said = []
        until(lambda: (command := device.read()) and (said.extend(command.buttons) or said))
        time.sleep(0.05)
        assert device.read().buttons == frozenset(), "a button that stays down is pressed once"
        assert said == [Button.PAUSE]


def test_a_device_that_falls_silent_is_let_go(mice):
    with make(silence_s=0.1) as device:
        mice[0].values = (1.0, 0, 0, 0, 0, 0)
        until(device.read)
        mice[0].is_awake = False
        until(lambda: device.read() is None)
        time.sleep(0.15)
        assert device.read() is None, "it stays let go"


def test_unplugging_lets_go_at_once_is_told_once_and_it_comes_back(mice, caplog):
    with caplog.at_level(logging.INFO), make(silence_s=60.0) as device:
        mice[0].values = (1.0, 0, 0, 0, 0, 0)
        until(device.read)
        mice[0].is_plugged = False
        until(lambda: device.read() is None)
        assert mice[0].closed == 1
        time.sleep(0.3)  # several attempts
        mice[0].is_plugged = True
        until(device.read)
    lines = [record.message for record in caplog.records]
    assert lines[0] == lines[-1] == "the SpaceMouse is there"
    assert "read failed" in lines[1]
    assert sum("0 are connected" in line for line in lines) == 1
    assert len(lines) == 4
    assert (mice[0].opened, mice[0].closed) == (2, 2)


def test_two_devices_are_one_with_twice_the_axes_and_buttons(mice):
    mice.append(Mouse(values=(0, 0, 0, 0.1, 0.2, 0.3), buttons=(0, 1)))
    mice[0].values = (0.4, 0.5, 0.6, 0, 0, 0)
    axes, buttons = AxisMap((0, 1, 2, 9, 10, 11)), ButtonMap(0, 1, success=3)
    with make(axes, buttons, devices=(0, 1)) as device:
        command = None
        while command is None or not command.buttons:
            command = device.read() or command
        np.testing.assert_array_equal(command.twist_base, [0.4, 0.5, 0.6, 0.1, 0.2, 0.3])
        assert command.buttons == {Button.SUCCESS}


def test_the_second_of_two_models_is_opened_by_its_own_name(mice):
    mice.append(Mouse("SpaceMouse Pro", values=(0, 1.0, 0, 0, 0, 0)))
    with make(devices=(1,)) as device:
        until(device.read)
        np.testing.assert_array_equal(device.read().twist_base, [0, 1, 0, 0, 0, 0])
    assert [mouse.opened for mouse in mice] == [0, 1]


def test_a_reading_never_waits_for_the_device(mice):
    stuck = threading.Event()
    read = mice[0].read
    mice[0].read = lambda: stuck.wait(PATIENCE_S) and read()
    try:
        with make() as device:
            start_s = time.monotonic()
            for _ in range(100):
                assert device.read() is None
            assert time.monotonic() - start_s < 1.0
            stuck.set()
    finally:
        stuck.set()


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspacemouse", None)
    with pytest.raises(SetupError, match=r"robot-rl\[spacemouse\]"), make():
        pass
