"""A picture of how samplers compare on a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from robot_rl.runtime.reporting.output_file import save_figure, to_plain


def draw_samplers(rows: Sequence[Mapping[str, Any]], title: str, length_unit: str, target: Path) -> None:
    """Draw success over delay and over time, and how steady and how reactive plans are.

    Args:
        rows: of `robot-rl bench samplers`.
        title: above all.
        length_unit: of jumps.
        target: a PNG.

    Raises:
        ConfigError: the file cannot be written.
    """
    samplers = list(dict.fromkeys(str(row["sampler"]) for row in rows))
    first = {str(row["sampler"]): row for row in reversed(rows)}  # the smallest delay of each
    figure = Figure(figsize=(11.0, 8.5), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(to_plain(title))
    (by_delay, by_time), (seams, recoveries) = figure.subplots(2, 2)
    for index, sampler in enumerate(samplers):
        colour = f"C{index}" if index < 10 else "k"
        mine = [row for row in rows if row["sampler"] == sampler]
        _draw_success(by_delay, mine, "delay", sampler, colour, shift=0.04 * (index - 0.5 * len(samplers)))
        _draw_success(by_time, [first[sampler]], "decision_p50_ms", sampler, colour)
    delays = sorted({int(row["delay"]) for row in rows})
    by_delay.set(xlabel="delay [control steps]", ylabel="success", ylim=(0.0, 1.0), xticks=delays)
    by_time.set(xlabel="time of a decision, median [ms]", ylabel="success", ylim=(0.0, 1.0), xscale="log")
    by_time.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    by_time.xaxis.set_major_formatter("{x:g}")
    by_time.xaxis.set_minor_formatter(NullFormatter())
    figure.legend(*by_time.get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize="small")
    _draw_bars(seams, first, samplers, ("seam_rms", "seam_p95"), ("RMS", "95 %"))
    seams.set(ylabel=f"jump from plan to plan [{length_unit}], delay {delays[0] if delays else 0}")
    _draw_bars(recoveries, first, samplers, ("recovery_p50_ticks", "recovery_p90_ticks"), ("median", "90 %"))
    recoveries.set(ylabel="control steps to recover from a push")
    for axes in (by_delay, by_time, seams, recoveries):
        axes.grid(alpha=0.3)
    save_figure(figure, target, "picture", 110)


def _draw_success(
    axes: Axes, rows: Sequence[Mapping[str, Any]], key: str, label: str, colour: str, shift: float = 0.0
) -> None:
    """With Wilson's intervals, beside each other where they would lie on top of one another."""
    success = [float(row["success"]) for row in rows]
    below = [value - float(row["ci95"][0]) for value, row in zip(success, rows, strict=True)]
    above = [float(row["ci95"][1]) - value for value, row in zip(success, rows, strict=True)]
    places = [float(row[key]) + shift for row in rows]
    axes.errorbar(places, success, [below, above], marker="o", markersize=4, capsize=2, label=label, color=colour)


def _draw_bars(
    axes: Axes,
    rows: Mapping[str, Mapping[str, Any]],
    samplers: Sequence[str],
    keys: Sequence[str],
    labels: Sequence[str],
) -> None:
    width = 0.8 / len(keys)
    for index, (key, label) in enumerate(zip(keys, labels, strict=True)):
        heights = [0.0 if rows[sampler][key] is None else float(rows[sampler][key]) for sampler in samplers]
        axes.bar([place + width * index for place in range(len(samplers))], heights, width, label=label)
    axes.set_xticks([place + 0.5 * (0.8 - width) for place in range(len(samplers))], samplers, rotation=45, ha="right")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(keys), frameon=False, fontsize="small")
