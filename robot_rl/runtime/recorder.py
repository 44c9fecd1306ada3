"""Demonstrations: episodes by a person or a script, kept in a store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robot_rl.data.store_reader import StoreReader
from robot_rl.data.store_writer import StoreWriter
from robot_rl.env.robot_env import RobotEnv
from robot_rl.errors import ConfigError
from robot_rl.runtime.acting.actor import to_episode_seed
from robot_rl.runtime.reporting.evaluation import EpisodeTally
from robot_rl.runtime.reporting.observers import Observer
from robot_rl.types import Reason, Source, StepRecord, TimeStep

_FLUSH_TIMEOUT_S = 60.0
_APPEND_AT_ONCE = 256
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
) -> int:
    """Record until `episodes` episodes were kept, or `on_episode` says so; return how many that were.

    Args:
        env: with someone at its teleop; nobody else commands it.
        path: of the store, made or continued.
        attributes: of the store: configuration and code.
        episodes: how many to keep.
        seed: of the scenes.
        is_success_only: whether failures are left out.
        on_episode: called with the number kept so far and whether the last one succeeded; False ends the recording.
        observers: told everything.
    """
    nothing = np.zeros(env.action_map.action_size, np.float32)
    kept = failures = 0
    reason = "the recording has ended"
    try:
        with StoreWriter(path, env.spec, attributes) as store:
            episode = max(StoreReader(path).newest_steps(), default=-1) + 1
            while kept < episodes:
                records = _run_episode(env, nothing, episode, to_episode_seed(seed, episode), observers)
                is_success = records[-1].is_success
                if is_success or not is_success_only:
                    for number, record in enumerate(records):
                        if len(records) > _APPEND_AT_ONCE and number % _APPEND_AT_ONCE == 0:
                            store.flush(_FLUSH_TIMEOUT_S)  # an episode may be longer than the queue
                        store.append(record)
                    store.flush(_FLUSH_TIMEOUT_S)
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
    except BaseException as error:
        reason = f"the recording was cut short by {error!r}"
        raise
    finally:
        env.robot.stop(Reason.REQUESTED, reason)
    return kept


def _run_episode(
    env: RobotEnv, nothing: NDArray[np.float32], episode: int, seed: int, observers: Sequence[Observer]
) -> list[StepRecord]:
    """One episode in which the policy asks for nothing; what a person did in it is a demonstration."""
    records: list[StepRecord] = []
    tally = EpisodeTally()

    def take(time_step: TimeStep) -> None:
        tally.note(time_step)
        for observer in observers:
            observer.on_step(time_step)
        if time_step.source is Source.HUMAN:
            time_step = replace(time_step, source=Source.DEMO)
        is_success = time_step.is_last and env.outcome.is_success
        records.append(StepRecord(time_step, episode, tally.index, is_success=is_success))

    take(env.reset(seed))
    while not records[-1].time_step.is_last:
        take(env.step(nothing))
    for observer in observers:
        observer.on_episode_end(tally.to_result(episode, env))
    return records
