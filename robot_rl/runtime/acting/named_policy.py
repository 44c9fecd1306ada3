"""The policy that a word names: a script, a training run, or a base policy."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from robot_rl.env.robot_env import RobotEnv
from robot_rl.errors import ConfigError
from robot_rl.runtime.acting.base_policies import find_base_policy, make_runner
from robot_rl.runtime.acting.policies import SCRIPTED, Policy, make_policy
from robot_rl.runtime.acting.shadow import make_shadow
from robot_rl.runtime.acting.trained_policy import load_policy
from robot_rl.runtime.config import EvalConfig, TeleopConfig
from robot_rl.runtime.pretraining.run import CONFIG_FILE as PRETRAIN_FILE
from robot_rl.runtime.run_folder import RunFolder


def resolve(config: EvalConfig, overrides: Sequence[str]) -> EvalConfig:
    """The configuration with what the policy decides: who acts for a script, what a trained one saw in training.

    Args:
        config: as composed.
        overrides: the words that it was composed with; a task among them is not replaced by that of the training.

    Raises:
        ConfigError: no episodes, or no such run, or something to be composed with what is no base policy.
    """
    if config.episodes < 1:
        raise ConfigError(f"episodes must be at least 1, got {config.episodes}.")
    if find_base_policy(Path(config.policy)) is None:
        config.inference.check_unused(f"is for the policy of a `robot-rl pretrain`, not policy={config.policy}.")
    if config.policy in SCRIPTED:
        # A script acts through the person's device, like a person.
        teleop = TeleopConfig(kind="expert" if config.policy == "expert" else "blind")
        return dataclasses.replace(config, teleop=teleop)
    run = _find_run(config)
    if run is None:
        return config
    trained = run.load_config()
    config = dataclasses.replace(config, robot=trained.robot)
    if not any(word.startswith(("task=", "task.")) for word in overrides):
        config = dataclasses.replace(config, task=trained.task)
    return config


def make(env: RobotEnv, config: EvalConfig) -> Policy:
    """What acts in an evaluation; where it corrects a base policy, the environment gets that as its `base`.

    Raises:
        ConfigError: there is no such run, or its training has not ended.
        CheckpointError: its file does not fit the environment.
    """
    base = find_base_policy(Path(config.policy))
    if base is not None:
        is_lock_step = config.graph.is_lock_step
        return make_runner(base, env.spec, config.inference, env.clock, config.seed, is_lock_step=is_lock_step)
    run = _find_run(config)
    if run is None:
        return make_policy(config.policy, env.spec, config.seed)
    env.base = make_shadow(run.load_config(), env.spec, env.clock, is_lock_step=config.graph.is_lock_step)
    return load_policy(run, env.spec, env.base)


def _find_run(config: EvalConfig) -> RunFolder | None:
    """The training run that the policy comes from; None for one that needs none, or is a base policy."""
    path = Path(config.policy)
    if find_base_policy(path) is not None:
        return None
    if (path / PRETRAIN_FILE).is_file():
        raise ConfigError(
            f"the base policy's training in {path} has not ended: the same `robot-rl pretrain` words go on with it."
        )
    if path.is_dir():
        return RunFolder(path)
    if "/" in config.policy:
        raise ConfigError(f"policy={config.policy}: there is no such folder of a training run or a base policy.")
    return None
