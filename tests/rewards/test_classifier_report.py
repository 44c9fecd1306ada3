"""The picture of what a classifier is worth."""

import numpy as np
from matplotlib.figure import Figure

from robot_rl.rewards.calibration import Calibration
from robot_rl.rewards.threshold import Threshold
from robot_rl.runtime.classifier.figures import OutputFigures
from robot_rl.runtime.classifier.report import _draw_roc


def draw(negatives, bound):
    """The axes of an output with these probabilities of negatives, and positives at 0.25, 0.75 and 0.95."""
    probabilities = np.array([*negatives, 0.25, 0.75, 0.95])
    truth = np.arange(len(probabilities)) >= len(negatives)
    claim = Threshold(0.5, 0.01, 0.95, len(negatives), 0, bound, len(negatives), bound)
    axes = Figure().subplots()
    _draw_roc(axes, OutputFigures("success", Calibration(threshold=0.5), claim, probabilities, truth, 0.0, 0.0))
    return axes


def test_the_curve_ends_where_the_axis_ends():
    axes = draw(negatives=[0.1, 0.2, 0.3, 0.4] * 2, bound=0.15)
    assert axes.get_xlim() == (0.0, 0.3)
    false_positives, recalls = axes.lines[0].get_data()
    # of eight negatives none lie beyond 0.4 and two beyond 0.3; of the four beyond 0.25 nothing is drawn
    np.testing.assert_allclose(false_positives, [0.0, 0.0, 0.0, 0.25, 0.3])
    np.testing.assert_allclose(recalls, [0.0, 1 / 3, 2 / 3, 2 / 3, 2 / 3])
