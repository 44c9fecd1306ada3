"""`robot-rl record-push-t`: demonstrations of Push-T by its planner."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from robot_rl.errors import ConfigError
from robot_rl.runtime.interruption import interruptible
from robot_rl.runtime.recorder import check_same_task
from robot_rl.sim.push_t.demonstrations import record


def run(store: Path, episodes: int, seed: int) -> int:
    """Record into a store, made or continued; the last line printed is a JSON object.

    Raises:
        ConfigError: a number makes no sense, or the store holds another task.
    """
    if episodes < 1 or seed < 0:
        raise ConfigError(f"episodes must be at least 1 and seed not negative, got {episodes} and {seed}.")
    check_same_task(store, {"task": "push_t"})
    kept = failed = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console()) as progress, interruptible() as interrupted:
        task = progress.add_task("planning", total=episodes)

        def on_episode(count: int, is_solved: bool) -> bool:
            nonlocal kept, failed
            kept, failed = count, failed + (not is_solved)
            progress.update(task, completed=kept, description=f"solved {kept} of {kept + failed}")
            return not interrupted

        record(store, episodes, seed, on_episode)
    print(json.dumps({"store": str(store), "kept": kept, "failed": failed, "task": "push_t"}))
    return 130 if interrupted else 0
