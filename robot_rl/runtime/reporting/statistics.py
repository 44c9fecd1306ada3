"""Honest numbers from few episodes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit


def wilson_interval(successes: int, trials: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson score interval of a success rate; 95 % by default (Wilson 1927). (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    rate = successes / trials
    scale = 1.0 / (1.0 + z * z / trials)
    centre = scale * (rate + z * z / (2.0 * trials))
    half = scale * z * math.sqrt(rate * (1.0 - rate) / trials + z * z / (4.0 * trials * trials))
    low = centre - half if successes > 0 else 0.0  # exactly: rounding must not exclude the rate itself
    high = centre + half if successes < trials else 1.0
    return low, high


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Student's interval of the mean of independent runs; without two of them it is infinite."""
    if len(values) < 2:
        return -math.inf, math.inf
    quantile = float(stdtrit(len(values) - 1, 0.5 + 0.5 * confidence))
    half = quantile * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    middle = float(np.mean(values))
    return middle - half, middle + half
