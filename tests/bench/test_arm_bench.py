"""The benchmark of the arm's driver: every key of a reduced run, and numbers that can be true."""

import pytest

from robot_rl.bench import arm
from robot_rl.errors import UnknownNameError

KEYS = {
    "lockstep_cycles_per_s", "tick_us_p50", "tick_us_p99", "tick_us_max", "realtime", "target_to_torque_us_p50",
    "load_1m",
}  # fmt: skip
REAL_TIME_KEYS = {"in_time_share", "period_us_p50", "period_us_p99", "period_us_max", "is_real_time", "stops"}


def test_an_unknown_option_is_answered_with_the_valid_ones():
    with pytest.raises(UnknownNameError, match="cycles, rounds, seconds"):
        arm.run(["ticks=3"])


def test_every_key_is_measured():
    result = arm.measure(rounds=1, cycles=300, seconds=1)
    assert set(result) == KEYS
    assert set(result["realtime"]) == REAL_TIME_KEYS
    assert 0.0 < result["tick_us_p50"] <= result["tick_us_p99"] <= result["tick_us_max"]
    assert result["lockstep_cycles_per_s"] > 0
    assert 0.0 <= result["realtime"]["in_time_share"] <= 1.0  # on a busy machine the arm may be stopped at once
