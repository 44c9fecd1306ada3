"""The statistics of a LeRobotDataset: of every column its extremes, mean, deviation, count and quantiles.

Vectors by element, shape (n,); pictures by channel, scaled to [0, 1], shape (3, 1, 1). All are exact: numbers are kept,
of pictures the histogram.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}

Summary = dict[str, list[Any]]


class Statistics:
    """Sums up episodes, each and all."""

    def __init__(self) -> None:
        self._numbers: dict[str, list[np.ndarray]] = {}
        self._histograms: dict[str, np.ndarray] = {}
        self._picture_counts: dict[str, int] = {}

    def add(self, columns: Mapping[str, np.ndarray]) -> dict[str, Summary]:
        """Take in the columns of one episode and return their own statistics."""
        own: dict[str, Summary] = {}
        for name, values in columns.items():
            if values.ndim == 4:
                histogram = np.stack([np.bincount(values[..., c].ravel(), minlength=256) for c in range(3)])
                self._histograms[name] = self._histograms.get(name, 0) + histogram
                self._picture_counts[name] = self._picture_counts.get(name, 0) + len(values)
                own[name] = _of_histogram(histogram, len(values))
            else:
                rows = values.reshape(len(values), -1)
                self._numbers.setdefault(name, []).append(rows.copy())
                own[name] = _of_numbers(rows)
        return own

    def total(self) -> dict[str, Summary]:
        """The statistics of everything so far."""
        numbers = {name: _of_numbers(np.concatenate(parts)) for name, parts in self._numbers.items()}
        pictures = {name: _of_histogram(h, self._picture_counts[name]) for name, h in self._histograms.items()}
        return numbers | pictures


def _of_numbers(rows: np.ndarray) -> Summary:
    values = rows.astype(np.float64)
    with np.errstate(invalid="ignore"):  # the mean of what is not finite is not a number, which is the answer
        found = {"min": values.min(0), "max": values.max(0), "mean": values.mean(0), "std": values.std(0)}
        quantiles = np.quantile(values, list(QUANTILES.values()), axis=0)
    found |= dict(zip(QUANTILES, quantiles, strict=True))
    return {name: vector.tolist() for name, vector in found.items()} | {"count": [len(rows)]}


def _of_histogram(histogram: np.ndarray, pictures: int) -> Summary:
    """Statistics of a (3, 256) count of the levels."""
    levels = np.arange(256) / 255.0
    shares = histogram / histogram.sum(1, keepdims=True)
    below = np.cumsum(histogram, axis=1)
    mean = shares @ levels
    found = {
        "min": levels[(histogram > 0).argmax(1)],
        "max": levels[255 - (histogram[:, ::-1] > 0).argmax(1)],
        "mean": mean,
        "std": np.sqrt((shares * (levels - mean[:, None]) ** 2).sum(1)),
    }
    for name, share in QUANTILES.items():
        found[name] = levels[(below >= share * below[:, -1:]).argmax(1)]
    return {name: vector.reshape(3, 1, 1).tolist() for name, vector in found.items()} | {"count": [pictures]}
