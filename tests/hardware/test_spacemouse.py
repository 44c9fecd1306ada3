"""The SpaceMouse from HID reports on: moved, pressed, unplugged and plugged in again, and its process killed."""

import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from robot_rl_hardware import spacemouse
from robot_rl_hardware.spacemouse import SpaceMouse

from robot_rl.clock import MonotonicClock
from robot_rl.control.hand import AxisMap, ButtonMap
from robot_rl.errors import SetupError
from robot_rl.types import Button
from tests.contracts import TeleopContract, until
from tests.hardware import mice as desks
from tests.hardware.mice import ENTERPRISE, PRO, Mouse

PATIENCE_S = 30.0


@pytest.fixture
def put(tmp_path, monkeypatch):
    """A function that puts one more device on the desk."""
    folder = tmp_path / "desk"
    folder.mkdir()
    for name, value in desks.to_environment(folder).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(spacemouse, "_RETRY_S", 0.05)
    with desks.desk(folder) as mice:

        def put(**more):
            mice.append(Mouse(folder / str(len(mice)), **more))
            return mice[-1]

        yield put


def make(axes=None, buttons=None, **more):
    return SpaceMouse(MonotonicClock(), axes or AxisMap(), buttons or ButtonMap(0, 1), **more)


def wait(condition):
    return until(condition, PATIENCE_S)


class TestSpaceMouse(TeleopContract):
    @pytest.fixture
    def teleop(self, put):
        put(values=(0.3, 0, 0, 0, 0, -2.0))
        with make() as device:
            wait(device.read)
            yield device

    @pytest.fixture
    def advance(self):
        return time.sleep


class TestSpaceMouseThatIsNotThere(TestSpaceMouse):
    @pytest.fixture
    def teleop(self, put):
        with make() as device:
            yield device

    def test_it_says_nothing(self, teleop):
        assert teleop.read() is None


@pytest.mark.parametrize(
    ("report", "axis", "sign"),
    [
        ("01 5e 01 00 00 00 00", 1, -1),  # to the right: the device's x is 350
        ("01 00 00 a2 fe 00 00", 0, 1),  # pushed away from the person: the device's y is -350
        ("01 00 00 00 00 a2 fe", 2, 1),  # pulled up: the device's z is -350
        ("02 00 00 a2 fe 00 00", 3, 1),
        ("02 a2 fe 00 00 00 00", 4, 1),
        ("02 00 00 00 00 a2 fe", 5, 1),  # turned to the left, seen from above
    ],
)
def test_reports_of_a_full_deflection_push_along_the_axes_of_the_base(put, report, axis, sign):
    mouse = put()
    mouse.is_awake = False
    with make(silence_s=60.0) as device:
        wait(lambda: mouse.opened)
        expected = np.zeros(6)
        expected[axis] = sign

        def is_pushed():
            mouse.send(bytes.fromhex(report))
            return device.read()

        np.testing.assert_array_equal(wait(is_pushed).twist_base, expected)


def test_it_reports_what_is_pushed_and_pressed(put):
    mouse = put(values=(0.6, 0.2, 0.02, 0, 0, 1.0))
    axes = AxisMap(scales=(1.0, -1.0, 1.0, 1.0, 1.0, 0.5), dead_band=0.05)
    with make(axes, ButtonMap(None, None, success=0, pause=1)) as device:
        expected = [0.6, -0.2, 0, 0, 0, 0.5]
        wait(lambda: (command := device.read()) and np.array_equal(command.twist_base, expected))
        mouse.buttons = 0b10
        said = []
        wait(lambda: (command := device.read()) and (said.extend(command.buttons) or said))
        time.sleep(0.05)
        assert wait(device.read).buttons == frozenset(), "a button that stays down is pressed once"
        assert said == [Button.PAUSE]


def test_a_press_between_two_readings_counts_however_short_it_was(put):
    mouse = put()
    mouse.is_awake = False
    with make(None, ButtonMap(None, None, success=0, failure=1)) as device:
        wait(lambda: mouse.opened)
        mouse.send(*[mouse.press(bits) for bits in (0, 1, 0, 2, 0)])
        said = []
        wait(lambda: (command := device.read()) and (said.extend(command.buttons) or len(said) == 2))
        assert set(said) == {Button.SUCCESS, Button.FAILURE}
        time.sleep(0.1)
        assert device.read() is None


def test_a_device_may_have_any_number_of_buttons(put):
    mouse = put(product=ENTERPRISE)
    mouse.is_awake = False
    with make(None, ButtonMap(None, None, success=21, abort=2)) as device:
        wait(lambda: mouse.opened)
        mouse.send(bytes([3, 0, 0, 0, 0b100, 0, 0]))  # its 22nd, the lock
        assert wait(device.read).buttons == {Button.SUCCESS}
        mouse.send(bytes([3, 0, 0b1000000, 0, 0, 0, 0]))  # its third
        assert wait(device.read).buttons == {Button.ABORT}


def test_a_device_that_falls_silent_is_let_go(put):
    mouse = put(values=(1.0, 0, 0, 0, 0, 0))
    with make(silence_s=0.1) as device:
        wait(device.read)
        mouse.is_awake = False
        wait(lambda: device.read() is None)
        time.sleep(0.15)
        assert device.read() is None, "it stays let go"


def test_unplugging_lets_go_at_once_is_told_once_and_it_comes_back(put, caplog):
    mouse = put(values=(1.0, 0, 0, 0, 0, 0))
    with caplog.at_level(logging.INFO), make(silence_s=60.0) as device:
        wait(device.read)
        mouse.unplug()
        wait(lambda: device.read() is None)
        time.sleep(0.3)  # several attempts
        mouse.plug()
        wait(device.read)
    lines = [record.message for record in caplog.records]
    assert lines[0] == lines[-1] == "the SpaceMouse is there"
    assert "read from HID device" in lines[1]
    assert sum("0 are connected" in line for line in lines) == 1
    assert len(lines) == 4
    assert mouse.opened == 2


def test_two_devices_are_one_with_twice_the_axes_and_buttons(put):
    put(values=(0.4, 0.2, 0.6, 0, 0, 0))
    second = put(values=(0, 0, 0, 0.1, 0.2, 0.3))
    axes, buttons = AxisMap((0, 1, 2, 9, 10, 11)), ButtonMap(0, 1, success=3)
    with make(axes, buttons, devices=(0, 1)) as device:
        expected = [0.4, 0.2, 0.6, 0.1, 0.2, 0.3]
        wait(lambda: (command := device.read()) and np.array_equal(command.twist_base, expected))
        second.buttons = 0b10
        said = []
        wait(lambda: (command := device.read()) and (said.extend(command.buttons) or said))
        assert said == [Button.SUCCESS]


def test_the_second_of_two_models_is_opened_by_its_own_name(put):
    first, second = put(), put(product=PRO, values=(0, 1.0, 0, 0, 0, 0))
    with make(devices=(1,)) as device:
        wait(lambda: (command := device.read()) and command.twist_base[1] == 1.0)
    assert [first.opened, second.opened] == [0, 1]


# ------------------------------------------------------------------------------------ the process


def is_alive(pid):
    """A process that has ended, and that nobody has asked for its status, is not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_a_process_that_is_killed_is_nobody_is_told_once_and_started_again(put, caplog):
    mouse = put(values=(1.0, 0, 0, 0, 0, 0))
    with caplog.at_level(logging.INFO), make(silence_s=60.0) as device:
        wait(device.read)
        first = device._process.pid
        mouse.is_awake = False
        os.kill(first, signal.SIGKILL)
        wait(lambda: device.read() is None)
        wait(lambda: mouse.opened == 2)
        assert device.read() is None, "what the dead one said last is not believed"
        mouse.is_awake = True
        wait(device.read)
        assert device._process.pid != first
    told = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert told == ["no SpaceMouse: the process that reads it has ended with status -9. Looking for it every 0.05 s."]


def test_the_end_ends_the_process(put):
    put()
    with make() as device:
        process = device._process
        assert is_alive(process.pid)
    assert not is_alive(process.pid)
    assert process.returncode == 0, "it has ended by itself"


def test_a_process_that_does_not_answer_any_more_is_nobody_and_ends_nevertheless(put, monkeypatch):
    monkeypatch.setattr(spacemouse, "_END_S", 0.2)
    put(values=(1.0, 0, 0, 0, 0, 0))
    with make(silence_s=0.1) as device:
        wait(device.read)
        os.kill(device._process.pid, signal.SIGSTOP)
        wait(lambda: device.read() is None)
        pid = device._process.pid
    assert not is_alive(pid)


def test_the_process_does_not_outlive_one_that_is_killed(put):
    put().is_awake = False  # with nothing to say, it does not notice that nobody listens
    code = (
        "import time\nfrom robot_rl.clock import MonotonicClock\nfrom robot_rl.control.hand import AxisMap, ButtonMap\n"
        "from robot_rl_hardware.spacemouse import SpaceMouse\n"
        "with SpaceMouse(MonotonicClock(), AxisMap(), ButtonMap()) as device:\n"
        "    print(device._process.pid, flush=True)\n"
        "    time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    try:
        assert is_alive(pid)
        parent.kill()
        parent.wait()
        wait(lambda: not is_alive(pid))
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        parent.kill()
        parent.wait()
        parent.stdout.close()


def test_a_reading_never_waits_for_the_device(put):
    put(values=(1.0, 0, 0, 0, 0, 0))
    with make(silence_s=0.1) as device:
        os.kill(device._process.pid, signal.SIGSTOP)
        start_s = time.monotonic()
        for _ in range(100):
            device.read()
        assert time.monotonic() - start_s < 1.0
        os.kill(device._process.pid, signal.SIGCONT)


def test_without_the_library_it_says_what_to_install(put, tmp_path, monkeypatch):
    (tmp_path / "pyspacemouse.py").write_text("raise ImportError('there is none')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), os.environ["PYTHONPATH"])))
    with pytest.raises(SetupError, match=r"there is none.*robot-rl\[spacemouse\]"), make():
        pass


def test_without_the_library_of_the_system_it_says_what_to_install(put, monkeypatch):
    monkeypatch.setenv("FAKE_HID", "no library")
    with pytest.raises(SetupError, match="libhidapi-hidraw0"), make():
        pass
