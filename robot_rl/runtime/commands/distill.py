"""`robot-rl distill`: what a corrector has learned, as demonstrations for the next base policy."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from robot_rl.errors import ConfigError
from robot_rl.runtime.acting.hybrid import Hybrid
from robot_rl.runtime.acting.shadow import make_shadow
from robot_rl.runtime.acting.trained_policy import load_policy
from robot_rl.runtime.assembly import make_env
from robot_rl.runtime.commands.record import keep
from robot_rl.runtime.config import GraphConfig, TeleopConfig
from robot_rl.runtime.run_folder import RunFolder, describe


def run(path: Path, store: Path, episodes: int, seed: int, alone: float) -> int:
    """Record successes of a corrected base policy; the last line printed is a JSON object.

    Args:
        path: folder of the corrector's run.
        store: folder of the recording; made, or continued.
        episodes: how many to keep.
        seed: of the scenes, and of how long the base policy acts alone.
        alone: for at most so large a share of an episode's step limit.

    Returns:
        0, or 130 where interrupted.

    Raises:
        ConfigError: the run has no corrector, or a number makes no sense.
    """
    if episodes < 1 or seed < 0 or not 0.0 <= alone <= 1.0:
        raise ConfigError(
            f"episodes must be at least 1, seed not negative and alone from 0 to 1, got {episodes}, {seed} and {alone}."
        )
    folder = RunFolder(path)
    config = folder.load_config()
    if not config.agent.is_corrector:
        raise ConfigError(f"{path} is a run of {config.agent.name}: there is no base policy that was corrected.")
    config = replace(config, teleop=TeleopConfig(), graph=GraphConfig())
    env = make_env(config)
    env.base = make_shadow(config, env.spec, env.clock, is_lock_step=True)
    policy = Hybrid(load_policy(folder, env.spec, env.base), int(alone * env.config.step_limit), seed)
    kept, status = keep(
        f"{path} on {config.task.name}",
        env,
        store,
        {**describe(config), "distilled_from": str(path), "alone": alone},
        episodes,
        seed,
        is_success_only=True,
        policy=policy,
    )
    if kept:
        print(f"imitate it with: robot-rl pretrain data={store},DEMONSTRATIONS run_dir=NEW_BASE", file=sys.stderr)
    return status
