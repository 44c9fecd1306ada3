"""`robot-rl pretrain`: a base policy from demonstrations."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from robot_rl import config as configuration
from robot_rl.runtime.interruption import interruptible
from robot_rl.runtime.pretraining.config import PretrainConfig
from robot_rl.runtime.pretraining.policy_file import find_origin
from robot_rl.runtime.pretraining.run import pretrain

_LISTS = ("data", "cameras")


def run(overrides: Sequence[str]) -> int:
    """Train as the overrides say; the last line printed is a JSON object.

    Ctrl-C stops after a checkpoint; the same command goes on.
    """
    config = configuration.load(PretrainConfig, "pretrain", [_translate(word) for word in overrides])
    console = Console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress, interruptible() as interrupted:
        task = progress.add_task("reading", total=config.steps)

        def on_step(step: int, loss: float | None) -> bool:
            description = None if loss is None else f"held-out loss {loss:.4f}"
            progress.update(task, completed=step, description=description)
            if loss is not None and not console.is_terminal:  # a bar in a file is seen only at its end
                print(f"step {step} of {config.steps}: held-out loss {loss:.4f}", flush=True)
            return not interrupted

        result = pretrain(config, on_step)
    if result.policy is None:
        console.print(f"stopped at step {result.figures['steps']} of {config.steps}; the same command goes on.")
    else:
        word = "" if find_origin(result.policy).task in configuration.choices("task") else " task=TASK"
        console.print(
            f"wrote {result.policy}; try it with: robot-rl eval policy={config.run_dir}{word}", soft_wrap=True
        )
    print(json.dumps(result.figures))
    return 130 if result.policy is None else 0


def _translate(word: str) -> str:
    """policy=dit is the group base_policy, and data=a,b a list: a bare comma would mean several trainings to Hydra."""
    key, equals, value = word.partition("=")
    if key in _LISTS and equals and not value.startswith("["):
        return f"{key}=[{value}]"
    if key == "policy" or key.startswith("policy."):
        return f"base_{word}"
    return word
