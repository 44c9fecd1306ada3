"""`robot-rl bench control`: how the presets of the impedance law step, press, hit and rest, beside the peer's law.

The simulated FR3 with its joint friction, tool down, at (0.5, 0, 0.2) m or over a stiff plate. Columns:

| column | what |
|---|---|
| overshoot_pct | of one command 2 cm away, reached in a policy period of 0.1 s; worst of x, y, z; in % of the step |
| settle_ms | the same: until the axis stays within 2 % of the step (0.4 mm) of where it comes to rest; worst axis |
| contact_force_n | steady force on the plate with the target 10 cm inside it; beside it the budget, stiffness x clip |
| impact_peak_n | largest unfiltered force within 50 ms of touching the plate at 0.1 m/s; median over places |
| rest_error_mm | distance to the target 2 s after a free motion; worst of several, and their median |
| rest_motion_mm | how far the TCP still moves in 0.5 s then; worst of full, half and no joint friction in the plant |
| contact_ripple_n | range of the pressing force in 0.5 s; worst of the same three |

The settling time is counted to the place of rest, not to the target, in favour of a law that never gets there.

Options: presets=a,b (of those named in `robot_rl.control.presets`), impacts=N places, moves=N free motions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from robot_rl.bench.control_trials import Rig
from robot_rl.bench.report import make_progress, print_report, read_options
from robot_rl.control.presets import PRESETS, preset

PEER: Final = "serl"
BEST: Final = "insertion"
"""The preset with the peer's stiffness and the peer's purpose: its columns are the ones compared in `wins`."""

TIES: Final[Mapping[str, float]] = {
    "overshoot_pct": 0.5,  # 0.1 mm of 2 cm
    "settle_ms": 5.0,
    "contact_error_pct": 5.0,  # everything within the tolerance is right
    "impact_peak_n": 2.0,  # the places scatter by 10
    "rest_error_mm": 0.01,
    "rest_motion_mm": 0.01,
    "contact_ripple_n": 0.05,
}
"""Differences that do not count, and thereby the columns that are compared; less is better in all of them."""

Measured = dict[str, float]

_FRICTION_SCALES: Final = (1.0, 0.5, 0.0)


def run(options: list[str]) -> int:
    """Measure, print the table and the JSON object; returns the exit code 0.

    Raises:
        UnknownNameError: no such option or preset.
    """
    values = read_options(options, {"presets": ",".join(PRESETS), "impacts": 12, "moves": 12})
    result = measure(values["presets"].split(","), values["impacts"], values["moves"])
    print_report("Impedance presets on the simulated FR3", *_table(result), result)
    return 0


def measure(names: list[str], impacts: int, moves: int) -> dict[str, Any]:
    """{preset: {column: value}, "wins": {column: whether BEST beats or ties PEER}, "comparison": the same, per preset}.

    Raises:
        UnknownNameError: no such preset.
    """
    for name in names:
        preset(name)
    rigs = [Rig(scale) for scale in _FRICTION_SCALES]
    result: dict[str, Any] = {}
    with make_progress() as progress:
        task = progress.add_task("measuring", total=len(names) * (impacts + 10))
        for name in names:
            progress.update(task, description=name)
            result[name] = _measure_preset(rigs, name, impacts, moves, lambda: progress.advance(task))
    comparison = {name: compare(result[name], result[PEER]) for name in names if PEER in names and name != PEER}
    result["wins"] = comparison.get(BEST, {})
    result["comparison"] = comparison
    return result


def compare(ours: Measured, theirs: Measured) -> dict[str, bool]:
    """Column -> whether `ours` is better, or worse by no more than a tie."""
    return {column: ours[column] <= theirs[column] + tie for column, tie in TIES.items()}


def _measure_preset(
    rigs: list[Rig], name: str, impacts: int, moves: int, advance: Callable[[], None]
) -> dict[str, float]:
    rig = rigs[0]
    steps = []
    for axis in range(3):
        steps.append(rig.step_response(name, axis))
        advance()
    presses, motions = [], []
    for one in rigs:
        presses.append(one.press(name))
        advance()
        motions.append(one.rest_motion_mm(name))
        advance()
    errors = rig.rest_errors(name, moves)
    advance()
    peaks, speeds, ramp_m_s = [], [], 0.1
    for place in range(impacts):
        peak, speed, ramp_m_s = rig.impact(name, place, ramp_m_s)
        peaks.append(peak)
        speeds.append(speed)
        advance()
    budget = float(preset(name).force_budget_n()[1, 2])
    force = presses[0][0]
    values = {
        "overshoot_pct": max(step.overshoot_pct for step in steps),
        "settle_ms": max(step.settle_ms for step in steps),
        "contact_force_n": force,
        "force_budget_n": budget,
        "contact_error_pct": 100.0 * abs(force / budget - 1.0),
        "impact_peak_n": float(np.median(peaks)),
        "impact_speed_m_s": float(np.median(speeds)),
        "rest_error_mm": max(errors),
        "rest_error_median_mm": float(np.median(errors)),
        "rest_motion_mm": max(motions),
        "contact_ripple_n": max(ripple for _, ripple in presses),
    }
    return {column: round(value, 4) for column, value in values.items()}


def _table(result: Mapping[str, Any]) -> tuple[list[str], list[list[str]], list[str]]:
    """Columns, rows and notes of the report."""
    names = [name for name in result if name in PRESETS]
    headers = ["preset", "overshoot %", "settle ms", "contact / budget N", "impact N"]
    headers += ["rest mm (median)", "rest motion mm", "ripple N"]
    rows = []
    for name in names:
        m = result[name]
        rows.append(
            [
                name,
                f"{m['overshoot_pct']:.2f}",
                f"{m['settle_ms']:.0f}",
                f"{m['contact_force_n']:.2f} / {m['force_budget_n']:.0f}",
                f"{m['impact_peak_n']:.1f}",
                f"{m['rest_error_mm']:.3f} ({m['rest_error_median_mm']:.3f})",
                f"{m['rest_motion_mm']:.3f}",
                f"{m['contact_ripple_n']:.3f}",
            ]
        )
    notes = []
    for name, is_won in result["comparison"].items():
        verdicts: dict[str, list[str]] = {"wins": [], "ties": [], "LOSES": []}
        for column, tie in TIES.items():
            is_tie = abs(result[name][column] - result[PEER][column]) <= tie
            verdicts["ties" if is_tie else "wins" if is_won[column] else "LOSES"].append(column)
        parts = [f"{verdict} {', '.join(columns)}" for verdict, columns in verdicts.items() if columns]
        notes.append(f"{name} against {PEER}: {'; '.join(parts)}")
    return headers, rows, notes
