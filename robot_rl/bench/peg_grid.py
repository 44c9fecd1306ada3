"""`robot-rl bench peg_grid`: how hard is the peg for which errors? Expert, blind script and cloned policy side by side.

The expert sees the true peg and hole, the blind script what the policy is told, the cloned policy was fitted to the
expert's demonstrations on the same setting.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

from robot_rl import config as configuration
from robot_rl.bench.cloning import ClonedPolicy, collect
from robot_rl.bench.report import make_progress, print_report, read_options
from robot_rl.env.robot_env import RobotEnv
from robot_rl.runtime.acting.policies import ZeroPolicy
from robot_rl.runtime.assembly import make_env
from robot_rl.runtime.config import EnvConfig, TeleopConfig
from robot_rl.runtime.reporting.evaluation import Evaluation, evaluate
from robot_rl.sim.tasks.scene import SceneConfig

GRID = (
    # clearance, estimate error [mm, deg], in-hand error [mm, deg]
    (0.5, 0.75, 1.0, 0.5, 1.0),
    (0.5, 1.5, 1.5, 1.0, 1.5),
    (0.5, 3.0, 2.0, 2.0, 3.0),
    (0.5, 4.0, 3.0, 2.0, 3.0),
    (1.0, 1.5, 1.5, 1.0, 1.5),
    (1.0, 3.0, 2.0, 2.0, 3.0),
    (1.0, 4.0, 3.0, 2.0, 3.0),
    (1.0, 6.0, 4.0, 2.0, 3.0),
    (0.3, 1.5, 1.5, 1.0, 1.5),
    (0.3, 3.0, 2.0, 2.0, 3.0),
)
STANDARD, HARD = GRID[0], GRID[5]


def run(options: list[str]) -> int:
    """Options: episodes=40 (of each policy), demonstrations=100, seed=1, rows=10 (of the grid, from the top)."""
    values = read_options(options, {"episodes": 40, "demonstrations": 100, "seed": 1, "rows": len(GRID)})
    with make_progress() as progress:
        results = [
            _measure(setting, values["episodes"], values["demonstrations"], values["seed"])
            for setting in progress.track(GRID[: values["rows"]], description="settings")
        ]
    print_report(
        f"success on peg: {values['episodes']} episodes each, {values['demonstrations']} demonstrations",
        ("clearance", "estimate +-", "in hand +-", "expert", "blind", "cloned", "expert steps"),
        [_words(setting, result) for setting, result in zip(GRID, results, strict=False)],
        ["In brackets: 95 % Wilson interval. Expert steps: mean control steps of an episode at 10 Hz."],
        {**values, "rows": results},
    )
    return 0


def _measure(setting: tuple[float, ...], episodes: int, demonstrations: int, seed: int) -> dict[str, object]:
    expert_env, blind_env = _make_env(setting, "expert"), _make_env(setting, "blind")
    bare_env = _make_env(setting, "none")
    expert = evaluate(expert_env, ZeroPolicy(expert_env.spec), episodes, seed)
    blind = evaluate(blind_env, ZeroPolicy(blind_env.spec), episodes, seed)
    # The demonstrations' scenes are others than those of the evaluation.
    data = collect(expert_env, demonstrations, seed + 1_000_000)
    cloned = evaluate(bare_env, ClonedPolicy(data, seed), episodes, seed)
    return {
        "clearance_mm": setting[0],
        "estimate_mm_deg": setting[1:3],
        "in_hand_mm_deg": setting[3:5],
        **{name: _rate(result) for name, result in (("expert", expert), ("blind", blind), ("cloned", cloned))},
        "expert_steps": round(sum(e.steps for e in expert.episodes) / len(expert.episodes), 1),
    }


def _make_env(setting: tuple[float, ...], teleop: Literal["none", "expert", "blind"]) -> RobotEnv:
    clearance_mm, estimate_mm, estimate_deg, hand_mm, hand_deg = setting
    config = configuration.load(EnvConfig, "env", ["task=peg"])
    scene: SceneConfig = replace(
        config.task.scene,
        clearance_m=1e-3 * clearance_mm,
        estimate_position_error_m=1e-3 * estimate_mm,
        estimate_yaw_error_rad=math.radians(estimate_deg),
        in_hand_position_error_m=1e-3 * hand_mm,
        in_hand_rotation_error_rad=math.radians(hand_deg),
    )
    return make_env(replace(config, task=replace(config.task, scene=scene), teleop=TeleopConfig(kind=teleop)))


def _rate(evaluation: Evaluation) -> dict[str, object]:
    return {"rate": evaluation.success_rate, "ci95": [round(x, 3) for x in evaluation.interval]}


def _words(setting: tuple[float, ...], row: dict[str, object]) -> list[str]:
    level = " (peg)" if setting == STANDARD else " (peg_hard)" if setting == HARD else ""
    rates = []
    for name in ("expert", "blind", "cloned"):
        result = row[name]
        assert isinstance(result, dict)
        low, high = result["ci95"]
        rates.append(f"{result['rate']:.2f} ({low:.2f}-{high:.2f})")
    return [
        f"{setting[0]} mm{level}",
        f"{setting[1]} mm, {setting[2]} deg",
        f"{setting[3]} mm, {setting[4]} deg",
        *rates,
        str(row["expert_steps"]),
    ]
