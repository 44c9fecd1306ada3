"""Demonstrations: episodes by a person or a script, kept in a store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from robot_rl.data.store_layout import HEADER
from robot_rl.data.store_reader import StoreReader
from robot_rl.data.store_writer import StoreWriter
from robot_rl.env.robot_env import RobotEnv
from robot_rl.errors import ConfigError
from robot_rl.runtime import action_meaning, cut_recording
from robot_rl.runtime.acting.actor import to_episode_seed
from robot_rl.runtime.acting.episode import play_episode
from robot_rl.runtime.acting.policies import Policy, ZeroPolicy
from robot_rl.runtime.reporting.evaluation import EpisodeTally
from robot_rl.runtime.reporting.observers import Observer
from robot_rl.runtime.stopping import stopping
from robot_rl.specs import EnvironmentSpec
from robot_rl.types import Source, StepRecord, TimeStep

_FLUSH_TIMEOUT_S = 60.0
_FAILURES_IN_A_ROW = 50


def record_demonstrations(
    env: RobotEnv,
    path: Path,
    attributes: Mapping[str, object],
    episodes: int,
    seed: int,
    *,
    is_success_only: bool,
    on_episode: Callable[[int, bool], bool],
    observers: Sequence[Observer] = (),
    policy: Policy | None = None,
    is_restarted: bool = False,
) -> int:
    """Record until `episodes` episodes were kept, or `on_episode` says so; return how many that were.

    They come beside those that the store may hold already.

    Args:
        env: with someone at its teleop, or for a policy; nobody else commands it.
        path: of the store, made or continued.
        attributes: of the store: configuration and code.
        episodes: how many to keep.
        seed: of the scenes.
        is_success_only: whether failures are left out.
        on_episode: called with the number kept so far and whether the last one succeeded; False ends the recording.
        observers: told everything.
        policy: acts where nobody at the teleop does; None asks for nothing.
        is_restarted: whether this process is started again where it fails: then the episodes that it has kept until
            then count, see `cut_recording.counting`.

    Raises:
        ConfigError: the store holds another task, or nobody succeeds.
        StoreError: it cannot be written.
    """
    check_same_task(path, attributes)
    spec = env.own_spec
    actor = ZeroPolicy(spec) if policy is None else policy
    failures = 0
    with ExitStack() as stack:
        stack.enter_context(stopping(env.robot, "the recording"))
        store = stack.enter_context(StoreWriter(path, spec, attributes))
        kept = stack.enter_context(cut_recording.counting(path, attributes)) if is_restarted else 0
        episode = max(StoreReader(path).newest_steps(), default=-1) + 1
        while kept < episodes:
            records = _run_episode(env, actor, spec, episode, to_episode_seed(seed, episode), observers)
            is_success = records[-1].is_success
            if is_success or not is_success_only:
                store.append_all(records, _FLUSH_TIMEOUT_S)
                kept += 1
            episode += 1
            failures = 0 if is_success else failures + 1
            if is_success_only and failures >= _FAILURES_IN_A_ROW:
                raise ConfigError(
                    f"{failures} episodes in a row failed: is the step limit of {env.config.step_limit} too short, "
                    "or the task too hard for whoever demonstrates it?"
                )
            if not on_episode(kept, is_success):
                break
    return kept


def check_same_task(path: Path, attributes: Mapping[str, object]) -> None:
    """Raise ConfigError where the store at `path` is of another task than these attributes say, or of other actions."""
    if not (path / HEADER).exists() or "task" not in attributes:
        return
    reader = StoreReader(path)
    if others := " and ".join(task for task in reader.tasks if task != attributes["task"]):
        raise ConfigError(
            f"{path} holds episodes of the task {others}, and these are of {attributes['task']}: choose another folder "
            "for them."
        )
    before, now = (action_meaning.of_attributes(said) for said in (reader.attributes, attributes))
    action_meaning.check_same(str(path), before, "these episodes", now)


def _run_episode(
    env: RobotEnv, policy: Policy, spec: EnvironmentSpec, episode: int, seed: int, observers: Sequence[Observer]
) -> list[StepRecord]:
    """One episode; what a person did in it is a demonstration, and what a base policy says is nobody's observation."""
    records: list[StepRecord] = []
    tally = EpisodeTally()

    def take(time_step: TimeStep) -> None:
        tally.note(time_step)
        for observer in observers:
            observer.on_step(time_step)
        if time_step.source is Source.HUMAN:
            time_step = replace(time_step, source=Source.DEMO)
        proprio = {name: time_step.observation.proprio[name] for name in spec.observation.proprio}
        time_step = replace(time_step, observation=replace(time_step.observation, proprio=proprio))
        is_success = time_step.is_last and env.outcome.is_success
        records.append(StepRecord(time_step, episode, tally.index, is_success=is_success))

    play_episode(env, policy, seed, take)
    for observer in observers:
        observer.on_episode_end(tally.to_result(episode, env))
    return records
