"""Writes a LeRobotDataset v3.0 into a new folder, episode by episode."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from robot_rl.data.episode import Episode
from robot_rl.data.exchange.lerobot_features import (
    PICTURES,
    STATE,
    encode,
    to_arrow_schema,
    to_columns,
    to_features,
    to_table,
)
from robot_rl.data.exchange.lerobot_statistics import Statistics
from robot_rl.data.exchange.schema import Schema

VERSION = "v3.0"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
FILES_PER_CHUNK = 1000
FILE_MEGABYTES = 100
"""Size [MiB] from which the next episode goes to a new data file."""

ROWS_PER_GROUP = 100  # episodes are described in so many columns that a group for each would be mostly headings

OWN = "robot_rl/"
"""Prefix of the columns of `meta/episodes` that are ours."""


class DatasetWriter:
    """A data set that grows by episodes; `finish` completes it.

    A data file holds whole episodes, a row group each; a new one begins once it has reached `FILE_MEGABYTES`.
    """

    def __init__(self, folder: Path, schema: Schema, rate_hz: float, task: str) -> None:
        """Begin in a `folder` that does not exist."""
        self._folder, self._rate_hz, self._task = folder, rate_hz, task
        self._features = to_features(schema)
        self._arrow_schema = to_arrow_schema(self._features)
        self._statistics = Statistics()
        self._data: pq.ParquetWriter | None = None
        self._episodes: pq.ParquetWriter | None = None
        self._waiting: list[dict[str, Any]] = []
        self._files = self._rows = self._count = 0

    def add(self, episode: Episode) -> None:
        """Write one episode behind the others."""
        columns = to_columns(episode, self._count, self._rows, self._rate_hz)
        if self._data is None:
            self._data = self._open(DATA_PATH, self._files, self._arrow_schema)
            self._files += 1
        self._data.write_table(to_table(columns, self._arrow_schema))
        chunk, file = divmod(self._files - 1, FILES_PER_CHUNK)
        row: dict[str, Any] = {
            "episode_index": self._count,
            "tasks": [self._task],
            "length": len(episode),
            "data/chunk_index": chunk,
            "data/file_index": file,
            "dataset_from_index": self._rows,
            "dataset_to_index": self._rows + len(episode),
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
        }
        for name, summary in self._statistics.add(columns).items():
            row |= {f"stats/{name}/{statistic}": values for statistic, values in summary.items()}
        self._waiting.append(row | _ending_of(episode))
        if len(self._waiting) == ROWS_PER_GROUP:
            self._write_rows()
        self._count += 1
        self._rows += len(episode)
        if Path(self._data.where).stat().st_size >= FILE_MEGABYTES * 2**20:
            self._data.close()
            self._data = None

    def finish(self) -> None:
        """Write what is left, and what is said of the whole."""
        self._write_rows()
        self.close()
        self._write_tasks()
        description = {
            "codebase_version": VERSION,
            "robot_type": None,
            "total_episodes": self._count,
            "total_frames": self._rows,
            "total_tasks": 1,
            "chunks_size": FILES_PER_CHUNK,
            "data_files_size_in_mb": FILE_MEGABYTES,
            "video_files_size_in_mb": 200,
            "fps": int(self._rate_hz) if self._rate_hz == int(self._rate_hz) else self._rate_hz,
            "splits": {"train": f"0:{self._count}"},
            "data_path": DATA_PATH,
            "video_path": None,
            "features": self._features,
        }
        for name, content in (("info", description), ("stats", self._statistics.total())):
            (self._folder / f"meta/{name}.json").write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")

    def close(self) -> None:
        """Close the files that are open."""
        for writer in (self._data, self._episodes):
            if writer is not None:
                writer.close()

    def _open(self, template: str, number: int, schema: pa.Schema) -> pq.ParquetWriter:
        chunk, file = divmod(number, FILES_PER_CHUNK)
        path = self._folder / template.format(chunk_index=chunk, file_index=file)
        path.parent.mkdir(parents=True, exist_ok=True)
        return pq.ParquetWriter(path, schema, compression="snappy")

    def _write_rows(self) -> None:
        if not self._waiting:
            return
        if self._episodes is None:
            self._episodes = self._open(EPISODES_PATH, 0, pa.Table.from_pylist(self._waiting).schema)
        self._episodes.write_table(pa.Table.from_pylist(self._waiting, schema=self._episodes.schema))
        self._waiting = []

    def _write_tasks(self) -> None:
        """One row per task; the text is the index of the table in pandas, which LeRobot reads it with."""
        table = pa.table({"task_index": pa.array([0], pa.int64()), "task": pa.array([self._task])})
        kinds = {"task_index": ("int64", "int64"), "task": ("unicode", "object")}
        columns = [
            {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy_kind, "metadata": None}
            for name, (kind, numpy_kind) in kinds.items()
        ]
        heading = {"name": None, "field_name": None, "pandas_type": "unicode", "numpy_type": "object"}
        note = {
            "index_columns": ["task"],
            "column_indexes": [heading | {"metadata": {"encoding": "UTF-8"}}],
            "columns": columns,
            "creator": {"library": "pyarrow", "version": pa.__version__},
            "pandas_version": "2.0.0",
        }
        table = table.replace_schema_metadata({"pandas": json.dumps(note)})
        pq.write_table(table, self._folder / "meta/tasks.parquet")


def _ending_of(episode: Episode) -> dict[str, Any]:
    """What one row per action has no place for: how the episode ended, and the observation after its last action."""
    row: dict[str, Any] = {
        f"{OWN}is_terminal": episode.is_terminal,
        f"{OWN}is_success": episode.is_success,
        f"{OWN}is_complete": episode.is_complete,
        f"{OWN}paid_at_start": episode.paid_at_start,
        f"{OWN}stamp_ns": int(episode.stamps_ns[-1]),
    }
    if episode.proprio:
        row[OWN + STATE] = [float(x) for values in episode.proprio.values() for x in values[-1]]
    if episode.base_actions is not None:
        row[f"{OWN}base_action"] = episode.base_actions[-1].tolist()
    return row | {f"{OWN}{PICTURES}{name}": encode(values[-1]) for name, values in episode.images.items()}
