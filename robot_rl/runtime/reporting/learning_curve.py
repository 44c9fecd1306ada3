"""Learning curves of training runs, and what they amount to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from robot_rl.errors import ConfigError
from robot_rl.runtime.reporting.marker import find_marker
from robot_rl.runtime.reporting.metrics_writer import FILE_NAME, read_run
from robot_rl.runtime.reporting.output_file import check_path, save_figure, to_plain
from robot_rl.runtime.reporting.statistics import mean_interval, wilson_interval

SMOOTHING_EPISODES = 20
"""Episodes that a point of the intervention rate is the mean of."""
GOOD_SUCCESS_RATE = 0.9
"""The success rate whose first appearance is reported."""
_LATE_SHARE = 0.1  # an evaluation that is later than by this part of its step is one of another step
_LINE_STYLES = ("-", "-.", ":")  # of groups whose colours come round again

Values = NDArray[np.float64]
Curve = tuple[Values, Values]
"""Environment steps, increasing, and the values there."""


@dataclass(frozen=True)
class _Run:
    """What was measured in a run: the lines of each kind, in order."""

    episodes: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]
    duration_s: float

    @property
    def success(self) -> Curve:
        """Success rates of the evaluations."""
        rates = {float(record["step"]): float(record["success_rate"]) for record in self.evaluations}
        steps = np.array(sorted(rates))
        return steps, np.array([rates[step] for step in steps])

    def area(self, first: float, last: float) -> float:
        """Mean success rate from one step to another; between two evaluations it is straight."""
        steps, rates = self.success
        grid = np.unique([first, last, *steps[(first < steps) & (steps < last)]])
        return float(np.trapezoid(np.interp(grid, steps, rates), grid) / (last - first))

    def evaluation_at(self, step: int) -> dict[str, Any] | None:
        """The evaluation that was due at `step`, when its episode had ended; None if there was none."""
        latest = step + max(_LATE_SHARE * step, *(int(episode["steps"]) for episode in self.episodes), 0)
        return next((record for record in self.evaluations if step <= record["step"] <= latest), None)

    @property
    def intervention(self) -> Curve:
        """Share of the steps of the last episodes in which a person had the robot, without those of probes."""
        episodes = sorted(
            (each for each in self.episodes if not each.get("is_probe")), key=lambda record: int(record["step"])
        )
        counts = np.array([(record["human_steps"], record["steps"]) for record in episodes], np.float64).reshape(-1, 2)
        sums = np.vstack([np.zeros(2), counts.cumsum(0)])
        ends = np.arange(1, len(sums))
        windows = sums[ends] - sums[np.maximum(0, ends - SMOOTHING_EPISODES)]
        steps = np.array([record["step"] for record in episodes], np.float64)
        return steps, windows[:, 0] / np.maximum(1.0, windows[:, 1])

    @property
    def final(self) -> dict[str, Any] | None:
        """The last evaluation; None without one."""
        return self.evaluations[-1] if self.evaluations else None

    @property
    def first_good_step(self) -> float:
        """Environment steps at the first evaluation with a good success rate; infinite where there is none."""
        steps, rates = self.success
        return float(min(steps[rates >= GOOD_SUCCESS_RATE], default=np.inf))


def plot_runs(groups: Mapping[str, Sequence[Path]], target: Path, title: str) -> None:
    """Draw success and intervention rates of groups of runs over environment steps.

    Each run is a thin line, the median of its group a thick one; the median ends where the first of the runs does.
    A group that was evaluated before the first step only, as imitation is, is a dashed level.

    Args:
        groups: name -> folders of runs that differ in nothing but the seed.
        target: PNG file to write; its folder is made.
        title: of the picture.

    Raises:
        ConfigError: there is nothing to draw, a folder holds no metrics, or the file cannot be written.
    """
    check_path(target, "learning curve", ".png")
    runs = _read_groups(groups)
    figure = Figure(figsize=(8.0, 8.0), layout="constrained")
    FigureCanvasAgg(figure)
    top, bottom = figure.subplots(2, 1, sharex=True)
    _draw(top, runs, lambda run: run.success)
    _draw(bottom, runs, lambda run: run.intervention)
    top.set_ylabel("success rate of the evaluation")
    bottom.set_ylabel(f"intervention rate\n(share of steps, last {SMOOTHING_EPISODES} episodes)")
    bottom.set_xlabel("environment steps")
    bottom.set_xlim(left=0.0)
    if not any(_has_steps(run) for group in runs.values() for run in group):
        bottom.set_xticks([])
    figure.suptitle(to_plain(title))
    save_figure(figure, target, "learning curve", 120)


def summarise(groups: Mapping[str, Sequence[Path]], at_steps: Sequence[int] = ()) -> str:
    """A table in Markdown with a row for each group; medians are over its runs, "-" is what does not exist.

    The time is the wall clock's, evaluations and demonstrations included; the median of the steps is "-" where
    half of the runs or more never got there. The mean of the final success is "-" where runs ended at different steps.
    The area is the mean success rate over the steps that all runs of the table were evaluated in: its mean over the
    runs of a group, with Student's interval of 95 % where there are several.

    Args:
        groups: name -> folders of runs that differ in nothing but the seed.
        at_steps: environment steps for each of which there is a column: the mean success rate of the evaluations that
            were due there, with the interval of 95 %: Student's over the runs, of a single run that of Wilson. Episodes
            of different runs are not taken together: policies differ more from seed to seed than their episodes do.

    Raises:
        ConfigError: there is nothing to summarise, or a folder holds no metrics.
    """
    good = f"steps to {GOOD_SUCCESS_RATE:.0%} (median)"
    header = ["group", "final success (episodes)", "mean", good, "human steps (median)", "time [min]", "cycle [s]"]
    read = _read_groups(groups)
    first, last = _find_common_steps([run for runs in read.values() for run in runs])
    header += [f"area, {first:.0f} to {last:.0f}" if first < last else "area", *(f"at {step}" for step in at_steps)]
    lines = [header, ["---"] + ["---:"] * (len(header) - 1)]
    for name, runs in read.items():
        finals = [run.final for run in runs]
        cycles = [final["cycle_time_s"] for final in finals if final is not None and final["cycle_time_s"] is not None]
        texts = ["-" if final is None else f"{final['success_rate']:.2f} ({final['episodes']})" for final in finals]
        row = [
            name,
            ", ".join(texts),
            _mean([final for final in finals if final is not None]),
            _median([run.first_good_step for run in runs], 0),
            _median([float(sum(episode["human_steps"] for episode in run.episodes)) for run in runs], 0),
            _median([run.duration_s / 60.0 for run in runs], 1),
            _median(cycles, 2),
            _area(runs, first, last),
            *(_at(runs, step) for step in at_steps),
        ]
        lines.append(row)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def _find_common_steps(runs: Sequence[_Run]) -> tuple[float, float]:
    """First and last step of what all runs were evaluated in, but for those that were evaluated once only."""
    spans = [(steps[0], steps[-1]) for run in runs if len(steps := run.success[0]) > 1]
    return max((first for first, _ in spans), default=0.0), min((last for _, last in spans), default=0.0)


def _mean(finals: Sequence[dict[str, Any]]) -> str:
    steps = [int(final["step"]) for final in finals]
    if not steps or max(steps) - min(steps) > _LATE_SHARE * max(steps):
        return "-"
    return f"{np.mean([final['success_rate'] for final in finals]):.2f}"


def _at(runs: Sequence[_Run], step: int) -> str:
    """The success rate at a step, of all runs that have come so far."""
    reached = [record for run in runs if (record := run.evaluation_at(step)) is not None]
    if not reached:
        return "-"
    rates = [float(record["success_rate"]) for record in reached]
    if len(reached) > 1:
        low, high = _clip(mean_interval(rates))
    else:
        low, high = wilson_interval(round(rates[0] * reached[0]["episodes"]), int(reached[0]["episodes"]))
    return f"{np.mean(rates):.2f} ({low:.2f} to {high:.2f}, {len(reached)} of {len(runs)} runs)"


def _area(runs: Sequence[_Run], first: float, last: float) -> str:
    areas = [run.area(first, last) for run in runs if first < last and len(run.success[0]) > 1]
    if not areas:
        return "-"
    low, high = _clip(mean_interval(areas))
    return f"{np.mean(areas):.2f}" + (f" ({low:.2f} to {high:.2f})" if len(areas) > 1 else "")


def _clip(interval: tuple[float, float]) -> tuple[float, float]:
    """An interval of rates, of which none is below 0 or above 1."""
    return max(0.0, interval[0]), min(1.0, interval[1])


def _median(values: Sequence[float], digits: int) -> str:
    middle = np.median(values) if values else np.inf
    return f"{middle:.{digits}f}" if np.isfinite(middle) else "-"


def _read_groups(groups: Mapping[str, Sequence[Path]]) -> dict[str, list[_Run]]:
    if not groups:
        raise ConfigError("there must be at least one group of runs, got none.")
    for name, folders in groups.items():
        if not folders:
            raise ConfigError(f"the group {name!r} must have at least one run folder, it has none.")
    return {name: [_read_run(folder) for folder in folders] for name, folders in groups.items()}


def _read_run(folder: Path) -> _Run:
    records, duration_s = read_run(folder)
    if not records:
        raise ConfigError(f"{folder / FILE_NAME} holds no metrics yet: the run must have ended an episode or more.")
    episodes = [record for record in records if record["kind"] == "episode"]
    evaluations = [record for record in records if record["kind"] == "evaluation" and record["episodes"]]
    return _Run(episodes, evaluations, duration_s)


def _has_steps(run: _Run) -> bool:
    return any(record["step"] for record in (*run.episodes, *run.evaluations))


def _draw(axes: Axes, groups: Mapping[str, Sequence[_Run]], curve_of: Callable[[_Run], Curve]) -> None:
    """One colour for each group that was measured; lines at 0 and 1 are not cut in half by the frame."""
    for number, (name, runs) in enumerate(groups.items()):
        curves = [curve_of(run) for run in runs]
        if any(len(steps) for steps, _ in curves):
            label = to_plain(f"{name} ({len(runs)} {'run' if len(runs) == 1 else 'runs'})")
            _draw_group(axes, curves, label, f"C{number % 10}", _LINE_STYLES[number // 10 % len(_LINE_STYLES)])
    axes.set_ylim(0.0, 1.0)
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend()
    else:
        axes.text(0.5, 0.5, "nothing was measured", transform=axes.transAxes, ha="center", va="center", color="0.5")


def _draw_group(axes: Axes, curves: Sequence[Curve], label: str, colour: str, line_style: str) -> None:
    if all(steps.tolist() == [0.0] for steps, _ in curves):
        levels = [values[0] for _, values in curves]
        for level in levels:
            axes.axhline(level, color=colour, linestyle="--", linewidth=0.8, alpha=0.5, clip_on=False)
        axes.axhline(np.median(levels), color=colour, linestyle="--", linewidth=2.5, label=label, clip_on=False)
        return
    thin: dict[str, Any] = {"linewidth": 0.8, "markersize": 3.0, "alpha": 0.5}
    thick: dict[str, Any] = {"linewidth": 2.5, "markersize": 6.0, "label": label}
    for (steps, values), style in [*((curve, thin) for curve in curves), (_median_curve(curves), thick)]:
        marker = find_marker(steps)
        axes.plot(steps, values, color=colour, linestyle=line_style, marker=marker, clip_on=False, **style)


def _median_curve(curves: Sequence[Curve]) -> Curve:
    """Median over the steps that all curves cover; between its own steps a curve is straight."""
    if not all(len(steps) for steps, _ in curves):
        return np.zeros(0), np.zeros(0)
    first = max(steps[0] for steps, _ in curves)
    last = min(steps[-1] for steps, _ in curves)
    steps = np.unique(np.concatenate([steps for steps, _ in curves]))
    steps = steps[(first <= steps) & (steps <= last)]
    return steps, np.median([np.interp(steps, *curve) for curve in curves], axis=0)
