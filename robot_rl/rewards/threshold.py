"""The threshold of a stated false-positive rate, and what may honestly be claimed about it.

Let the threshold be the (k + 1)-th largest probability of n independent negatives, k chosen before looking at them.
Then at most k of them lie beyond, and the true rate of false positives is, whatever the classifier, not larger (in
distribution) than a Beta(k + 1, n - k) variable. Its quantile is the bound of Clopper and Pearson (1934) for k of n.
So k is the largest number for which that bound keeps to the wanted rate: the Neyman-Pearson umbrella algorithm of
Tong, Feng and Li (2018), Science Advances 4(2), proposition 1. With too few negatives there is no such k, not even 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robot_rl.errors import ConfigError, SpecError

_BISECTIONS = 60


def false_positive_bound(false_positives: int, negatives: int, confidence: float) -> float:
    """Upper bound of the rate after `false_positives` of `negatives` (Clopper and Pearson 1934); 1 without negatives.

    Raises:
        SpecError: more false positives than negatives.
        ConfigError: the confidence does not lie between 0 and 1.
    """
    _check_share("confidence", confidence)
    if not 0 <= false_positives <= negatives:
        raise SpecError(f"false_positives must lie in [0, {negatives}], got {false_positives}.")
    if false_positives == negatives:
        return 1.0
    low, high = false_positives / negatives, 1.0
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        if _chances(false_positives, negatives, middle).sum() > 1.0 - confidence:
            low = middle
        else:
            high = middle
    return high


def count_allowed(negatives: int, rate: float, confidence: float) -> int | None:
    """The most false positives among `negatives` after which `rate` can still be claimed; None: not even with 0.

    Raises:
        ConfigError: rate or confidence do not lie between 0 and 1.
    """
    _check_share("rate", rate)
    _check_share("confidence", confidence)
    fits = np.cumsum(_chances(negatives - 1, negatives, rate)) <= 1.0 - confidence
    return int(fits.sum()) - 1 if fits.any() else None


def count_needed(rate: float, confidence: float) -> int:
    """The fewest negatives with which `rate` can be claimed: all of them must be rejected, (1 - rate)^n <= 1 - c."""
    _check_share("rate", rate)
    _check_share("confidence", confidence)
    return math.ceil(math.log(1.0 - confidence) / math.log1p(-rate))


@dataclass(frozen=True)
class Threshold:
    """A threshold, and what is known about it.

    Attributes:
        value: probabilities beyond it count.
        wanted_rate: of false positives.
        confidence: with which the bounds hold.
        negatives: on which it was chosen.
        false_positives: of them beyond it.
        bound: of the true rate, if the negatives are independent.
        groups: episodes that the negatives are from.
        group_bound: of the share of episodes with a false positive at any time; independent episodes are enough.
    """

    value: float
    wanted_rate: float
    confidence: float
    negatives: int
    false_positives: int
    bound: float
    groups: int
    group_bound: float

    @property
    def is_claimed(self) -> bool:
        """Whether the wanted rate can be claimed; of negatives that are independent."""
        return self.bound <= self.wanted_rate

    @property
    def statement(self) -> str:
        """What can be said, in words."""
        known = (
            f"with {self.confidence:.0%} confidence at most {self.bound:.2%} of the negatives lie beyond the threshold "
            f"{self.value:.3f}, if those of an episode are independent ({self.negatives} held out), and also if they "
            f"are not at most {self.group_bound:.0%} of the episodes have one ({self.groups} held out)"
        )
        if self.is_claimed:
            return f"{known}."
        needed = count_needed(self.wanted_rate, self.confidence)
        return f"too few negatives to claim {self.wanted_rate:.2%}, which takes {needed}: {known}."


def choose_threshold(
    probabilities: ArrayLike, groups: ArrayLike, rate: float, confidence: float = 0.95, floor: float = 0.5
) -> Threshold:
    """The lowest threshold for which `rate` can be claimed; where nothing can, one that rejects all negatives.

    Args:
        probabilities: of negatives that had no part in training or calibration, shape (N,), N > 0.
        groups: number of the episode that each is from, shape (N,).
        rate: of false positives that is wanted.
        confidence: of the claim.
        floor: least threshold. Raising a threshold leaves the claim as true as it was, and a classifier that makes
            no mistake on few negatives shall not begin to pay at a probability of a tenth.

    Raises:
        SpecError: no probabilities, one outside [0, 1], or shapes that differ.
        ConfigError: rate, confidence or floor do not lie between 0 and 1.
    """
    values, numbers = np.asarray(probabilities, np.float64), np.asarray(groups)
    if values.ndim != 1 or not len(values) or numbers.shape != values.shape:
        raise SpecError(f"probabilities and groups must have one shape (N,), got {values.shape}, {numbers.shape}.")
    if not ((values >= 0.0) & (values <= 1.0)).all():
        raise SpecError("probabilities must lie in [0, 1].")
    _check_share("floor", floor)
    allowed = count_allowed(len(values), rate, confidence) or 0
    value = max(float(np.sort(values)[-1 - allowed]), floor)
    count = len(np.unique(numbers))
    return Threshold(
        value=value,
        wanted_rate=rate,
        confidence=confidence,
        negatives=len(values),
        false_positives=int((values > value).sum()),
        bound=false_positive_bound(allowed, len(values), confidence),
        groups=count,
        # at most `allowed` episodes reach beyond: the threshold is not below the (k + 1)-th largest of their maxima
        group_bound=false_positive_bound(min(allowed, count), count, confidence),
    )


def _chances(k: int, n: int, rate: float) -> NDArray[np.float64]:
    """Binomial probabilities of 0 to k of n, k < n, for a rate between 0 and 1."""
    j = np.arange(1, k + 1)
    log_ratios = np.log((n - j + 1) / j) + math.log(rate) - math.log1p(-rate)  # of each to the one before
    return np.asarray(np.exp(n * math.log1p(-rate) + np.concatenate([[0.0], np.cumsum(log_ratios)])))


def _check_share(name: str, value: float) -> None:
    if not 0.0 < value < 1.0:
        raise ConfigError(f"{name} must lie between 0 and 1, got {value}.")
