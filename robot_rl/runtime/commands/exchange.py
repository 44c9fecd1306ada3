"""`robot-rl export` and `robot-rl import`: recordings to and from the layouts that others use."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, track

from robot_rl import config as configuration
from robot_rl.data.episode import Episode
from robot_rl.data.exchange.reading import load_layout, read_episodes, read_said
from robot_rl.data.exchange.target import new_target
from robot_rl.data.store_columns import check_record, check_values
from robot_rl.data.store_reader import StoreReader
from robot_rl.data.store_writer import StoreWriter
from robot_rl.errors import ConfigError, ExchangeError, SpecError
from robot_rl.runtime import action_meaning
from robot_rl.runtime.assembly import make_spec
from robot_rl.runtime.config import EnvConfig
from robot_rl.runtime.recorder import check_same_task
from robot_rl.runtime.run_folder import describe, find_store
from robot_rl.specs import EnvironmentSpec

_FLUSH_TIMEOUT_S = 60.0


def export(source: Path, name: str, target: Path) -> int:
    """Write the episodes of a run, or of a recording, that have ended, in a layout.

    What a person has paused in is several episodes there, of which the last has the end.

    Raises:
        UnknownNameError: no such layout.
        StoreError: the source is no store, or damaged.
        ExchangeError: the target exists, or the episodes do not fit the layout.
    """
    layout = load_layout(name)
    reader = StoreReader(find_store(source))
    ended, unended = reader.ended_episodes(), 0

    def episodes() -> Iterator[Episode]:
        nonlocal unended
        with Progress(console=Console()) as progress:
            bar = progress.add_task(f"{source} to {name}", total=len(ended))
            for _, episode in reader.episodes(ended):
                yield episode
                unended += not episode.is_complete
                progress.update(bar, advance=int(episode.is_complete))

    words = source.resolve().name
    layout.export_episodes(episodes(), target, rate_hz=reader.spec.rate_hz, task=words, said=reader.attributes)
    if unended:
        print(f"episodes without an end, each of them what was before a pause: {unended}")
    print(f"wrote {target}")
    return 0


def import_(source: Path, name: str, target: Path, overrides: list[str]) -> int:
    """Read episodes in a layout into a store that `demonstrations_from` of a training takes.

    Raises:
        UnknownNameError: no such layout.
        ExchangeError: the source is not of it or empty, its episodes do not fit the environment, or hold numbers that
            nobody can learn from.
        ConfigError: the source says that it is of another task or of other actions, or the target holds such.
        StoreError: the target is something else, or cannot be written; one that is new is not left behind half.
    """
    config = configuration.load(EnvConfig, "env", overrides)
    spec = make_spec(config)
    said = read_said(name, source)
    _check_origin(source, said, config)
    console, count, unmarked, unpaid = Console(), 0, 0, 0
    # all of it is looked at before any is written: what is refused leaves nothing behind that a second try would repeat
    for count, episode in enumerate(track(read_episodes(name, source), f"reading {name}", console=console), 1):
        _check(episode, spec, f"{source}: episode {count - 1}", config.task.name)
        if count == 1 and episode.rate_hz and not math.isclose(episode.rate_hz, spec.rate_hz, rel_tol=0.05):
            console.print(
                f"[yellow]Its times say {episode.rate_hz:g} Hz, and this environment runs at {spec.rate_hz:g} Hz: what "
                "is learned from it moves at another speed, unless task.episode.rate_hz says the same."
            )
        unmarked += episode.is_success is None
        is_paid = episode.is_terminal or (episode.rewards > 0.0).any()
        unpaid += episode.is_success is not False and not is_paid
    if count == 0:
        raise ExchangeError(f"{source} holds no episode.")
    if unmarked:
        console.print(f"{unmarked} of {count} episodes do not say whether they succeeded; they are kept as successes.")
    if unpaid:
        console.print(
            f"[yellow]{unpaid} of {count} pay nothing and do not end with the task: good for imitation, but critics "
            "learn from them that success is worth 0."
        )
    attributes = {**describe(config), **said, "imported_from": f"{source} ({name})"}
    check_same_task(target, attributes)
    making = nullcontext(target) if target.exists() else new_target(target)
    with making as folder, StoreWriter(folder, spec, attributes) as store:
        first = max(StoreReader(folder).newest_steps(), default=-1) + 1
        episodes = track(read_episodes(name, source), f"{name} to {target}", total=count, console=console)
        for number, episode in enumerate(episodes, first):
            marked = replace(episode, is_success=episode.is_success is not False)
            store.append_all(marked.records(number), _FLUSH_TIMEOUT_S)
    print(f"wrote {count} episodes to {target}; use them with: robot-rl train demonstrations_from={target}")
    return 0


def _check_origin(source: Path, said: Mapping[str, Any], config: EnvConfig) -> None:
    """Raise ConfigError where an export of ours says that it is of another task, or of other actions."""
    before, now = ((said.get("task"), said.get("level")), (config.task.name, config.task.level))
    if said and before != now:
        raise ConfigError(f"{source} is of task={_name(*before)}, and these words are of task={_name(*now)}.")
    here = action_meaning.of_config(config.task.episode)
    action_meaning.check_same(str(source), action_meaning.of_attributes(said), "this environment", here)


def _name(task: object, level: object) -> str:
    return f"{task} (task.level={level})"


def _check(episode: Episode, spec: EnvironmentSpec, what: str, task: str) -> None:
    for record in episode.records(0):
        try:
            check_record(record, spec)
        except SpecError as error:
            raise ExchangeError(f"{what} is not of the environment of task={task}: {error}") from error
        try:
            check_values(record, spec)
        except SpecError as error:
            raise ExchangeError(f"{what}, step {record.step}: {error}") from error
