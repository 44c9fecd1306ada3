"""The learner's memory: a ring of time steps a stream, and batches mixed of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from robot_rl.data.feature_cache import FeatureCache
from robot_rl.data.frames import FrameKind
from robot_rl.data.step_ring import NOBODY, Floats, Rows, StepRing, Windows, concatenate
from robot_rl.errors import ConfigError, SpecError
from robot_rl.specs import EnvironmentSpec
from robot_rl.types import Source, StepRecord

Stream = Literal["online", "demonstration", "intervention", "anchor"]
RingName = Literal["online", "demonstration", "anchor"]
Visual = dict[str, NDArray[Any]]

SYMMETRIC: Mapping[Stream, float] = {"online": 0.5, "demonstration": 0.25, "intervention": 0.25, "anchor": 0.0}
"""Half of each batch from the run, half from people (Ball et al. 2023, section 4.1, with HIL-SERL's second buffer)."""


@dataclass(frozen=True)
class Sample:
    """A mixed batch.

    Attributes:
        windows: transitions; their rows are numbers of the rings that they came from.
        proprio, next_proprio: observations at the windows' starts and ends with those before them, oldest first,
            shape (B, stack * P).
        returns: what each window's episode paid from its start on, as far as it is known, discounted, (B,); None where
            nobody asked.
        visual, next_visual: camera -> images, uint8 (B, H, W, 3), or cached features, float16 (B, tokens, channels).
    """

    windows: Windows
    proprio: Floats
    next_proprio: Floats
    visual: Visual
    next_visual: Visual
    returns: Floats | None = None


@dataclass(frozen=True)
class FeatureShape:
    """What is cached of each image: `copies` augmented ones, each as `tokens` vectors of `channels` values."""

    copies: int
    tokens: int
    channels: int


@dataclass(frozen=True)
class ReplayConfig:
    """How much is kept, and how batches are mixed.

    Attributes:
        capacity: time steps of the run.
        prior_capacity: time steps of demonstrations, and of anchors.
        shares: of a batch by stream; that of a stream which holds nothing yet goes to the others, first to those of
            people.
        frames: how images are kept: "raw", "compressed" (both in memory), or "disk"; of a frozen encoder, whose
            features stand for them, where these are: in memory as well, or on disk.
    """

    capacity: int = 100_000
    prior_capacity: int = 20_000
    shares: Mapping[Stream, float] = field(default_factory=lambda: dict(SYMMETRIC))
    frames: FrameKind = "compressed"

    def __post_init__(self) -> None:
        if min(self.shares.values(), default=0.0) < 0.0 or abs(sum(self.shares.values()) - 1.0) > 1e-6:
            raise ConfigError(f"shares must not be negative and add up to 1, got {dict(self.shares)}.")


class Replay:
    """Experience of a run and from before it.

    Streams: `online` is everything that happened in the run, `intervention` the transitions of it in which a person
    acted, `demonstration` came from people before it, `anchor` from the base policy alone. The interventions are an
    index into the online ring, not a copy, so that no row can get the image of another.
    """

    def __init__(
        self,
        spec: EnvironmentSpec,
        config: ReplayConfig,
        stack: int = 1,
        features: FeatureShape | None = None,
        directory: Path | None = None,
        *,
        has_base: bool = False,
    ) -> None:
        """Reserve memory.

        Args:
            spec: of the environment.
            config: how much.
            stack: time steps that make one observation.
            features: of a frozen encoder, to be kept instead of the images; None if the encoder sees the images.
            directory: of files, where images or their features are kept on disk.
            has_base: whether observations carry a base policy's action.
        """
        self.spec, self.config, self.stack = spec, config, stack
        sizes: dict[RingName, int] = {"online": config.capacity, "demonstration": config.prior_capacity}
        if config.shares.get("anchor", 0.0) > 0.0:
            sizes["anchor"] = config.prior_capacity
        self.rings: dict[RingName, StepRing] = {}
        self.features: dict[RingName, dict[str, FeatureCache]] = {}
        for name, size in sizes.items():
            folder = None if directory is None or config.frames != "disk" else directory / name
            if folder is not None and spec.observation.images:
                folder.mkdir(parents=True, exist_ok=True)
            self.rings[name] = StepRing(
                spec, size, config.frames, folder, has_base=has_base, keeps_images=features is None
            )
            self.features[name] = {}
            if features is not None:
                for camera in spec.observation.images:
                    self.features[name][camera] = FeatureCache(
                        size, features.copies, features.tokens, features.channels, folder
                    )
        self._interventions = np.empty(1024, np.int64)
        self._intervention_count = 0

    def append(self, record: StepRecord, ring_name: RingName = "online") -> int:
        """Add a time step and return its row; one of the run that a person chose becomes an intervention, too."""
        ring = self.rings[ring_name]
        number = ring.append(record.time_step, record.episode, record.step)
        if ring_name == "online" and record.time_step.source is Source.HUMAN:
            before = ring.predecessor(number)
            if before != NOBODY:
                self._note_intervention(before)
        return number

    def sizes(self) -> dict[Stream, int]:
        """Number of time steps (interventions: of transitions) held by each stream."""
        held: dict[Stream, int] = {name: len(ring) for name, ring in self.rings.items()}
        return {**held, "intervention": len(self._held_interventions())}

    def sample(
        self,
        generator: np.random.Generator,
        count: int,
        length: int,
        gamma: float,
        takeover_discount: float = 1.0,
        *,
        crosses_hands: bool = False,
        has_returns: bool = False,
    ) -> Sample:
        """A mixed batch of windows of up to `length` steps; see `StepRing.windows`, and `Sample` for the returns.

        Raises:
            SpecError: no stream holds a transition.
        """
        starts: list[tuple[RingName, Rows]] = []
        for stream, number in self._split(count).items():
            if stream == "intervention":
                starts.append(("online", generator.choice(self._held_interventions(), number)))
            else:
                starts.append((stream, self.rings[stream].sample_starts(generator, number)))
        discounts = (gamma, takeover_discount)
        return self.gather(starts, generator, length, *discounts, crosses_hands=crosses_hands, has_returns=has_returns)

    def gather(
        self,
        starts: Sequence[tuple[RingName, Rows]],
        generator: np.random.Generator,
        length: int,
        gamma: float,
        takeover_discount: float = 1.0,
        *,
        crosses_hands: bool = False,
        has_returns: bool = False,
    ) -> Sample:
        """The windows that begin at rows which begin a transition; `generator` chooses among copies of features."""
        parts = [
            (name, self.rings[name].windows(rows, length, gamma, takeover_discount, crosses_hands=crosses_hands))
            for name, rows in starts
        ]
        windows = concatenate([part for _, part in parts])
        rows = [(name, part.rows) for name, part in parts]
        next_rows = [(name, part.next_rows) for name, part in parts]
        if self.stack == 1:
            proprio, next_proprio = windows.proprio, windows.next_proprio
        else:
            proprio, next_proprio = self._stacked(rows), self._stacked(next_rows)
        returns = None
        if has_returns:
            returns = np.concatenate([self.rings[name].returns(each, gamma, takeover_discount) for name, each in rows])
        visual, next_visual = self._visual(rows, generator), self._visual(next_rows, generator)
        return Sample(windows, proprio, next_proprio, visual, next_visual, returns)

    def _stacked(self, rows: list[tuple[RingName, Rows]]) -> Floats:
        stacks = [self.rings[name].stacked(numbers, self.stack) for name, numbers in rows]
        return np.concatenate(stacks).reshape(sum(len(numbers) for _, numbers in rows), -1)

    def _visual(self, rows: list[tuple[RingName, Rows]], generator: np.random.Generator) -> Visual:
        """Images or features of rows, by camera."""
        if not self.spec.observation.images:
            return {}
        found: list[Visual] = []
        for name, numbers in rows:
            caches = self.features[name]
            if caches:
                found.append({camera: cache.get(numbers, generator) for camera, cache in caches.items()})
            else:
                found.append(self.rings[name].images(numbers))
        return {camera: np.concatenate([part[camera] for part in found]) for camera in self.spec.observation.images}

    def _split(self, count: int) -> dict[Stream, int]:
        """How many transitions of a batch come from each stream; whole numbers that add up to `count`."""
        available = {name: share for name, share in self.config.shares.items() if share > 0.0 and self._has(name)}
        if not available:
            raise SpecError("the replay memory holds no transition to sample.")
        people: tuple[Stream, ...] = ("demonstration", "intervention")
        of_people = [name for name in people if name in available]
        if len(of_people) == 1:  # they stand in for each other
            available[of_people[0]] = sum(self.config.shares.get(name, 0.0) for name in people)
        bounds = np.round(np.cumsum([0.0, *available.values()]) / sum(available.values()) * count).astype(int)
        counts = {name: int(number) for name, number in zip(available, np.diff(bounds), strict=True)}
        return {name: number for name, number in counts.items() if number}

    def _has(self, stream: Stream) -> bool:
        if stream == "intervention":
            return len(self._held_interventions()) > 0
        return stream in self.rings and self.rings[stream].has_transition

    def _note_intervention(self, row: int) -> None:
        if self._intervention_count == len(self._interventions):
            held = self._held_interventions()  # rows that the ring has dropped make room
            self._interventions = np.empty(max(1024, 2 * len(held)), np.int64)
            self._interventions[: len(held)] = held
            self._intervention_count = len(held)
        self._interventions[self._intervention_count] = row
        self._intervention_count += 1

    def _held_interventions(self) -> Rows:
        """Rows of the online ring, without those that it has dropped; several actors leave them in no order."""
        rows = self._interventions[: self._intervention_count]
        oldest = self.rings["online"].count - len(self.rings["online"])
        return rows[rows >= oldest]
