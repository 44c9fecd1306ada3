"""What a classifier is worth, measured on episodes that had no part in making it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from robot_rl.rewards.calibration import Calibration, fit_calibration, measure_reliability, sigmoid
from robot_rl.rewards.threshold import Threshold, choose_threshold
from robot_rl.runtime.classifier.config import ClaimConfig
from robot_rl.runtime.classifier.samples import Samples

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class OutputFigures:
    """Of one output, on the test part.

    Attributes:
        name: of the output.
        calibration: with the threshold.
        claim: what may be said about the threshold.
        probabilities: calibrated, shape (N,).
        truth: whether each sample is marked, (N,).
        error_before, error_after: expected calibration error without and with the calibration.
    """

    name: str
    calibration: Calibration
    claim: Threshold
    probabilities: Array
    truth: NDArray[np.bool_]
    error_before: float
    error_after: float

    @property
    def is_called(self) -> NDArray[np.bool_]:
        """Whether each sample lies beyond the threshold."""
        return self.probabilities > self.calibration.threshold

    @property
    def recall(self) -> float:
        """Share of the marked samples that are found; the threshold knows nothing of them."""
        return float(self.is_called[self.truth].mean())

    @property
    def specificity(self) -> float:
        """Share of the others that are not called."""
        return float((~self.is_called[~self.truth]).mean())

    @property
    def precision(self) -> float | None:
        """Share of the called ones that are marked; None if none is called."""
        return float(self.truth[self.is_called].mean()) if self.is_called.any() else None

    def to_json(self) -> dict[str, Any]:
        """The numbers."""
        claim = asdict(self.claim)
        return {
            "threshold": claim.pop("value"),
            "temperature": self.calibration.temperature,
            "offset": self.calibration.offset,
            "positives": int(self.truth.sum()),
            "precision": self.precision,
            "recall": self.recall,
            "accuracy": float((self.is_called == self.truth).mean()),
            "balanced_accuracy": 0.5 * (self.recall + self.specificity),
            "calibration_error_before": self.error_before,
            "calibration_error": self.error_after,
            "is_claimed": self.claim.is_claimed,
            **claim,
        }


def measure_output(
    name: str, number: int, validation: tuple[Tensor, Samples], test: tuple[Tensor, Samples], config: ClaimConfig
) -> OutputFigures:
    """Calibrate on the validation part, choose the threshold on the test part's negatives, and measure there.

    Recall needs no third set of held-out episodes: a threshold that was chosen on negatives does not know the
    positives. How many negatives lie beyond it says nothing by itself; the claim is made accordingly.

    Args:
        name: of the output.
        number: of the output among the network's.
        validation: logits (N, outputs), and their samples.
        test: logits (N, outputs), and their samples.
        config: what is to be claimed.
    """
    fitted = fit_calibration(validation[0][:, number].numpy(), validation[1].marks[:, number].numpy())
    logits = test[0][:, number].double().numpy()
    truth = test[1].marks[:, number].numpy() > 0.0
    probabilities = fitted.to_probabilities(logits)
    claim = choose_threshold(
        probabilities[~truth],
        test[1].episodes[~truth],
        config.false_positive_rate,
        config.confidence,
        config.threshold_floor,
    )
    return OutputFigures(
        name,
        Calibration(fitted.temperature, fitted.offset, claim.value),
        claim,
        probabilities,
        truth,
        measure_reliability(sigmoid(logits), truth).error,
        measure_reliability(probabilities, truth).error,
    )
