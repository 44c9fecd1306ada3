"""`robot-rl record`: demonstrations, kept in a store."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from robot_rl import config as configuration
from robot_rl.env.robot_env import RobotEnv
from robot_rl.runtime.acting.policies import Policy
from robot_rl.runtime.assembly import make_env
from robot_rl.runtime.config import RecordConfig
from robot_rl.runtime.interruption import interruptible
from robot_rl.runtime.recorder import record_demonstrations
from robot_rl.runtime.reporting.observers import Observer
from robot_rl.runtime.run_folder import describe


def run(overrides: list[str]) -> int:
    """Record as the overrides say; the last line printed is a JSON object."""
    config = configuration.load(RecordConfig, "record", overrides)
    return run_on(make_env(config), config)


def run_on(
    env: RobotEnv, config: RecordConfig, observers: Sequence[Observer] = (), *, is_restarted: bool = False
) -> int:
    """Record in an environment; the last line printed is a JSON object.

    Args:
        env: with somebody at its teleop.
        config: what is recorded.
        observers: told everything.
        is_restarted: see `record_demonstrations`.

    Returns:
        0, or 130 where interrupted.
    """
    store = Path(config.store)
    kept, status = keep(
        f"{config.teleop.kind} on {config.task.name}",
        env,
        store,
        describe(config),
        config.episodes,
        config.seed,
        is_success_only=config.is_success_only,
        observers=observers,
        is_restarted=is_restarted,
    )
    if kept:
        print(f"look at it with: robot-rl show {store} --picture {store}.png", file=sys.stderr)
    return status


def keep(
    who: str,
    env: RobotEnv,
    store: Path,
    attributes: Mapping[str, object],
    episodes: int,
    seed: int,
    *,
    is_success_only: bool,
    observers: Sequence[Observer] = (),
    policy: Policy | None = None,
    is_restarted: bool = False,
) -> tuple[int, int]:
    """Record with a progress bar; the last line printed is a JSON object.

    Args:
        who: acts, and in which task; for people.
        env, store, attributes, episodes, seed, is_success_only, observers, policy, is_restarted: see
            `record_demonstrations`.

    Returns:
        (episodes that were kept; 0, or 130 where interrupted).
    """
    console = Console()
    failures = 0
    with Progress(console=console) as progress, interruptible() as interrupted:
        task = progress.add_task(who, total=episodes)

        def on_episode(kept: int, is_success: bool) -> bool:
            nonlocal failures
            failures += not is_success
            progress.update(task, completed=kept, description=f"kept {kept}, failed {failures}")
            return not interrupted

        kept = record_demonstrations(
            env,
            store,
            attributes,
            episodes,
            seed,
            is_success_only=is_success_only,
            on_episode=on_episode,
            observers=observers,
            policy=policy,
            is_restarted=is_restarted,
        )
    if interrupted:
        console.print("Interrupted; what was kept is in the store.")
    print(json.dumps({"store": str(store), "kept": kept, "failed": failures, "task": attributes["task"]}))
    return kept, 130 if interrupted else 0
