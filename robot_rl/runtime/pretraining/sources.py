"""Where demonstrations are read from: our own recordings and runs, and the layouts of others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot_rl.agents.correctors.config import BASE_PARTS
from robot_rl.data.chunks import LEAST_STEPS
from robot_rl.data.episode import Episode
from robot_rl.data.exchange.reading import read_episodes, read_said
from robot_rl.data.fingerprints import Fingerprints
from robot_rl.data.store_reader import StoreReader
from robot_rl.errors import ConfigError
from robot_rl.runtime.action_meaning import Meaning, check_same, of_attributes
from robot_rl.runtime.config import TaskConfig
from robot_rl.runtime.run_folder import find_store
from robot_rl.specs import ArraySpec, EnvironmentSpec, ObservationSpec

_STANDARD = TaskConfig().level


@dataclass(frozen=True)
class Source:
    """Episodes, and the environment that they are of.

    Attributes:
        spec: of the environment.
        episodes: to be read once, each as the parts that pauses have left of it.
        task: the word that chooses it; None where that is not known, or where they are of several.
        meaning: of its actions, as far as it is known.
    """

    spec: EnvironmentSpec
    episodes: Iterator[tuple[Episode, ...]]
    task: str | None = None
    meaning: Meaning = field(default_factory=dict)


def open_sources(paths: Sequence[str], rate_hz: float | None) -> Source:
    """The successful episodes of all paths, one behind the other.

    Episodes that a foreign data set says nothing of count as successful: they are demonstrations.

    Args:
        paths: recordings, runs, or data sets of others.
        rate_hz: control steps per second of data sets of others; None for what their times say.

    Raises:
        ConfigError: there is no path, nothing in it, the same twice, the environments differ, or the rate is not that
            of a recording of ours.
        StoreError, ExchangeError: it is damaged.
    """
    if not paths:
        raise ConfigError("data names no recording: for example data=demonstrations, as `robot-rl record` writes them.")
    if len({find_store(Path(path)).resolve() for path in paths}) < len(paths):
        raise ConfigError(f"data names a recording twice: {list(paths)}; what is held out would be learned from.")
    sources = [_open(Path(path), rate_hz) for path in paths]
    says, meaning = next(
        ((path, each.meaning) for path, each in zip(paths, sources, strict=True) if each.meaning), ("", {})
    )
    for path, source in zip(paths[1:], sources[1:], strict=True):
        if _shapes(source.spec) != _shapes(sources[0].spec):
            raise ConfigError(
                f"{path} is of another environment than {paths[0]}: it has {_shapes(source.spec)} instead of "
                f"{_shapes(sources[0].spec)}."
            )
        if source.spec.rate_hz != sources[0].spec.rate_hz:
            raise ConfigError(
                f"{path} runs at {source.spec.rate_hz:g} Hz, {paths[0]} at {sources[0].spec.rate_hz:g} Hz: a policy "
                "has one rate."
            )
        check_same(says, meaning, path, source.meaning)
    tasks = {source.task for source in sources}
    episodes = chain.from_iterable(source.episodes for source in sources)
    return Source(sources[0].spec, episodes, tasks.pop() if len(tasks) == 1 else None, meaning)


class EachOnce:
    """Episodes without those that were there before: a copy of what is held out would be learned from.

    Attributes:
        repeated: how many were left out so far, or were there in part.
    """

    def __init__(self, episodes: Iterable[Sequence[Episode]], proprio: Sequence[str]) -> None:
        """Read nothing yet.

        Args:
            episodes: each as the parts that pauses have left of it.
            proprio: parts of the observation that are looked at.
        """
        self._episodes, self._proprio = episodes, proprio
        self._fingerprints = Fingerprints()
        self.repeated = 0

    def __iter__(self) -> Iterator[tuple[Episode, ...]]:
        """Each part once: in another layout, the parts of an episode may be episodes of their own."""
        for whole in self._episodes:
            new = tuple(part for part in whole if self._fingerprints.is_new(self._list_arrays(part)))
            self.repeated += len(new) < len(whole)
            if new:
                yield new

    def _list_arrays(self, part: Episode) -> list[NDArray[np.float32]]:
        """Without the images, which a video may have changed; an episode that lacks something is refused later."""
        return [part.actions, *(part.proprio[name] for name in self._proprio if name in part.proprio)]


def _open(path: Path, rate_hz: float | None) -> Source:
    if not path.exists():
        raise ConfigError(f"there is no recording {path}; record one with: robot-rl record store={path}")
    layout = _find_layout(path)
    if layout is not None:
        imported = (each for each in read_episodes(layout, path) if each.is_complete and each.is_success is not False)
        first = next(imported, None)
        if first is None:
            raise ConfigError(f"{path} holds no episode that is whole and not marked as a failure.")
        rate_hz = rate_hz or first.rate_hz
        if rate_hz is None:
            raise ConfigError(f"{path}: the times of its first episode do not say its rate; say rate_hz=RATE.")
        exported = read_said(layout, path)
        episodes = ((each,) for each in chain([first], imported))
        return Source(_describe(first, rate_hz), episodes, _name_task(exported), of_attributes(exported))
    reader = StoreReader(find_store(path))
    if rate_hz not in (None, reader.spec.rate_hz):
        raise ConfigError(
            f"rate_hz={rate_hz:g} is for data sets of others, and {path} was recorded at {reader.spec.rate_hz:g} Hz: "
            "leave rate_hz out."
        )
    said = reader.attributes
    return Source(_leave_out_answers(reader.spec), _read_successes(reader), _name_task(said), of_attributes(said))


def _read_successes(reader: StoreReader) -> Iterator[tuple[Episode, ...]]:
    """The episodes that ended well, without parts that are too short to learn a chunk from."""
    begun: dict[int, list[Episode]] = {}
    for number, part in reader.episodes(reader.successful_episodes()):
        parts = begun.setdefault(number, [])
        parts.append(part)
        if part.is_complete:
            yield from _list_long(begun.pop(number))
    for parts in begun.values():  # they ended with the first time step after a pause
        yield from _list_long(parts)


def _list_long(parts: Sequence[Episode]) -> list[tuple[Episode, ...]]:
    long_enough = tuple(part for part in parts if len(part) >= LEAST_STEPS)
    return [long_enough] if long_enough else []


def _name_task(attributes: Mapping[str, Any]) -> str | None:
    """The word that chooses the task, such as peg or peg_hard; None where a recording does not say."""
    task, level = attributes.get("task"), attributes.get("level", _STANDARD)
    return task if task is None or level == _STANDARD else f"{task}_{level}"


def _leave_out_answers(spec: EnvironmentSpec) -> EnvironmentSpec:
    """The spec of the environment itself, where a run's observations also hold what a base policy planned."""
    own = {name: each for name, each in spec.observation.proprio.items() if name not in BASE_PARTS}
    return replace(spec, observation=replace(spec.observation, proprio=own))


def _find_layout(path: Path) -> str | None:
    if path.suffix in (".hdf5", ".h5"):
        return "robomimic"
    if path.suffix in (".zarr", ".zip"):
        return "diffusion_policy"
    return "lerobot" if (path / "meta" / "info.json").is_file() else None


def _describe(episode: Episode, rate_hz: float) -> EnvironmentSpec:
    """The environment of an episode of which only the arrays are known."""
    proprio = {name: ArraySpec(name, values.shape[1:], np.float32) for name, values in episode.proprio.items()}
    images = {name: ArraySpec(name, values.shape[1:], np.uint8) for name, values in episode.images.items()}
    return EnvironmentSpec(ObservationSpec(proprio, images), episode.actions.shape[1], len(episode), rate_hz)


def _shapes(spec: EnvironmentSpec) -> dict[str, tuple[int, ...]]:
    observation = spec.observation
    parts = {name: part.shape for name, part in (*observation.proprio.items(), *observation.images.items())}
    return {**parts, "action": (spec.action_size,)}
