"""A device's axes and buttons as a command: numbers worked out by hand."""

import logging
import threading

import numpy as np
import pytest

from robot_rl.clock import FakeClock
from robot_rl.control.hand import AxisMap, ButtonMap, Hand
from robot_rl.errors import ConfigError
from robot_rl.types import Button
from tests.contracts import TeleopContract

BUTTONS = ButtonMap(0, 1, success=2, failure=3, abort=4, pause=5)


def make(axes=None, buttons=BUTTONS, silence_s=0.2):
    clock = FakeClock(1_000_000_000)
    return clock, Hand(clock, axes or AxisMap(), buttons, silence_s)


def wait(clock, seconds):
    clock.sleep_until_ns(clock.now_ns() + round(seconds * 1e9))


class HandOfADevice:
    """As a driver wraps it."""

    def __init__(self, hand):
        self.hand = hand

    def reset(self, seed=None):
        pass

    def read(self):
        self.hand.move([0.3, -2.0, 0.0, 0.0, 0.0, 0.1])
        self.hand.push([0, 1, 1])
        return self.hand.take()


class TestHandAsTeleop(TeleopContract):
    @pytest.fixture
    def clock(self):
        return FakeClock(5)

    @pytest.fixture
    def teleop(self, clock):
        return HandOfADevice(Hand(clock, AxisMap(), BUTTONS, 0.2))

    @pytest.fixture
    def advance(self, clock):
        return lambda seconds: wait(clock, seconds)


def test_axes_are_chosen_scaled_turned_and_clipped():
    axes = AxisMap((3, 0, None, 1, 1, 2), (2.0, -1.0, 9.0, 0.5, -0.5, 10.0))
    np.testing.assert_allclose(axes.to_twist([0.2, 0.4, 0.7, -0.3]), [-0.6, -0.2, 0.0, 0.2, -0.2, 1.0])
    assert axes.count == 4


def test_up_to_the_dead_band_an_axis_is_at_rest():
    axes = AxisMap(scales=(2.0,) * 6, dead_band=0.1)
    np.testing.assert_array_equal(axes.to_twist([0.05, -0.05, 0.051, -0.051, 0.0, 1.0]), [0, 0, 0.102, -0.102, 0, 1])


@pytest.mark.parametrize(
    ("make_one", "word"),
    [
        (lambda: AxisMap((0, 1, 2, 3, 4, -1)), "counted from 0"),
        (lambda: AxisMap(scales=(1.0, 1.0, np.nan, 1.0, 1.0, 1.0)), "finite"),
        (lambda: AxisMap(dead_band=1.0), "dead_band"),
        (lambda: AxisMap(dead_band=-0.1), "dead_band"),
        (lambda: ButtonMap(pause=-1), "counted from 0"),
        (lambda: ButtonMap(0, 1, success=0), "a button means one thing"),
    ],
)
def test_an_impossible_map_is_refused(make_one, word):
    with pytest.raises(ConfigError, match=word):
        make_one()


def test_who_has_said_nothing_does_nothing():
    assert make()[1].take() is None


def test_a_hand_at_rest_does_nothing():
    _, hand = make(AxisMap(dead_band=0.05))
    hand.move([0.01] * 6)
    hand.push([0] * 6)
    assert hand.take() is None


def test_a_deflection_lasts_until_the_device_has_been_silent():
    clock, hand = make()
    hand.move([0.5, 0, 0, 0, 0, 0])
    wait(clock, 0.2)
    command = hand.take()
    np.testing.assert_array_equal(command.twist_base, [0.5, 0, 0, 0, 0, 0])
    assert command.stamp_ns == clock.now_ns()
    wait(clock, 0.001)
    assert hand.take() is None
    hand.move([0.5, 0, 0, 0, 0, 0])
    assert hand.take() is not None


def test_a_device_that_died_a_minute_ago_does_not_come_back_when_the_clock_is_set_back():
    clock, hand = make()
    hand.move([0.5, 0, 0, 0, 0, 0])
    hand.push([1, 0, 0, 0, 0, 0])
    hand.take()
    wait(clock, 60.0)
    assert hand.take() is None
    clock._now_ns -= 100 * 1_000_000_000  # the fake clock itself never goes back
    assert hand.take() is None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_ignored_and_told_once(value, caplog):
    _, hand = make()
    hand.move([0.5, 0, 0, 0, 0, 0])
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            hand.move([0.1, 0, 0, value, 0, 0])
    assert len(caplog.records) == 1
    np.testing.assert_array_equal(hand.take().twist_base, [0.5, 0, 0, 0, 0, 0])


def test_a_device_with_too_few_axes_is_told_once(caplog):
    _, hand = make()
    with caplog.at_level(logging.WARNING):
        hand.move([0.5, 0.5])
        hand.move([0.5, 0.5])
    assert [record.message for record in caplog.records] == ["the device has 2 axes, but axis 5 is mapped: ignored"]
    assert hand.take() is None


@pytest.mark.parametrize(("number", "gripper"), [(0, -1.0), (1, 1.0)])
def test_the_gripper_moves_while_its_button_is_down(number, gripper):
    clock, hand = make()
    states = [int(k == number) for k in range(6)]
    hand.push(states)
    assert hand.take().gripper == gripper
    wait(clock, 0.1)
    assert hand.take().gripper == gripper
    hand.push([0] * 6)
    assert hand.take() is None


def test_a_button_of_the_gripper_that_was_heard_long_ago_is_not_believed():
    clock, hand = make()
    hand.push([1])
    hand.take()
    wait(clock, 0.21)
    assert hand.take() is None


@pytest.mark.parametrize(
    ("number", "button"), [(2, Button.SUCCESS), (3, Button.FAILURE), (4, Button.ABORT), (5, Button.PAUSE)]
)
def test_a_button_says_its_word_once_for_each_press(number, button):
    _, hand = make()
    down = [int(k == number) for k in range(6)]
    hand.push(down)
    hand.push(down)
    assert hand.take().buttons == {button}
    hand.push(down)
    assert hand.take() is None
    hand.push([0] * 6)
    hand.push(down)
    assert hand.take().buttons == {button}


def test_a_press_that_is_over_before_anybody_asks_still_counts_once():
    clock, hand = make()
    hand.push([1, 0, 0, 0, 0, 1])
    hand.push([0] * 6)
    wait(clock, 3.0)
    command = hand.take()
    assert (command.gripper, command.buttons) == (-1.0, {Button.PAUSE})
    assert hand.take() is None


def test_a_device_that_is_gone_has_let_go():
    _, hand = make()
    hand.move([1.0] * 6)
    hand.push([1, 0, 1])
    hand.let_go()
    assert hand.take() is None
    hand.push([0, 0, 1])
    assert hand.take().buttons == {Button.SUCCESS}


def test_another_thread_may_tell_what_this_one_asks_for():
    _, hand = make()
    presses, heard = 3000, 0

    def tell():
        for _ in range(presses):
            hand.push([0, 0, 1])
            hand.push([0, 0, 0])
            hand.move([1.0] * 6)

    thread = threading.Thread(target=tell)
    thread.start()
    while thread.is_alive():
        command = hand.take()
        heard += command is not None and bool(command.buttons)
        assert command is None or set(command.twist_base) in ({0.0}, {1.0})
    thread.join()
    command = hand.take()
    heard += command is not None and bool(command.buttons)
    assert 0 < heard <= presses
