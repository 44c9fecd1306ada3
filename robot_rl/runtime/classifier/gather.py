"""From recordings to labelled samples, split by episode; and the mistakes of a classifier, mined from a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from robot_rl.agents.encoders.backbone import Backbone
from robot_rl.data.episode import Episode
from robot_rl.data.store_reader import StoreReader
from robot_rl.errors import ConfigError
from robot_rl.rewards.classifier import ClassifierSpec, SuccessClassifier
from robot_rl.runtime.classifier.config import ClassifierConfig, LabelConfig
from robot_rl.runtime.classifier.labels import Labels, Part, Splitter, label, list_payments
from robot_rl.runtime.classifier.samples import Gatherer, Samples
from robot_rl.runtime.run_folder import find_said, find_store

OnEpisode = Callable[[str], None]
_AT_ONCE = 128
_LATE_STEPS = 5  # half a second at 10 Hz: how late a person presses, or a debounced classifier believes


@dataclass(frozen=True, eq=False)
class Gathered:
    """Samples, and where they are from.

    Attributes:
        parts: of the data.
        episodes: in each part.
        repeated: episodes that were there twice, and taken once.
        mistakes: time steps of the run that the classifier called a success.
    """

    parts: Mapping[Part, Samples]
    episodes: Mapping[Part, int]
    repeated: int
    mistakes: int


def open_store(source: str) -> StoreReader:
    """The recording in a folder, or the experience of the run in it.

    Raises:
        ConfigError: there is nothing.
        StoreError: it is no store, or damaged.
    """
    if not Path(source).is_dir():
        raise ConfigError(f"there is no recording {source}; record one with: robot-rl record store={source}")
    return StoreReader(find_store(Path(source)))


def make_spec(readers: Mapping[str, StoreReader], config: ClassifierConfig) -> ClassifierSpec:
    """What can be looked at in all recordings.

    Raises:
        ConfigError: no recordings, a camera that one of them lacks, or images that are not square and of one size.
    """
    if not readers:
        raise ConfigError("data must name at least one recording, for example data=demonstrations.")
    images = {source: reader.spec.observation.images for source, reader in readers.items()}
    cameras = config.cameras or tuple(next(iter(images.values())))
    for source, specs in images.items():
        missing = [name for name in cameras if name not in specs]
        if missing or not cameras:
            raise ConfigError(
                f"{source} has the cameras {list(specs)}, and not {missing}."
                if missing
                else f"{source} has no images; record it with cameras, for example robot=sim_pixels."
            )
    shapes = {specs[name].shape for specs in images.values() for name in cameras}
    if len(shapes) > 1 or any(height != width for height, width, _ in shapes):
        raise ConfigError(f"the cameras' images must be square and of one size, got {sorted(shapes)}.")
    return ClassifierSpec(cameras, next(iter(shapes))[0], config.labels.stages, config.labels.has_lost)


def gather(
    readers: Mapping[str, StoreReader],
    run: StoreReader | None,
    judge: SuccessClassifier | None,
    spec: ClassifierSpec,
    backbone: Backbone,
    config: ClassifierConfig,
    on_episode: OnEpisode,
) -> Gathered:
    """All samples of the recordings, and the mistakes of `judge` in `run`.

    Raises:
        ConfigError: the labels do not fit, or a part has no image of a kind, or the run lacks a camera.
        StoreError: a recording is damaged.
        SpecError: the judge looks at other images.
    """
    if run is not None and judge is not None:
        _check_cameras(run, (*spec.cameras, *judge.spec.cameras))
    splitter = Splitter(config.claim, config.seed)
    deal = _Deal(splitter)
    gatherer = Gatherer(spec, backbone, config.backbone.copies, config.backbone.crop_pad_px, config.seed)
    repeated, mistakes = set[str](), 0
    for source, reader in readers.items():
        successes, said = reader.successful_episodes(), _find_labels(reader, config.labels)
        for piece in _pieces(source, reader, on_episode):
            if not gatherer.is_new(piece.episode):
                repeated.add(piece.name)
                continue
            labels = _label(piece, said)
            rows = np.flatnonzero(labels.is_used)
            number, part = deal.find(piece.name, piece.number in successes)
            gatherer.add(part, piece.episode, number, rows, labels.marks[rows], piece.title)
    if run is not None and judge is not None:
        # The images just before a success that a classifier declared are no mistakes: it had to see them first.
        margin = max(config.margin_steps, config.labels.ambiguous_steps or 0)
        strict = replace(config.labels, ambiguous_steps=margin, negative_stride=1)
        for piece in _pieces(str(run.path), run, on_episode):
            if not gatherer.is_new(piece.episode):
                repeated.add(piece.name)
                continue
            labels = _label(piece, strict)
            rows = np.flatnonzero(labels.is_used)
            called = [
                judge.predict({name: piece.episode.images[name][some] for name in judge.spec.cameras})
                > judge.thresholds
                for some in np.array_split(rows, -(-len(rows) // _AT_ONCE) or 1)
            ]
            rows = rows[(np.concatenate(called) & (labels.marks[rows] == 0.0)).any(axis=1)]
            mistakes += len(rows)
            number, part = deal.find(piece.name, "run")
            gatherer.add(part, piece.episode, number, rows, labels.marks[rows], piece.title, is_hard=True)
    return Gathered(gatherer.finish(), splitter.counts(), len(repeated - deal.names), mistakes)


def _find_labels(reader: StoreReader, config: LabelConfig) -> LabelConfig:
    """The labels of a recording, where nothing is said of how late its marks are."""
    if config.ambiguous_steps is not None:
        return config
    is_late = find_said(reader.attributes).get("reward", {}).get("kind") in ("button", "classifier")
    return replace(config, ambiguous_steps=_LATE_STEPS if is_late else 0)


def _label(piece: _Piece, config: LabelConfig) -> Labels:
    try:
        return label(piece.episode, config, piece.paid_before)
    except ConfigError as error:
        raise ConfigError(f"{piece.title}: {error}") from error


def _check_cameras(run: StoreReader, cameras: Sequence[str]) -> None:
    """Raise ConfigError unless the run has the images of all these cameras."""
    images = run.spec.observation.images
    missing = [name for name in dict.fromkeys(cameras) if name not in images]
    if missing:
        raise ConfigError(
            f"{run.path} has the cameras {list(images)}, and not {missing}: the mistakes of a classifier can only be "
            "found in a run with what it, and the one that is trained, look at."
        )


class _Deal:
    """Deals each episode once, however many pieces a pause has made of it: it has all its images in one part."""

    def __init__(self, splitter: Splitter) -> None:
        self._splitter = splitter
        self._dealt: dict[str, tuple[int, Part]] = {}

    @property
    def names(self) -> Set[str]:
        """Of the episodes that were dealt."""
        return self._dealt.keys()

    def find(self, name: str, kind: Hashable) -> tuple[int, Part]:
        """(number over all recordings, part of the data) of an episode; `kind` counts where it is dealt now."""
        if name not in self._dealt:
            self._dealt[name] = len(self._dealt), self._splitter.deal(kind)
        return self._dealt[name]


@dataclass(frozen=True)
class _Piece:
    """An episode of a recording, or what a pause has left of it.

    Attributes:
        name: of the whole episode, among those of all recordings.
        number: of the whole episode, in its recording.
        title: of the piece.
        episode: the piece.
        paid_before: how often the episode was paid before the piece's first step.
    """

    name: str
    number: int
    title: str
    episode: Episode
    paid_before: int


def _pieces(source: str, reader: StoreReader, on_episode: OnEpisode) -> Iterator[_Piece]:
    """The pieces of all episodes of a recording; the first one of each is told to `on_episode`."""
    paid, seen = Counter[int](), Counter[int]()
    for number, episode in reader.episodes():
        seen[number] += 1
        if seen[number] == 1:
            on_episode(source)
        paid[number] += len(list_payments(np.array([episode.paid_at_start], np.float32)))
        name = f"{source} episode {number}"
        title = name if seen[number] == 1 else f"{name} part {seen[number]}"
        yield _Piece(name, number, title, episode, paid[number])
        paid[number] += len(list_payments(episode.rewards))


def count_episodes(readers: Sequence[StoreReader]) -> int:
    """Episodes in recordings, for a progress bar."""
    return sum(len(reader.newest_steps()) for reader in readers)
