"""The keyboard through a pseudo-terminal: what is typed arrives, and the terminal is given back whatever happens."""

import os
import pty
import signal
import subprocess
import sys
import termios
import time
from contextlib import suppress

import numpy as np
import pytest
from robot_rl_hardware.keyboard import HELP, Keyboard

from robot_rl.clock import FakeClock
from robot_rl.errors import DeviceError
from robot_rl.types import Button
from tests.contracts import TeleopContract


class Terminal:
    """Both ends of a pseudo-terminal, and a keyboard at it."""

    def __init__(self, **settings):
        self.person, self.terminal = pty.openpty()
        self.clock = FakeClock(1_000_000_000)
        self.keyboard = Keyboard(self.clock, terminal=os.ttyname(self.terminal), **settings)

    def type(self, keys):
        os.write(self.person, keys.encode())

    def wait(self, seconds):
        self.clock.sleep_until_ns(self.clock.now_ns() + round(seconds * 1e9))

    def settings(self):
        return termios.tcgetattr(self.terminal)

    def close(self):
        for file in (self.person, self.terminal):
            with suppress(OSError):  # a test has closed it
                os.close(file)


@pytest.fixture
def here():
    terminal = Terminal(strength=0.5, release_s=0.4)
    yield terminal
    terminal.close()


class TestKeyboard(TeleopContract):
    @pytest.fixture
    def teleop(self, here):
        with here.keyboard:
            here.type("wdj c y")
            yield here.keyboard

    @pytest.fixture
    def advance(self, here):
        return here.wait


@pytest.mark.parametrize(
    ("key", "axis", "sign"),
    [("w", 0, 1), ("s", 0, -1), ("a", 1, 1), ("d", 1, -1), ("r", 2, 1), ("f", 2, -1)]
    + [("u", 3, 1), ("o", 3, -1), ("i", 4, 1), ("k", 4, -1), ("j", 5, 1), ("l", 5, -1)],
)
def test_a_key_pushes_along_its_axis(here, key, axis, sign):
    with here.keyboard as keyboard:
        here.type(key)
        expected = np.zeros(6)
        expected[axis] = 0.5 * sign
        command = keyboard.read()
        np.testing.assert_array_equal(command.twist_base, expected)
        assert (command.gripper, command.buttons) == (0.0, frozenset())


def test_a_key_fades_after_its_repetitions_stop(here):
    with here.keyboard as keyboard:
        for _ in range(30):  # held: a repetition every 33 ms
            here.type("w")
            assert keyboard.read().twist_base[0] == 0.5
            here.wait(0.033)
            assert keyboard.read().twist_base[0] > 0.45
        here.wait(0.2 - 0.033)
        assert keyboard.read().twist_base[0] == pytest.approx(0.25)
        here.wait(0.2)
        assert keyboard.read() is None


def test_no_key_is_pushed_or_held_when_the_clock_is_set_back(here):
    with here.keyboard as keyboard:
        here.type("w ")
        assert keyboard.read().buttons == {Button.PAUSE}
        here.wait(60.0)
        assert keyboard.read() is None
        here.clock._now_ns -= 100 * 1_000_000_000  # the fake clock itself never goes back
        assert keyboard.read() is None, "a key that was let go a minute ago"
        here.type(" ")
        assert keyboard.read().buttons == {Button.PAUSE}


def test_two_keys_push_both_ways_and_the_opposite_key_turns_around(here):
    with here.keyboard as keyboard:
        here.type("wa")
        np.testing.assert_array_equal(keyboard.read().twist_base, [0.5, 0.5, 0, 0, 0, 0])
        here.type("s")
        np.testing.assert_array_equal(keyboard.read().twist_base[:2], [-0.5, 0.5])


@pytest.mark.parametrize(
    ("key", "button"), [("y", Button.SUCCESS), ("n", Button.FAILURE), ("x", Button.ABORT), (" ", Button.PAUSE)]
)
def test_a_key_that_is_held_is_pressed_once(here, key, button):
    with here.keyboard as keyboard:
        said = []
        here.type(key)
        said.append(keyboard.read().buttons)
        here.wait(0.66)  # until the first repetition
        for _ in range(20):
            here.type(key)
            said.append(keyboard.read())
            here.wait(0.033)
        assert said == [{button}] + [None] * 20
        here.wait(0.8)
        here.type(key)
        assert keyboard.read().buttons == {button}


@pytest.mark.parametrize(("key", "gripper"), [("c", -1.0), ("v", 1.0)])
def test_the_gripper(here, key, gripper):
    with here.keyboard as keyboard:
        here.type(key)
        assert keyboard.read().gripper == gripper
        assert keyboard.read() is None


def test_other_keys_mean_nothing(here):
    with here.keyboard as keyboard:
        os.write(here.person, b"W\x1b[A\x1bOP\x1b[15~1!\t\xc3\xa4\x1a\x1c")  # also Ctrl-Z and Ctrl-\
        assert keyboard.read() is None


def test_the_keys_are_explained_and_not_echoed(here):
    with here.keyboard:
        here.type("w")
        os.set_blocking(here.person, False)
        with pytest.raises(BlockingIOError):
            os.read(here.person, 100)


def test_the_terminal_is_given_back(here, capsys):
    before = here.settings()
    with here.keyboard:
        assert here.settings() != before
    assert here.settings() == before
    with pytest.raises(RuntimeError), here.keyboard:
        raise RuntimeError
    assert here.settings() == before
    assert HELP in capsys.readouterr().err


def test_a_terminal_that_is_closed_is_an_error_and_not_a_held_key(here):
    with here.keyboard as keyboard:
        here.type("w")
        os.close(here.person)
        with pytest.raises(DeviceError, match="closed"):
            keyboard.read()


@pytest.mark.parametrize("name", ["/dev/null", "/nowhere/tty"])
def test_what_is_no_terminal_is_refused(name):
    with pytest.raises(DeviceError, match="needs a terminal"), Keyboard(FakeClock(), terminal=name):
        pass


def test_a_process_without_a_terminal_says_so():
    code = (
        "from robot_rl.clock import FakeClock\nfrom robot_rl_hardware.keyboard import Keyboard\n"
        "with Keyboard(FakeClock()): pass"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True, start_new_session=True
    )
    assert process.returncode == 1
    assert "needs a terminal" in process.stderr


def test_ctrl_c_still_ends_the_process_and_the_terminal_is_given_back(here):
    """The process has the pseudo-terminal for its own, as if it were started from there."""
    code = (
        "import fcntl, os, sys, termios, time\nfrom robot_rl.clock import MonotonicClock\n"
        "from robot_rl_hardware.keyboard import Keyboard\n"
        "fcntl.ioctl(os.open(sys.argv[1], os.O_RDWR), termios.TIOCSCTTY, 0)\n"
        "with Keyboard(MonotonicClock()) as keyboard:\n"
        "    print('ready', flush=True)\n"
        "    while (command := keyboard.read()) is None: time.sleep(0.01)\n"
        "    print(command.twist_base[2], flush=True)\n"
        "    time.sleep(60)"
    )
    before = here.settings()
    process = subprocess.Popen(
        [sys.executable, "-c", code, os.ttyname(here.terminal)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout.readline() == "ready\n"
        assert here.settings() != before
        here.type("f")
        assert float(process.stdout.readline()) < 0.0
        time.sleep(0.1)
        here.type("\x03")
        assert process.wait(20.0) in (-signal.SIGINT, 1)
        assert here.settings() == before
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
