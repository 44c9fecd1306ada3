"""A picture of how a base policy learned."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from robot_rl.runtime.pretraining.training import Losses
from robot_rl.runtime.reporting.marker import find_marker
from robot_rl.runtime.reporting.output_file import save_figure


def draw_losses(losses: Losses, title: str, target: Path) -> None:
    """Draw the losses over the steps of the optimiser.

    Raises:
        ConfigError: the file cannot be written.
    """
    figure = Figure(figsize=(7.0, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    marker = find_marker(losses.steps)
    axes.plot(losses.steps, losses.training, color="0.7", marker=marker, linewidth=1.0, label="training, one batch")
    axes.plot(
        losses.steps, losses.validation, marker=marker, linewidth=2.0, label="held-out episodes, averaged weights"
    )
    if min([*losses.training, *losses.validation], default=0.0) > 0.0:
        axes.set_yscale("log")
    axes.set(xlabel="steps of the optimiser", ylabel="loss", title=title)
    axes.grid(alpha=0.3)
    axes.legend()
    save_figure(figure, target, "picture", 110)
