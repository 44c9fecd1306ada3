"""Reading a stored run, also while it is being written."""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from robot_rl.data.episode import Episode, to_episode
from robot_rl.data.store_columns import Columns, column_specs, to_records
from robot_rl.data.store_layout import list_segments, load_attributes, read_spec
from robot_rl.data.store_segment import read_columns
from robot_rl.errors import StoreError
from robot_rl.types import StepRecord, StepType

_LAST = int(StepType.LAST)


class _Parts:
    """Names the part of its episode that a time step belongs to: (episode, its step when the part begins)."""

    def __init__(self) -> None:
        self._newest: dict[int, tuple[int, int]] = {}  # episode -> (first step of its newest part, its newest step)

    def find(self, episode: int, step: int) -> tuple[int, int]:
        """The part of a time step; those of an episode are asked for in their order."""
        first, before = self._newest.get(episode, (step, step - 1))
        if step != before + 1:
            first = step
        self._newest[episode] = (first, step)
        return episode, first


class StoreReader:
    """The rows that were on the disk when it was opened; they are read as they are asked for.

    Attributes:
        path: the store's folder.
        spec: of the environment that the run was made in.
    """

    def __init__(self, path: str | Path, *, has_images: bool = True) -> None:
        """Look at what is there.

        Args:
            path: the store's folder.
            has_images: whether images are read, too; if not, they are left out of the spec.

        Raises:
            StoreError: the folder is no store, or a part of it is missing.
        """
        self.path = Path(path)
        self.spec = read_spec(self.path)
        if not has_images:
            self.spec = replace(self.spec, observation=replace(self.spec.observation, images={}))
        self._specs = column_specs(self.spec)
        segments = list_segments(self.path)
        self._rows = segments[-1].stop if segments else 0
        self._attributes = load_attributes(self.path)

    def __len__(self) -> int:
        """Number of rows."""
        return self._rows

    @property
    def attributes(self) -> Mapping[str, Any]:
        """What the newest writer said about its config, code, weights and person."""
        return self._attributes[max(self._attributes)] if self._attributes else {}

    @property
    def tasks(self) -> tuple[str, ...]:
        """Which tasks its writers said that their rows are of, in alphabetical order."""
        return tuple(sorted({said["task"] for said in self._attributes.values() if "task" in said}))

    def attributes_at(self, row: int) -> Mapping[str, Any]:
        """What the writer of a row said; a run that was resumed has several writers.

        Raises:
            StoreError: there is no such row, or nothing is known about it.
        """
        if not 0 <= row < self._rows:
            raise StoreError(f"{self.path} has rows 0 to {self._rows - 1}, got {row}.")
        known = [first for first in self._attributes if first <= row]
        if not known:
            raise StoreError(f"{self.path} has no attributes of row {row}; restore the missing file from a copy.")
        return self._attributes[max(known)]

    def records(self, first: int = 0) -> Iterator[StepRecord]:
        """The rows from number `first` on, in the order of their arrival.

        Raises:
            StoreError: a file is damaged or missing.
        """
        for columns in self._blocks(tuple(self._specs), first):
            yield from to_records(columns, self.spec)

    def episodes(self, numbers: Container[int] | None = None) -> Iterator[tuple[int, Episode]]:
        """(number, episode) in the order of their first rows; of these numbers, or of all.

        A gap, where a person paused or a row got lost, divides an episode: each part comes as one of its own, with
        the same number, and all but the last are incomplete. What holds less than a step is left out, also an end
        that came with the first time step after a pause: `ended_episodes` knows it.

        Raises:
            StoreError: a file is damaged or missing.
        """
        spans = {part: span for part, span in self._scan_parts().items() if numbers is None or part[0] in numbers}
        if not spans:
            return
        first, stop = min(span.start for span in spans.values()), max(span.stop for span in spans.values())
        parts = _Parts()
        begun: dict[tuple[int, int], list[StepRecord]] = {}
        for row, record in enumerate(itertools.islice(self.records(first), stop - first), first):
            part = parts.find(record.episode, record.step)
            if part not in spans:
                continue
            records = begun.setdefault(part, [])
            records.append(replace(record, step=len(records)))
            while begun and spans[oldest := next(iter(begun))].stop <= row + 1:
                records = begun.pop(oldest)
                if len(records) > 1:
                    yield oldest[0], to_episode(records)

    def count_steps(self) -> int:
        """Number of environment steps: rows that are not the first of their episode.

        Raises:
            StoreError: a file is damaged or missing.
        """
        return sum(int(np.count_nonzero(columns["step"])) for columns in self._blocks(("step",), 0))

    def newest_version(self) -> int:
        """The newest weights that acted; -1 without any.

        Raises:
            StoreError: a file is damaged or missing.
        """
        blocks = self._blocks(("policy_version",), 0)
        return max((int(columns["policy_version"].max()) for columns in blocks), default=-1)

    def newest_steps(self) -> dict[int, int]:
        """Episode -> its newest step.

        Raises:
            StoreError: a file is damaged or missing.
        """
        out: dict[int, int] = {}
        for columns in self._blocks(("episode", "step"), 0):
            out.update(zip(columns["episode"].tolist(), columns["step"].tolist(), strict=True))
        return out

    def find_episodes(self, ranges: Sequence[range]) -> frozenset[int]:
        """The numbers of the episodes in any of these ranges, or of all where there is no range.

        Numbers have gaps where a failed demonstration was not kept: a range passes over them, but not at its ends.

        Raises:
            StoreError: the first or last of a range is not there, or none at all; or a file is damaged or missing.
        """
        present = sorted(self.newest_steps())
        if not present:
            raise StoreError(f"{self.path} holds no episode yet.")
        ends = {end for one in ranges for end in (one[0], one[-1])}
        if missing := sorted(ends.difference(present)):
            raise StoreError(f"{self.path} has no episode {missing[0]}: it has {present[0]} to {present[-1]}.")
        return frozenset(number for number in present if not ranges or any(number in one for one in ranges))

    def ended_episodes(self) -> frozenset[int]:
        """Numbers of the episodes whose last time step is there.

        Raises:
            StoreError: a file is damaged or missing.
        """
        blocks = self._blocks(("episode", "step_type"), 0)
        return frozenset(n for columns in blocks for n in columns["episode"][columns["step_type"] == _LAST].tolist())

    def successful_episodes(self) -> frozenset[int]:
        """Numbers of the episodes that ended well.

        Raises:
            StoreError: a file is damaged or missing.
        """
        blocks = self._blocks(("episode", "is_success"), 0)
        return frozenset(n for columns in blocks for n in columns["episode"][columns["is_success"]].tolist())

    def _scan_parts(self) -> dict[tuple[int, int], range]:
        """Part of an episode -> the rows from its first time step to its last; others may lie between them."""
        parts = _Parts()
        spans: dict[tuple[int, int], range] = {}
        row = 0
        for columns in self._blocks(("episode", "step"), 0):
            for episode, step in zip(columns["episode"].tolist(), columns["step"].tolist(), strict=True):
                part = parts.find(episode, step)
                spans[part] = range(spans[part].start if part in spans else row, row + 1)
                row += 1
        return spans

    def _blocks(self, names: tuple[str, ...], first: int) -> Iterator[Columns]:
        """These columns of the rows from `first` on, segment by segment."""
        specs = {name: self._specs[name] for name in names}
        row = first
        while row < self._rows:
            for segment in list_segments(self.path):
                if not segment.first <= row < min(segment.stop, self._rows):
                    continue
                try:
                    columns = read_columns(segment.file(self.path), len(segment), specs)
                except FileNotFoundError:
                    break  # the writer replaced small segments by a big one: look again
                stop = min(segment.stop, self._rows)
                yield {name: values[row - segment.first : stop - segment.first] for name, values in columns.items()}
                row = stop
            else:
                if row < self._rows:
                    raise StoreError(f"{self.path} has lost row {row} since it was opened; restore it from a copy.")
