import time

from hypothesis import given
from hypothesis import strategies as st

from robot_rl.clock import NS_PER_S, Clock, FakeClock, MonotonicClock, to_ns


def test_to_ns_of_known_numbers():
    assert to_ns(1.0) == 1_000_000_000
    assert to_ns(0.1) == 100_000_000
    assert to_ns(1e-9) == 1
    assert to_ns(-0.5) == -500_000_000
    assert to_ns(0.0) == 0


def test_to_ns_rounds_to_the_nearest():
    assert to_ns(1.6e-9) == 2
    assert to_ns(0.3) == 300_000_000  # 0.3 * 1e9 is 299999999.99999994 on the way


@given(st.integers(-(10**15), 10**15))
def test_to_ns_undoes_the_division(stamp_ns):
    assert to_ns(stamp_ns / NS_PER_S) == stamp_ns


def test_fake_clock_moves_only_when_told_to():
    clock = FakeClock(5)
    assert clock.now_ns() == 5
    assert clock.now_ns() == 5
    clock.sleep_until_ns(12)
    assert clock.now_ns() == 12


def test_fake_clock_never_goes_back():
    clock = FakeClock(12)
    clock.sleep_until_ns(3)
    assert clock.now_ns() == 12


def test_fake_clock_takes_no_time():
    started = time.monotonic()
    FakeClock().sleep_until_ns(to_ns(3600.0))
    assert time.monotonic() - started < 1.0


def test_monotonic_clock_never_wakes_early():
    clock = MonotonicClock()
    for wait_ns in (1, 999, 10_001, 1_234_567, 5_000_000):
        target_ns = clock.now_ns() + wait_ns
        clock.sleep_until_ns(target_ns)
        assert clock.now_ns() >= target_ns


def test_monotonic_clock_does_not_sleep_for_the_past(monkeypatch):
    slept_s = []
    monkeypatch.setattr(time, "sleep", slept_s.append)
    clock = MonotonicClock()
    clock.sleep_until_ns(clock.now_ns() - 1)
    clock.sleep_until_ns(0)
    assert slept_s == []


def test_both_clocks_are_clocks():
    clocks: list[Clock] = [MonotonicClock(), FakeClock()]
    for clock in clocks:
        assert isinstance(clock.now_ns(), int)
