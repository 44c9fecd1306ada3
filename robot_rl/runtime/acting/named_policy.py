"""The policy that a word names: a script, a training run, or a base policy."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

import torch

from robot_rl import config as configuration
from robot_rl.env.robot_env import RobotEnv
from robot_rl.errors import ConfigError
from robot_rl.runtime.acting.base_policies import find_base_policy, make_runner
from robot_rl.runtime.acting.policies import SCRIPTED, Policy, make_policy
from robot_rl.runtime.acting.shadow import make_shadow
from robot_rl.runtime.acting.trained_policy import load_policy
from robot_rl.runtime.config import RobotConfig, TeleopConfig
from robot_rl.runtime.policy_config import DistillConfig, PolicyConfig
from robot_rl.runtime.pretraining.policy_file import find_origin
from robot_rl.runtime.run_folder import PRETRAIN_FILE, RunFolder

Config = TypeVar("Config", bound=PolicyConfig)

_AROUND = {
    "sim": (),
    "fci_sim": ("reset",),
    "franka": ("camera", "graph", "reset", "reward", "teleop"),
    "external": ("camera", "graph", "reset", "reward", "teleop"),
}
"""Kind of a robot -> the groups of the training that it cannot be moved, seen or judged without."""


def resolve(config: Config, name: str, overrides: Sequence[str]) -> Config:
    """The configuration with what the policy decides: who acts for a script, what a trained one saw in training.

    Without words about them, robot and task are those of the training; with a real robot also its cameras, its time,
    its resets, who judges and who may help. A word `robot=` or `task=` chooses others, and one such as
    `task.episode.step_limit=20` changes those of the training; so does `robot=`, where it names the same robot.

    Args:
        config: as composed.
        name: of the YAML file that it was composed from.
        overrides: the words that it was composed with.

    Raises:
        ConfigError: no such run, or one without a corrector that is to be distilled; something to be composed with
            what is no base policy; or the words ask for other cameras than those that the policy sees.
        CheckpointError: the file of a base policy is damaged.
    """
    if isinstance(config, DistillConfig):
        _check_corrected(config)
    if find_base_policy(Path(config.policy)) is None:
        config.inference.check_unused(f"is for the policy of a `robot-rl pretrain`, not policy={config.policy}.")
    if config.policy in SCRIPTED:
        # A script acts through the person's device, like a person.
        teleop = TeleopConfig(kind="expert" if config.policy == "expert" else "blind")
        return dataclasses.replace(config, teleop=teleop)
    base = find_base_policy(Path(config.policy))
    if base is not None:
        return _with_task_of(base, config, name, overrides)
    run = _find_run(config)
    if run is None:
        return config
    trained = run.load_config()
    is_same_robot = not configuration.is_said("robot", overrides) or _name(config.robot) == _name(trained.robot)
    of_training = {
        group: configuration.apply(getattr(trained, group), group, overrides)
        for group in ("task", *(_AROUND[trained.robot.kind] if is_same_robot else ()))
        if not configuration.is_said(group, overrides)
    }
    robot = _choose_robot(config, trained.robot, overrides, is_same=is_same_robot)
    return dataclasses.replace(config, robot=robot, **of_training)


def _name(robot: RobotConfig) -> tuple[str, str]:
    """Which robot it is, whatever is told to it."""
    return robot.kind, robot.franka.robot


def _with_task_of(base: Path, config: Config, name: str, overrides: Sequence[str]) -> Config:
    """The configuration with the task that a base policy was trained on, and with what its actions mean.

    What is not known, or is said, is left as it is.
    """
    task, meaning = find_origin(base)
    words = []
    if task in configuration.choices("task") and not configuration.is_said("task", overrides):
        words.append(f"task={task}")
    of_actions = {f"task.episode.{key}": value for key, value in meaning.items()}
    words += [f"{key}={value}" for key, value in of_actions.items() if not configuration.is_said(key, overrides)]
    return configuration.load(type(config), name, [*overrides, *words]) if words else config


def _choose_robot(
    config: PolicyConfig, trained: RobotConfig, overrides: Sequence[str], *, is_same: bool
) -> RobotConfig:
    """The robot that is said, where that is another than the training's; with the cameras that the policy sees."""
    robot = configuration.apply(trained, "robot", overrides) if is_same else config.robot
    if configuration.is_said("robot", overrides):
        robot = dataclasses.replace(robot, cameras=config.robot.cameras, image_size=config.robot.image_size)
    if not robot.cameras and not configuration.is_said("robot.cameras", overrides):
        robot = dataclasses.replace(robot, cameras=trained.cameras)
        if not configuration.is_said("robot.image_size", overrides):
            robot = dataclasses.replace(robot, image_size=trained.image_size)
    has_other_size = bool(trained.cameras) and robot.image_size != trained.image_size
    if set(robot.cameras) != set(trained.cameras) or has_other_size:
        raise ConfigError(
            f"policy={config.policy} sees the cameras {list(trained.cameras)} with {trained.image_size} pixels, and "
            f"the words ask for {list(robot.cameras)} with {robot.image_size}: leave out robot.cameras and "
            "robot.image_size, and choose a robot without cameras of its own, or with these."
        )
    return dataclasses.replace(robot, cameras=trained.cameras)  # in the order of the training


@contextmanager
def opened(env: RobotEnv, config: PolicyConfig) -> Iterator[Policy]:
    """What acts, closed at the end; where it corrects a base policy, the environment gets that as its `base`.

    Raises:
        ConfigError: there is no such run, or its training has not ended.
        CheckpointError: its file does not fit the environment.
    """
    torch.set_num_threads(1)  # an action has a deadline: see open_base_policy
    try:
        with closing(_make(env, config)) as policy:
            yield policy
    finally:
        if env.base is not None:
            env.base.close()


def _make(env: RobotEnv, config: PolicyConfig) -> Policy:
    base = find_base_policy(Path(config.policy))
    if base is not None:
        is_lock_step = config.graph.is_lock_step
        return make_runner(base, env.spec, config.inference, env.clock, config.seed, is_lock_step=is_lock_step)
    run = _find_run(config)
    if run is None:
        return make_policy(config.policy, env.spec, config.seed)
    env.base = make_shadow(run.load_config(), env.spec, env.clock, is_lock_step=config.graph.is_lock_step)
    return load_policy(run, env.spec, env.base)


def _check_corrected(config: DistillConfig) -> None:
    """Raise ConfigError unless there is a run whose corrector can be distilled."""
    run = _find_run(config) if config.policy else None
    if run is None:
        raise ConfigError(f"policy={config.policy or 'RUN'}: say the folder of a training with a corrector.")
    agent = run.load_config().agent
    if not agent.is_corrector:
        raise ConfigError(f"{run.path} is a run of {agent.name}: there is no base policy that was corrected.")


def _find_run(config: PolicyConfig) -> RunFolder | None:
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
