"""`robot-rl distill`: what a corrector has learned, as demonstrations for the next base policy."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from robot_rl import config as configuration
from robot_rl.env.robot_env import RobotEnv
from robot_rl.runtime.acting import named_policy
from robot_rl.runtime.acting.hybrid import Hybrid
from robot_rl.runtime.assembly import make_env
from robot_rl.runtime.commands.record import keep
from robot_rl.runtime.policy_config import DistillConfig
from robot_rl.runtime.reporting.observers import Observer
from robot_rl.runtime.run_folder import describe


def run(overrides: list[str]) -> int:
    """Record as the overrides say; the last line printed is a JSON object."""
    config = named_policy.resolve(configuration.load(DistillConfig, "distill", overrides), "distill", overrides)
    return run_on(make_env(config), config)


def run_on(
    env: RobotEnv, config: DistillConfig, observers: Sequence[Observer] = (), *, is_restarted: bool = False
) -> int:
    """Record successes of a corrected base policy; the last line printed is a JSON object.

    Args:
        env: that of the training; a person may help.
        config: from `named_policy.resolve`.
        observers: told everything.
        is_restarted: see `record_demonstrations`.

    Returns:
        0, or 130 where interrupted.
    """
    with named_policy.opened(env, config) as corrected:
        kept, status = keep(
            f"{config.policy} on {config.task.name}",
            env,
            Path(config.store),
            {**describe(config), "distilled_from": config.policy, "alone": config.alone},
            config.episodes,
            config.seed,
            is_success_only=True,
            observers=observers,
            policy=Hybrid(corrected, int(config.alone * env.config.step_limit), config.seed),
            is_restarted=is_restarted,
        )
    if kept:
        data = f"data={config.store},DEMONSTRATIONS"
        print(f"imitate it with: robot-rl pretrain {data} run_dir=NEW_BASE", file=sys.stderr)
    return status
