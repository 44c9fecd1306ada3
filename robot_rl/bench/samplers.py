"""`robot-rl bench samplers`: samplers with the same trained weights on the same initial states of a task.

| sampler | what | steps between decisions |
|---|---|---|
| ddpm-100 | from noise, through every level that the network knows | 8 |
| ddim-10, dpm++-5 | from noise in 10 and 5 evaluations | 8 |
| ddim-10-every | as ddim-10 | 1 |
| rti, rti-linear | the plan before, refined at levels 2, 1, 0 as published; the same on a linear schedule | 1 |
| relay-1, -2, -3 | the plan before, noised again with its own noise; never adaptive, as a batch would share it | 1 |
| relay-2-calm | as relay-2 at temperature 0.5: nearer to the middle of a mode than a sample is | 1 |
| rtc-5 | from noise in 5 evaluations, guided to agree with the plan before | 1 |

| key | what |
|---|---|
| success, ci95 | share of the episodes that were solved in time (Push-T: coverage above 0.95), Wilson's interval |
| score | of Push-T the mean of the episodes' largest coverage; else the success |
| nfe_per_action | evaluations of the network for an executed action |
| decision_p50_ms, .._p99_ms, .._max_ms | from observation to action, one scene, one thread; the first is included |
| jerk_rms | of the targets, `length_unit` a second to the third power |
| seam_rms, seam_p95 | jump of the target where one plan takes over from another, in `length_unit` |
| switches_per_decision | new plans that end farther from those before than half the distance between modes |
| recovery_p50_ticks, .._p90_ticks | control steps after a push of the block or the target until the plan is within |
| | 2 spreads of what DDIM makes anew of the same noise; 12 is "not in 12". Without delay |
| agreeing_before_push | share of the plans that do so before the push: those of ddpm and rti depend on more noise |

Options: task=push_t (or peg, plug, pick_cube, reach), policies=RUN,RUN (folders or policy.pt files of `robot-rl
pretrain`: several training seeds are pooled), episodes=200 (of each), seed=0, delays=0,1,2,3,4 (control steps that a
decision takes), samplers=all (or ddim-10,relay-2), steps=N (of an episode; by default the task's), decisions=200
(timed), pushes=50, run_dir=FOLDER (by default runs/samplers-TASK-SEED, with a number where another study is there),
out=FILE.json, picture=FILE.png.

Ctrl-C reports what has been measured. Every part is kept in run_dir as soon as it is there: the same words go on from
there, and more samplers, delays and policies add to it. The same weights under another name are the same policy.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from robot_rl.bench.arenas import PUSH_T, Arena, make_arena
from robot_rl.bench.report import judge, print_report, read_options
from robot_rl.bench.sampler_comparison import TARGETS, Measured, compare, measure, recall
from robot_rl.bench.sampler_parts import Examiner, list_parts, load_policies
from robot_rl.bench.sampler_study import Study, choose_folder
from robot_rl.bench.sampler_trials import ENTRIES, Rollout
from robot_rl.errors import ConfigError, UnknownNameError
from robot_rl.inference.noise_level import NoiseLevel
from robot_rl.runtime.reporting.output_file import check_path
from robot_rl.runtime.reporting.sampler_figure import draw_samplers

_COLUMNS: Final = {
    "delay": "delay",
    "success": "success",
    "by_policy": "each policy",
    "score": "score",
    "nfe_per_action": "NFE/action",
    "decision_p50_ms": "p50 ms",
    "decision_p99_ms": "p99 ms",
    "jerk_rms": "jerk",
    "seam_rms": "seam",
    "seam_p95": "p95",
    "switches_per_decision": "switches",
    "recovery_p50_ticks": "recovery",
    "recovery_p90_ticks": "90 %",
    "agreeing_before_push": "before",
}
_CONDITIONS: Final = ("task", "seed", "steps", "episodes", "decisions", "pushes")
"""Options on which every part depends; the others choose among the parts."""
_NOTES: Final = (
    "In brackets: 95 % Wilson interval. NFE: evaluations of the network. Times: one scene, one thread.",
    "Seam: px, or mm of the arm. Jerk: the same, a second to the third power.",
    "Switches: share of the decisions. Recovery: ticks after a push, median and 90 %; before: plans that agreed then.",
)


def run(options: list[str]) -> int:
    """Measure, print the table and the JSON object; returns 0, or 130 where Ctrl-C came before the end.

    Raises:
        ConfigError: a value that cannot be; the message says which can.
        UnknownNameError: no such option or sampler.
        CheckpointError: a policy that cannot be used here.
    """
    values = read_values(options)
    arena = make_arena(values["task"])
    values["steps"] = _read_steps(values["steps"], arena)
    rated = load_policies(values["policies"], arena)
    for each in rated:
        for sampler in values["samplers"]:
            for delay in values["delays"]:
                # raises now rather than hours later
                Rollout(arena, each.policy, each.level, ENTRIES[sampler], delay, [0], 0)
    study = _open_study(values)
    measured, is_complete, parts = Measured(values["policies"]), True, list_parts(rated, values)
    missing = recall(parts, study, measured)
    threads_before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        measure(parts, missing, Examiner(arena, values), study, measured)
    except KeyboardInterrupt:
        is_complete = False
    finally:
        torch.set_num_threads(threads_before)
    rows = measured.rows()
    result = {**values, "run_dir": str(study.path), "rows": rows, "targets": compare(rows), "is_complete": is_complete}
    result |= {"length_unit": arena.length_unit, "revisions": sorted(study.revisions)}
    result |= {"noise": {each.name: _describe(each.level) for each in rated}, "load_1m": round(os.getloadavg()[0], 2)}
    notes = [*_NOTES, f"Kept in {study.path}; {len(parts) - len(missing)} of {len(parts)} parts were there before."]
    notes += [" ".join(row) for row in judge(result["targets"], TARGETS)]
    title = f"{values['task']}: {values['episodes']} episodes of each of {len(rated)} policies"
    title += "" if is_complete else ", interrupted"
    print_report(title, ["sampler", *_COLUMNS.values()], _to_words(rows), notes, result)
    if values["out"]:
        _write(Path(values["out"]), json.dumps(result, indent=1) + "\n")
    if values["picture"] and rows:
        draw_samplers(rows, title, arena.length_unit, Path(values["picture"]))
    return 0 if is_complete else 130


def _open_study(values: Mapping[str, Any]) -> Study:
    """Where parts are kept."""
    conditions = {key: values[key] for key in _CONDITIONS}
    return Study(Path(values["run_dir"]) if values["run_dir"] else choose_folder(conditions), conditions)


def read_values(options: list[str]) -> dict[str, Any]:
    """The options, their lists taken apart.

    Raises:
        ConfigError, UnknownNameError: see `run`.
    """
    counts: dict[str, str | int] = {"episodes": 200, "decisions": 200, "pushes": 50}
    words: dict[str, str | int] = {
        "task": PUSH_T,
        "policies": "",
        "seed": "0",
        "steps": "",
        "delays": "0,1,2,3,4",
        "samplers": "all",
    }
    values = read_options(options, {**counts, **words, "run_dir": "", "out": "", "picture": ""})
    values["policies"] = [word for word in values["policies"].split(",") if word]
    if not values["policies"]:
        raise ConfigError(
            "policies names no run: for example policies=runs/a,runs/b, as `robot-rl pretrain` writes them."
        )
    values["seed"] = _read_number("seed", values["seed"])
    values["delays"] = sorted({_read_number("delays", word) for word in values["delays"].split(",")})
    chosen = list(ENTRIES) if values["samplers"] == "all" else values["samplers"].split(",")
    for name in chosen:
        if name not in ENTRIES:
            raise UnknownNameError("sampler", name, [*ENTRIES, "all"])
    values["samplers"] = [name for name in ENTRIES if name in chosen]
    for key in ("out", "picture"):
        if values[key] and not Path(values[key]).absolute().parent.is_dir():
            raise ConfigError(f"{key}={values[key]} would be in a folder that does not exist.")
    if values["picture"]:
        check_path(Path(values["picture"]), "picture", ".png")
    return values


def _read_steps(word: str, arena: Arena) -> int:
    limit = arena.spec.step_limit
    steps = _read_number("steps", word) if word else limit
    if not 1 <= steps <= limit:
        raise ConfigError(f"steps must be from 1 to {limit}, got {steps}.")
    return steps


def _read_number(key: str, word: str) -> int:
    if not word.isdecimal():
        raise ConfigError(f"{key} must be made of whole numbers, 0 or more, got {word!r}.")
    return int(word)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}.") from error


def _describe(level: NoiseLevel) -> dict[str, float | None]:
    """JSON has no infinity: without two modes there is no distance."""
    distance = level.mode_distance if np.isfinite(level.mode_distance) else None
    return {"sigma": level.sigma, "spread": level.spread, "motion": level.motion, "mode_distance": distance}


def _to_words(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    out = []
    for row in rows:
        low, high = row["ci95"]
        cells = {key: "-" if row[key] is None else f"{row[key]:.4g}" for key in _COLUMNS if key != "by_policy"}
        cells |= {
            "success": f"{row['success']:.3f} ({low:.2f}-{high:.2f})",
            "by_policy": " ".join(f"{each['success']:.2f}" for each in row["by_policy"].values()),
        }
        out.append([row["sampler"], *(cells[key] for key in _COLUMNS)])
    return out
