"""Intervals against numbers computed elsewhere."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, t

from robot_rl.runtime.reporting.statistics import mean_interval, wilson_interval


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # 10 of 10 by hand: z^2 = 3.8415, low = 10 / 13.8415
        (10, 10, 0.72247, 1.0),
        (0, 10, 0.0, 0.27753),
        # 1 of 1: low = 1 / 4.8415
        (1, 1, 0.20655, 1.0),
        # Newcombe 1998, table I: 81 of 263, and 15 of 148
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
    ],
)
def test_known_intervals(successes, trials, low, high):
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=6e-5)


def test_without_trials_everything_is_possible():
    assert wilson_interval(0, 0) == (0.0, 1.0)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_it_agrees_with_scipy_and_holds_the_rate(case):
    successes, trials = case
    low, high = wilson_interval(successes, trials)
    expected = binomtest(successes, trials).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert 0.0 <= low <= successes / trials <= high <= 1.0


def test_another_confidence_is_another_width():
    narrow, wide = wilson_interval(5, 10, z=1.0), wilson_interval(5, 10, z=3.0)
    assert wide[0] < narrow[0] < 0.5 < narrow[1] < wide[1]
    assert narrow == pytest.approx((0.5 - 0.5 / 11**0.5, 0.5 + 0.5 / 11**0.5))


def test_the_interval_of_a_mean_is_students():
    values = [0.62, 0.67, 0.51]
    expected = t.interval(0.95, 2, 0.6, math.sqrt((0.02**2 + 0.07**2 + 0.09**2) / 2 / 3))
    assert mean_interval(values) == pytest.approx(expected)
    assert mean_interval([0.5, 0.5, 0.5]) == (0.5, 0.5)


@pytest.mark.parametrize("values", [[], [0.5]])
def test_one_run_says_nothing_about_others(values):
    assert mean_interval(values) == (-math.inf, math.inf)
