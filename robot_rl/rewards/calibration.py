"""From a network's outputs to probabilities that mean what they say.

The classifier learns from batches that are half successes, and neural networks are over-confident anyway (Guo et al.
2017, arXiv 1706.04599). Both are put right by two numbers that are fitted on episodes that it did not learn from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robot_rl.errors import ConfigError, SpecError

Array = NDArray[np.float64]

BINS = 10
"""Of reliability: tenths."""
_MIN_SLOPE, _MAX_SLOPE = 1e-3, 1e3
_ITERATIONS = 100
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Calibration:
    """How a logit becomes a probability, and when that counts.

    Attributes:
        temperature: by which logits are divided.
        offset: that is added then: training batches are balanced, recordings are not.
        threshold: a probability beyond it counts; one that equals it does not.
    """

    temperature: float = 1.0
    offset: float = 0.0
    threshold: float = 0.5

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature > 0.0):
            raise ConfigError(f"temperature must be positive and finite, got {self.temperature}.")
        if not math.isfinite(self.offset):
            raise ConfigError(f"offset must be finite, got {self.offset}.")
        if not 0.0 <= self.threshold <= 1.0:
            raise ConfigError(f"threshold must lie in [0, 1], got {self.threshold}.")

    def to_probabilities(self, logits: ArrayLike) -> Array:
        """Probabilities of logits of any shape; those of what is not a number are not a number."""
        return sigmoid(np.asarray(logits, np.float64) / self.temperature + self.offset)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


def fit_calibration(logits: ArrayLike, labels: ArrayLike) -> Calibration:
    """Temperature and offset of the least cross-entropy: Platt scaling; the threshold stays one half.

    The labels are moved a little towards each other, as if one more sample of each kind had been on the other side
    (Platt 1999, section 2.2): without that, a network that makes no mistake on the samples would be called certain.
    Newton's method with backtracking, after Lin, Lin and Weng (2007), "A note on Platt's probabilistic outputs".

    Args:
        logits: of samples that the network did not learn from, shape (N,).
        labels: 1 for successes and 0 for all others, shape (N,).

    Raises:
        SpecError: shapes differ, a logit is not finite, a label is neither 0 nor 1, or one of the kinds is missing.
    """
    scores, truth = _checked(logits, labels)
    if not np.isfinite(scores).all():
        raise SpecError("logits must be finite to be calibrated.")
    positives, negatives = int(truth.sum()), int((1.0 - truth).sum())
    if not positives or not negatives:
        raise SpecError(f"calibration needs samples of both kinds, got {positives} positives, {negatives} negatives.")
    targets = np.where(truth > 0.0, (positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0))
    scale = float(np.abs(scores).max()) or 1.0  # Newton's steps do not depend on it, the tolerances do
    inputs = np.stack([scores / scale, np.ones_like(scores)])
    weights = np.array([0.0, math.log((positives + 1.0) / (negatives + 1.0))])
    for _ in range(_ITERATIONS):
        probabilities = sigmoid(weights @ inputs)
        gradient = inputs @ (probabilities - targets)
        curvature = (inputs * (probabilities * (1.0 - probabilities))) @ inputs.T + 1e-12 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        rate, before = 1.0, _cross_entropy(weights @ inputs, targets)
        while rate > _TOLERANCE and _cross_entropy((weights - rate * step) @ inputs, targets) > before:
            rate *= 0.5
        weights = weights - rate * step
        if np.abs(rate * step).max() < _TOLERANCE:
            break
    # A slope that is not positive is a network that knows nothing: it must not be turned upside down.
    slope = min(max(float(weights[0]) / scale, _MIN_SLOPE), _MAX_SLOPE)
    return Calibration(temperature=1.0 / slope, offset=float(weights[1]))


@dataclass(frozen=True, eq=False)
class Reliability:
    """Said against seen: what the probabilities of each bin were on average, and how often they came true.

    Attributes:
        said: mean probability in each bin that has samples, shape (K,).
        seen: share of positives there, shape (K,).
        counts: samples there, shape (K,).
    """

    said: Array
    seen: Array
    counts: NDArray[np.int64]

    @property
    def error(self) -> float:
        """Expected calibration error: mean over the samples of |said - seen| (Guo et al. 2017, equation 3)."""
        return float(np.average(np.abs(self.said - self.seen), weights=self.counts))


def measure_reliability(probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS) -> Reliability:
    """Reliability over bins of equal width.

    Args:
        probabilities: of being positive, shape (N,), N > 0.
        labels: 1 or 0, shape (N,).
        bins: how many.

    Raises:
        SpecError: shapes differ, nothing is there, or a label is neither 0 nor 1.
    """
    said, truth = _checked(probabilities, labels)
    where = np.minimum((said * bins).astype(np.int64), bins - 1)
    counts = np.bincount(where, minlength=bins)
    has = counts > 0
    means = [np.bincount(where, values, bins)[has] / counts[has] for values in (said, truth)]
    return Reliability(means[0], means[1], counts[has].astype(np.int64))


def _cross_entropy(logits: Array, targets: Array) -> float:
    return float((np.logaddexp(0.0, logits) - targets * logits).sum())


def _checked(values: ArrayLike, labels: ArrayLike) -> tuple[Array, Array]:
    first, second = np.asarray(values, np.float64), np.asarray(labels, np.float64)
    if first.ndim != 1 or first.shape != second.shape or not len(first):
        raise SpecError(f"values and labels must be of one shape (N,), N > 0, got {first.shape} and {second.shape}.")
    if not np.isin(second, (0.0, 1.0)).all():
        raise SpecError(f"labels must be 0 or 1, got {np.unique(second)[:10]}.")
    return first, second
