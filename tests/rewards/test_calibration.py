"""Probabilities that mean what they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_rl.errors import ConfigError, SpecError
from robot_rl.rewards.calibration import Calibration, fit_calibration, measure_reliability, sigmoid


def draw(generator, count, slope=1.0, offset=0.0):
    """Logits of a classifier which, put through `slope` and `offset`, would tell the truth; and that truth."""
    true_logits = generator.normal(0.0, 2.0, count)
    labels = (generator.uniform(size=count) < sigmoid(true_logits)).astype(float)
    return (true_logits - offset) / slope, labels


@pytest.mark.parametrize(("temperature", "offset"), [(4.0, 0.0), (0.5, 0.0), (3.0, -1.5), (1.0, 2.0)])
def test_it_finds_the_numbers_that_spoilt_the_logits(temperature, offset):
    logits, labels = draw(np.random.default_rng(0), 20_000, 1.0 / temperature, offset)
    fitted = fit_calibration(logits, labels)
    assert fitted.temperature == pytest.approx(temperature, rel=0.08)
    assert fitted.offset == pytest.approx(offset, abs=0.08)
    assert fitted.threshold == 0.5


def test_an_over_confident_classifier_is_made_honest_on_samples_that_it_was_not_fitted_on():
    generator = np.random.default_rng(1)
    fitted = fit_calibration(*draw(generator, 500, slope=0.2))  # logits five times too large
    logits, labels = draw(generator, 5000, slope=0.2)
    before = measure_reliability(sigmoid(logits), labels).error
    after = measure_reliability(fitted.to_probabilities(logits), labels).error
    assert before > 0.1
    assert after < 0.04


def test_balanced_training_on_rare_successes_is_put_right():
    """Trained on halves, a classifier says one half where one in twenty is meant."""
    generator = np.random.default_rng(2)
    labels = (generator.uniform(size=20_000) < 0.05).astype(float)
    logits = generator.normal(2.0 * labels - 1.0, 1.0)  # log-odds of equal shares: 2 x
    fitted = fit_calibration(2.0 * logits, labels)
    assert fitted.offset == pytest.approx(np.log(0.05 / 0.95), abs=0.15)
    assert measure_reliability(fitted.to_probabilities(2.0 * logits), labels).error < 0.01


def test_a_classifier_without_a_mistake_is_not_called_certain():
    """Platt's targets by hand: of 3 positives (3 + 1) / (3 + 2), of 8 negatives 1 / (8 + 2)."""
    logits = np.concatenate([np.full(3, 9.0), np.full(8, -9.0)])
    fitted = fit_calibration(logits, np.repeat([1.0, 0.0], [3, 8]))
    assert fitted.to_probabilities([9.0, -9.0]) == pytest.approx([4 / 5, 1 / 10], abs=1e-6)


def test_a_classifier_that_knows_nothing_is_not_turned_upside_down():
    generator = np.random.default_rng(3)
    logits, labels = draw(generator, 500)
    fitted = fit_calibration(-logits, labels)
    assert fitted.temperature > 0.0
    probabilities = fitted.to_probabilities(np.linspace(-5, 5, 11))
    assert (np.diff(probabilities) >= 0.0).all()
    assert np.ptp(probabilities) < 0.02, "it says the share of positives, whatever it sees"


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100.0))
def test_the_order_of_samples_stays_and_the_scale_of_logits_does_not_matter(seed, scale):
    logits, labels = draw(np.random.default_rng(seed), 60)
    labels[:2] = 0.0, 1.0
    one, other = fit_calibration(logits, labels), fit_calibration(scale * logits, labels)
    probabilities = one.to_probabilities(logits)
    assert (np.diff(probabilities[np.argsort(logits)]) >= 0.0).all()
    if 1e-2 < one.temperature < 1e2 and 1e-2 < other.temperature < 1e2:  # beyond that they are bounded
        assert other.to_probabilities(scale * logits) == pytest.approx(probabilities, abs=1e-5)


def test_reliability_by_hand():
    said = [0.05, 0.15, 0.15, 0.95, 0.95, 0.95, 0.95, 1.0]
    seen = [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0]
    found = measure_reliability(said, seen, bins=10)
    assert found.said == pytest.approx([0.05, 0.15, 0.96])
    assert found.seen == pytest.approx([0.0, 0.5, 0.8])
    assert found.counts.tolist() == [1, 2, 5]
    assert found.error == pytest.approx((1 * 0.05 + 2 * 0.35 + 5 * 0.16) / 8)


def test_probabilities_stay_finite_and_what_is_no_number_stays_none():
    found = Calibration(0.01, 3.0).to_probabilities([-1e300, -800.0, 0.0, 800.0, np.nan])
    assert found[:4] == pytest.approx([0.0, 0.0, float(sigmoid(np.array(3.0))), 1.0])
    assert np.isnan(found[4])


@pytest.mark.parametrize(
    ("logits", "labels", "said"),
    [
        ([1.0, 2.0], [1.0, 1.0], "2 positives, 0 negatives"),
        ([1.0, 2.0], [0.0, 0.0], "0 positives, 2 negatives"),
        ([1.0, 2.0], [0.0, 0.5], "0 or 1"),
        ([1.0, np.nan], [0.0, 1.0], "finite"),
        ([1.0], [0.0, 1.0], "(1,) and (2,)"),
        ([], [], "N > 0"),
    ],
)
def test_wrong_samples_are_refused(logits, labels, said):
    with pytest.raises(SpecError) as error:
        fit_calibration(logits, labels)
    assert said in str(error.value)


@pytest.mark.parametrize(
    "values", [{"temperature": 0.0}, {"temperature": np.inf}, {"offset": np.nan}, {"threshold": 1.5}]
)
def test_wrong_calibrations_are_refused(values):
    with pytest.raises(ConfigError, match=next(iter(values))):
        Calibration(**values)
