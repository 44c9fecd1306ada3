"""The demonstrations that a training run begins with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from robot_rl.clock import MonotonicClock
from robot_rl.data import store_spec
from robot_rl.data.store_columns import check_values
from robot_rl.data.store_reader import StoreReader
from robot_rl.errors import ConfigError, SpecError
from robot_rl.runtime import action_meaning
from robot_rl.runtime.acting.shadow import make_shadow, relabel
from robot_rl.runtime.assembly import make_env
from robot_rl.runtime.config import GraphConfig, TeleopConfig, TrainConfig
from robot_rl.runtime.recorder import record_demonstrations
from robot_rl.runtime.run_folder import RunFolder, describe
from robot_rl.specs import EnvironmentSpec
from robot_rl.types import Source, StepRecord

_log = logging.getLogger(__name__)

EXPERT_DEMONSTRATIONS = 20
"""How many the scripted expert records where nothing else is said."""


def load_demonstrations(
    config: TrainConfig,
    folder: RunFolder,
    spec: EnvironmentSpec,
    *,
    is_resumed: bool,
    is_interrupted: Callable[[], bool] = lambda: False,
) -> Iterator[StepRecord]:
    """The time steps of a run's demonstrations; those of a new run are recorded first, unless they lie elsewhere.

    Episodes that did not succeed are left out: they would be imitated. `is_interrupted` ends what is being recorded
    after its episode.

    Raises:
        ConfigError: they are of another environment or task, and the message says what differs; fewer than are asked
            for; or, where the run is new, more than the memory has room for, or with numbers in them that nobody can
            learn from.
        StoreError: there is no recording where one should be.
    """
    if config.demonstrations == 0:
        return iter(())
    path = folder.demonstrations
    if config.demonstrations_from is not None:
        path = Path(config.demonstrations_from)
    elif not is_resumed:
        record_expert(config, path, is_interrupted)
    reader = StoreReader(path)
    answered = config.agent.corrector.extend(reader.spec)
    if answered != spec:
        found = store_spec.differences(store_spec.to_json(answered), store_spec.to_json(spec))
        differing = "; ".join(list(found)[:5])
        raise ConfigError(f"the recording {path} is of another environment than this run: {differing}.")
    if others := " and ".join(task for task in reader.tasks if task != config.task.name):
        raise ConfigError(f"the recording {path} is of the task {others}, this run of {config.task.name}.")
    ours, theirs = action_meaning.of_config(config.task.episode), action_meaning.of_attributes(reader.attributes)
    action_meaning.check_same(f"the recording {path}", theirs, "this run", ours)
    newest_steps = reader.newest_steps()
    chosen = _choose(config, reader, len(newest_steps))
    step_count = sum(newest_steps[episode] + 1 for episode in chosen)
    if step_count > config.replay.prior_capacity and not is_resumed:  # what was begun without the oldest goes on so
        raise ConfigError(
            f"what is to be learned from {path} has {step_count} time steps, and the memory room for "
            f"{config.replay.prior_capacity} of demonstrations: set replay.prior_capacity={step_count}."
        )
    shadow = make_shadow(config, reader.spec, MonotonicClock(), is_lock_step=True)
    shown = reader.records() if is_resumed else _checked(reader)
    records = (_demonstrate(record) for record in shown if record.episode in chosen)
    return records if shadow is None else relabel(records, shadow)


def _choose(config: TrainConfig, reader: StoreReader, episode_count: int) -> frozenset[int]:
    """The episodes that are learned from: those that succeeded, and of a recording as many as were asked for."""
    succeeded = sorted(reader.successful_episodes())
    if len(succeeded) < episode_count:
        failed = episode_count - len(succeeded)
        _log.warning(
            "%d of the %d episodes of %s did not succeed, and are not used", failed, episode_count, reader.path
        )
    if config.demonstrations is None or config.demonstrations_from is None:
        return frozenset(succeeded)
    if len(succeeded) < config.demonstrations:
        raise ConfigError(
            f"the recording {reader.path} has {len(succeeded)} episodes that succeeded, and "
            f"demonstrations={config.demonstrations} asks for more."
        )
    return frozenset(succeeded[: config.demonstrations])


def _checked(reader: StoreReader) -> Iterator[StepRecord]:
    """Its records, which a store keeps whatever their numbers are."""
    for record in reader.records():
        try:
            check_values(record, reader.spec)
        except SpecError as error:
            raise ConfigError(
                f"the recording {reader.path}: episode {record.episode}, step {record.step}: {error}"
            ) from error
        yield record


def _demonstrate(record: StepRecord) -> StepRecord:
    """What is given as a demonstration is one, also where a policy made it."""
    return replace(record, time_step=replace(record.time_step, source=Source.DEMO))


def record_expert(config: TrainConfig, path: Path, is_interrupted: Callable[[], bool] = lambda: False) -> None:
    """Let the scripted expert record the demonstrations of a run; a recording that was cut off is completed."""
    count = EXPERT_DEMONSTRATIONS if config.demonstrations is None else config.demonstrations
    recorded = _count_complete(path) if path.exists() else 0
    if recorded >= count:
        return
    # where it is simulated at all, the shortest way to it
    there = replace(config, robot=replace(config.robot, kind="sim"), graph=GraphConfig())
    record_demonstrations(
        make_env(replace(there, teleop=TeleopConfig(kind="expert"))),
        path,
        describe(config),
        count - recorded,
        config.seed + 1,  # other scenes than those of the run
        is_success_only=True,
        on_episode=lambda *_: not is_interrupted(),
    )


def _count_complete(path: Path) -> int:
    return sum(episode.is_complete for _, episode in StoreReader(path, has_images=False).episodes())
