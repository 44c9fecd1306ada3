"""Ctrl-C once: what runs comes to an end. Twice: at once."""

import os
import signal

import pytest

from robot_rl.runtime import interruption
from robot_rl.runtime.interruption import interruptible


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_the_second_ends_at_once(number, monkeypatch):
    with interruptible() as received:
        assert not received
        os.kill(os.getpid(), number)
        assert received == [number]
        os.kill(os.getpid(), number)  # the same Ctrl-C, as a launch system passes it on
        assert received == [number]
        monkeypatch.setattr(interruption, "_SAME_S", 0.0)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert received == [number]


def test_the_end_of_the_terminal_is_noted_and_is_never_what_ends_at_once(monkeypatch):
    monkeypatch.setattr(interruption, "_SAME_S", 0.0)
    with interruptible() as received:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGHUP)
            assert received == [signal.SIGHUP]
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
    with interruptible() as received:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGHUP)
        assert received == [signal.SIGINT]


def test_the_handlers_from_before_are_back_whatever_happened():
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    with interruptible():
        assert [signal.getsignal(number) for number in numbers] != before
    assert [signal.getsignal(number) for number in numbers] == before
    with pytest.raises(ZeroDivisionError), interruptible():
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in numbers] == before
