"""A picture of what a classifier is worth: its threshold, its honesty, and its worst mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from robot_rl.rewards.calibration import measure_reliability
from robot_rl.runtime.classifier.figures import OutputFigures
from robot_rl.runtime.classifier.samples import Samples
from robot_rl.runtime.reporting.marker import find_marker
from robot_rl.runtime.reporting.output_file import save_figure

Array = NDArray[np.float64]

_MISTAKES = 6


def draw_report(figures: Sequence[OutputFigures], test: Samples, losses: Sequence[float], target: Path) -> None:
    """Draw two rows for each output, all of it on the test part.

    Raises:
        ConfigError: the file cannot be written.
    """
    figure = Figure(figsize=(16.0, 7.0 * len(figures)))
    FigureCanvasAgg(figure)
    rows = figure.subfigures(2 * len(figures), 1, squeeze=False, height_ratios=[2, 1] * len(figures))[:, 0]
    for number, output in enumerate(figures):
        above, below = rows[2 * number], rows[2 * number + 1]
        above.suptitle(f"{output.name}: {output.claim.statement}", fontsize=9)
        charts = above.subplots(1, 4, gridspec_kw={"left": 0.05, "right": 0.98, "bottom": 0.14, "wspace": 0.3})
        _draw_roc(charts[0], output)
        _draw_histogram(charts[1], output)
        _draw_reliability(charts[2], output)
        _draw_losses(charts[3], losses)
        pictures = below.subplots(1, _MISTAKES, gridspec_kw={"left": 0.02, "right": 0.98, "bottom": 0.02, "top": 0.8})
        _draw_mistakes(pictures, output, test)
    save_figure(figure, target, "report", 90)


def roc(probabilities: Array, truth: NDArray[np.bool_]) -> tuple[Array, Array]:
    """(false-positive rates, recalls) of all thresholds, from the one that calls nothing to the one that calls all."""
    values = np.unique(probabilities)[::-1]
    thresholds = np.append(values, -np.inf)
    rates = [[float((probabilities[kind] > t).mean()) for t in thresholds] for kind in (~truth, truth)]
    return np.array(rates[0]), np.array(rates[1])


def _draw_roc(axes: Axes, output: OutputFigures) -> None:
    at = (1.0 - output.specificity, output.recall)
    # the corner that a reward can live in: what lies to the right of it is nothing to choose from, and is left out
    reach = min(1.0, max(0.1, 2.0 * output.claim.bound, 2.0 * at[0]))
    false_positives, recalls = roc(output.probabilities, output.truth)
    inside = recalls[false_positives <= reach]
    curve = (np.append(false_positives[: len(inside)], reach), np.append(inside, inside[-1]))
    axes.plot(*curve, drawstyle="steps-post", clip_on=False)
    axes.plot(*at, "o", color="C3", clip_on=False, label=f"threshold {output.calibration.threshold:.3f}")
    axes.axvline(output.claim.bound, color="C3", linestyle=":", label=f"bound {output.claim.bound:.2%}")
    axes.set(xlabel="false-positive rate", ylabel="recall", title=f"{output.name}: ROC", xlim=(0, reach), ylim=(0, 1))
    axes.legend(loc="lower right")


def _draw_histogram(axes: Axes, output: OutputFigures) -> None:
    bins = np.linspace(0.0, 1.0, 31)
    for kind, name in ((~output.truth, "no"), (output.truth, "yes")):
        axes.hist(output.probabilities[kind], bins=list(bins), alpha=0.6, label=f"{name} ({int(kind.sum())})")
    axes.axvline(output.calibration.threshold, color="C3")
    axes.set(xlabel="probability", ylabel="images", yscale="log", title="truth, and the threshold")
    axes.legend()


def _draw_reliability(axes: Axes, output: OutputFigures) -> None:
    reliability = measure_reliability(output.probabilities, output.truth)
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1.0)
    axes.plot(reliability.said, reliability.seen, "o-", clip_on=False)
    for said, seen, count in zip(reliability.said, reliability.seen, reliability.counts, strict=True):
        axes.annotate(str(count), (said, seen), textcoords="offset points", xytext=(4, -10), fontsize=7)
    title = f"reliability: error {output.error_after:.3f}, uncalibrated {output.error_before:.3f}"
    axes.set(xlabel="probability said", ylabel="share seen", title=title, xlim=(0, 1), ylim=(0, 1))


def _draw_losses(axes: Axes, losses: Sequence[float]) -> None:
    axes.plot(range(1, len(losses) + 1), losses, marker=find_marker(losses))
    axes.set(xlabel="look", ylabel="validation loss", yscale="log", title="training")


def _draw_mistakes(axes: Sequence[Axes], output: OutputFigures, test: Samples) -> None:
    """The samples that are furthest on the wrong side of the threshold; then those that were nearly so."""
    side = np.where(output.truth, -1.0, 1.0)
    wrongness = side * (output.probabilities - output.calibration.threshold)
    order = np.argsort(-wrongness, kind="stable")
    for axis, row in zip(axes, order, strict=False):
        is_wrong = bool(output.is_called[row] != output.truth[row])
        kind = "missed" if output.truth[row] else "false positive"
        title = f"{kind if is_wrong else 'right, but near'}: {output.probabilities[row]:.3f}"
        axis.set_title(f"{title}\n{test.titles[row][-36:]}", fontsize=8, color="C3" if is_wrong else "black")
        if test.thumbnails is not None:
            axis.imshow(test.thumbnails[row])
    for axis in axes:
        axis.set_axis_off()
