"""A threshold for a stated false-positive rate, and what may be claimed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from robot_rl.errors import ConfigError, SpecError
from robot_rl.rewards.threshold import choose_threshold, count_allowed, count_needed, false_positive_bound


@given(st.integers(1, 2000), st.integers(0, 60), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_bound_is_that_of_clopper_and_pearson(negatives, false_positives, confidence):
    false_positives = min(false_positives, negatives)
    expected = (
        1.0 if false_positives == negatives else beta.ppf(confidence, false_positives + 1, negatives - false_positives)
    )
    assert false_positive_bound(false_positives, negatives, confidence) == pytest.approx(expected, rel=1e-6)


def test_without_a_false_positive_the_bound_is_about_three_of_n():
    assert false_positive_bound(0, 300, 0.95) == pytest.approx(1 - 0.05 ** (1 / 300))
    assert false_positive_bound(0, 0, 0.95) == 1.0


def test_how_many_are_needed():
    assert count_needed(0.01, 0.95) == 299
    assert count_allowed(298, 0.01, 0.95) is None
    assert count_allowed(299, 0.01, 0.95) == 0


@given(st.integers(1, 3000), st.sampled_from([0.001, 0.01, 0.05, 0.2]), st.sampled_from([0.9, 0.95]))
def test_as_many_are_allowed_as_keep_the_bound(negatives, rate, confidence):
    allowed = count_allowed(negatives, rate, confidence)
    if allowed is None:
        assert negatives < count_needed(rate, confidence)
        assert false_positive_bound(0, negatives, confidence) > rate
        return
    assert false_positive_bound(allowed, negatives, confidence) <= rate * (1 + 1e-9)
    if allowed + 1 < negatives:
        assert false_positive_bound(allowed + 1, negatives, confidence) > rate


@pytest.mark.parametrize(("negatives", "rate"), [(299, 0.01), (500, 0.05), (100, 0.2)])
def test_the_claim_holds_on_what_was_held_out(negatives, rate):
    """Over many trainings, the true rate is higher than claimed in at most one of twenty."""
    generator = np.random.default_rng(0)
    trials, broken = 300, 0
    for _ in range(trials):
        seen = generator.uniform(size=negatives)  # a uniform score t is exceeded with probability 1 - t
        threshold = choose_threshold(seen, np.arange(negatives), rate, 0.95, floor=0.001)
        assert threshold.is_claimed
        broken += 1.0 - threshold.value > threshold.bound
    assert broken / trials < 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)
    assert broken / trials > 0.02, "a bound that is never reached would be a waste of successes"


def test_the_claim_about_episodes_needs_no_independent_images():
    """Ten images an episode, all alike: the claim about images is too bold by far, that about episodes holds."""
    generator = np.random.default_rng(0)
    trials, images_broken, episodes_broken = 300, 0, 0
    for _ in range(trials):
        seen = np.repeat(generator.uniform(size=60), 10)
        threshold = choose_threshold(seen, np.repeat(np.arange(60), 10), 0.01, 0.95, floor=0.001)
        true_rate = 1.0 - threshold.value
        images_broken += true_rate > threshold.bound
        episodes_broken += true_rate > threshold.group_bound
    assert images_broken / trials > 0.3
    assert episodes_broken / trials < 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)


def test_it_says_when_there_are_too_few():
    few = choose_threshold(np.linspace(0.0, 0.9, 80), np.arange(80) // 10, 0.01, 0.95)
    assert not few.is_claimed
    assert (few.value, few.false_positives, few.negatives, few.groups) == (0.9, 0, 80, 8)
    assert few.bound == pytest.approx(1 - 0.05 ** (1 / 80))
    assert few.group_bound == pytest.approx(1 - 0.05 ** (1 / 8))
    assert "too few negatives to claim 1.00%, which takes 299" in few.statement
    assert "80 held out" in few.statement
    enough = choose_threshold(np.linspace(0.0, 0.9, 300), np.arange(300), 0.01, 0.95)
    assert enough.is_claimed
    assert "too few" not in enough.statement


def test_the_threshold_is_the_negative_behind_those_that_are_allowed():
    values = np.arange(1000) / 1000.0
    found = choose_threshold(values, np.arange(1000), 0.05, 0.95, floor=0.5)
    allowed = count_allowed(1000, 0.05, 0.95)
    assert allowed > 10
    assert found.value == values[-1 - allowed]
    assert found.false_positives == allowed


def test_a_perfect_classifier_does_not_pay_below_the_floor():
    found = choose_threshold(np.full(500, 0.001), np.arange(500), 0.01, 0.95, floor=0.5)
    assert (found.value, found.false_positives, found.is_claimed) == (0.5, 0, True)


def test_negatives_that_are_all_certain_leave_nothing_beyond():
    found = choose_threshold(np.ones(10), np.arange(10), 0.01)
    assert (found.value, found.false_positives) == (1.0, 0)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: choose_threshold([], [], 0.01), SpecError, "shape"),
        (lambda: choose_threshold([0.5], [1, 2], 0.01), SpecError, "shape"),
        (lambda: choose_threshold([1.5], [1], 0.01), SpecError, "[0, 1]"),
        (lambda: choose_threshold([np.nan], [1], 0.01), SpecError, "[0, 1]"),
        (lambda: choose_threshold([0.5], [1], 0.0), ConfigError, "rate"),
        (lambda: choose_threshold([0.5], [1], 0.1, 1.0), ConfigError, "confidence"),
        (lambda: choose_threshold([0.5], [1], 0.1, floor=1.0), ConfigError, "floor"),
        (lambda: false_positive_bound(3, 2, 0.95), SpecError, "[0, 2]"),
        (lambda: false_positive_bound(1, 2, 1.0), ConfigError, "confidence"),
    ],
)
def test_nonsense_is_refused(call, error, said):
    with pytest.raises(error) as raised:
        call()
    assert said in str(raised.value)
