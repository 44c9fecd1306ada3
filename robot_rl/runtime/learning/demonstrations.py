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
from robot_rl.runtime.acting.shadow import make_shadow, relabel
from robot_rl.runtime.assembly import make_env
from robot_rl.runtime.config import GraphConfig, TeleopConfig, TrainConfig
from robot_rl.runtime.recorder import record_demonstrations
from robot_rl.runtime.run_folder import RunFolder, describe
from robot_rl.specs import EnvironmentSpec
from robot_rl.types import Source, StepRecord

_log = logging.getLogger(__name__)


def load_demonstrations(
    config: TrainConfig,
    folder: RunFolder,
    spec: EnvironmentSpec,
    *,
    is_resumed: bool,
    is_interrupted: Callable[[], bool] = lambda: False,
) -> Iterator[StepRecord]:
    """The time steps of a run's demonstrations; those of a new run are recorded first, unless they lie elsewhere.

    Episodes that did not succeed are left out: they would be imitated. `is_interrupted` ends a recording after its
    episode.

    Raises:
        ConfigError: they are of another environment or task, and the message says what differs; or, where the run is
            new, more than the memory has room for, or with numbers in them that nobody can learn from.
        StoreError: there is no recording where one should be.
    """
    path = folder.demonstrations
    if config.demonstrations_from is not None:
        path = Path(config.demonstrations_from)
    elif config.demonstrations and not is_resumed:
        record_expert(config, path, is_interrupted)
    elif not config.demonstrations:
        return iter(())
    reader = StoreReader(path)
    answered = config.agent.corrector.extend(reader.spec)
    if answered != spec:
        found = store_spec.differences(store_spec.to_json(answered), store_spec.to_json(spec))
        differing = "; ".join(list(found)[:5])
        raise ConfigError(f"the recording {path} is of another environment than this run: {differing}.")
    if others := " and ".join(task for task in reader.tasks if task != config.task.name):
        raise ConfigError(f"the recording {path} is of the task {others}, this run of {config.task.name}.")
    if len(reader) > config.replay.prior_capacity and not is_resumed:  # what was begun without the oldest goes on so
        raise ConfigError(
            f"the recording {path} has {len(reader)} time steps, and the memory room for "
            f"{config.replay.prior_capacity} of demonstrations: set replay.prior_capacity={len(reader)}."
        )
    shadow = make_shadow(config, reader.spec, MonotonicClock(), is_lock_step=True)
    shown = _succeeded(reader, reader.records() if is_resumed else _checked(reader))
    records = map(_demonstrate, shown)
    return records if shadow is None else relabel(records, shadow)


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


def _succeeded(reader: StoreReader, records: Iterator[StepRecord]) -> Iterator[StepRecord]:
    """Those of `records` whose episodes succeeded."""
    succeeded, count = reader.successful_episodes(), len(reader.newest_steps())
    if len(succeeded) < count:
        _log.warning(
            "%d of the %d episodes of %s did not succeed, and are not used", count - len(succeeded), count, reader.path
        )
    return (record for record in records if record.episode in succeeded)


def _demonstrate(record: StepRecord) -> StepRecord:
    """What is given as a demonstration is one, also where a policy made it."""
    return replace(record, time_step=replace(record.time_step, source=Source.DEMO))


def record_expert(config: TrainConfig, path: Path, is_interrupted: Callable[[], bool] = lambda: False) -> None:
    """Let the scripted expert record the demonstrations of a run; a recording that was cut off is completed."""
    recorded = sum(episode.is_complete for _, episode in StoreReader(path).episodes()) if path.exists() else 0
    if recorded >= config.demonstrations:
        return
    # where it is simulated at all, the shortest way to it
    there = replace(config, robot=replace(config.robot, kind="sim"), graph=GraphConfig())
    record_demonstrations(
        make_env(replace(there, teleop=TeleopConfig(kind="expert"))),
        path,
        describe(config),
        config.demonstrations - recorded,
        config.seed + 1,  # other scenes than those of the run
        is_success_only=True,
        on_episode=lambda *_: not is_interrupted(),
    )
