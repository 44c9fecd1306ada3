"""`robot-rl copy`: some episodes of a recording, or of what a run has experienced, as a recording of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import track

from robot_rl.data.exchange.target import new_target
from robot_rl.data.store_reader import StoreReader
from robot_rl.data.store_writer import StoreWriter
from robot_rl.errors import ConfigError
from robot_rl.runtime.run_folder import find_store
from robot_rl.types import StepRecord

_FLUSH_TIMEOUT_S = 60.0


def run(source: Path, target: Path, ranges: Sequence[range]) -> int:
    """Copy episodes, numbered anew from 0; every row stays as it was.

    Args:
        source: folder of a run, or of a recording.
        target: folder of the new recording.
        ranges: numbers of the episodes that are wanted; none for all that have an end.

    Raises:
        StoreError: the source is no store, damaged, or has no such episode; or the target cannot be written.
        ConfigError: an episode has no end, or the source is of several tasks.
        ExchangeError: the target exists. After an error there is none.
    """
    reader = StoreReader(find_store(source))
    if len(reader.tasks) > 1:
        raise ConfigError(f"{reader.path} is of several tasks, {' and '.join(reader.tasks)}: a recording is of one.")
    ended = reader.ended_episodes()
    wanted = sorted(reader.find_episodes(ranges) if ranges else ended)
    if not wanted:
        raise ConfigError(f"{reader.path} holds no episode that has an end.")
    if unfinished := sorted(set(wanted).difference(ended)):
        raise ConfigError(f"episode {unfinished[0]} of {reader.path} has no end, and cannot be copied.")
    numbers = {before: after for after, before in enumerate(wanted)}
    attributes = {**reader.attributes, "copied_from": str(source)}
    with new_target(target) as folder, StoreWriter(folder, reader.spec, attributes) as store:
        store.append_all(_renumber(reader, numbers), _FLUSH_TIMEOUT_S)
    print(f"wrote {len(wanted)} episodes to {target}; use them with: robot-rl train demonstrations_from={target}")
    return 0


def _renumber(reader: StoreReader, numbers: Mapping[int, int]) -> Iterator[StepRecord]:
    for record in track(reader.records(), "copying", total=len(reader), console=Console()):
        if record.episode in numbers:
            yield replace(record, episode=numbers[record.episode])
