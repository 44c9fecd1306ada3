"""Writing a run to the disk in the background, as it happens."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from robot_rl.data.durable import write_durably
from robot_rl.data.store_columns import check_record, column_specs, row_bytes, to_columns
from robot_rl.data.store_layout import (
    Segment,
    StoreLock,
    delete_replaced,
    list_segments,
    make_folder,
    prepare,
    save_attributes,
)
from robot_rl.data.store_reader import StoreReader
from robot_rl.data.store_segment import SegmentEncoder
from robot_rl.errors import StoreError
from robot_rl.specs import EnvironmentSpec
from robot_rl.types import StepRecord

_BATCH_ROWS = 64  # that many waiting rows are written at once, whatever the interval


class StoreWriter:
    """Appends to a stored run, which it makes or resumes; the only writer of its folder while it lives.

    What was acknowledged survives a kill at any moment, and a loss of power as far as the disk keeps its word.

    A record that is not newer than the newest of its episode is ignored, so that records may be sent again after a
    restart of either side.
    """

    def __init__(
        self,
        path: str | Path,
        spec: EnvironmentSpec,
        attributes: Mapping[str, object],
        *,
        interval_s: float = 0.3,
        queue_rows: int = 512,
        segment_bytes: int = 2**25,
    ) -> None:
        """Open the store and start writing.

        Args:
            path: the store's folder; made if it does not exist.
            spec: of the environment; that of the rows that are there already.
            attributes: JSON that says which config, code, weights and person the coming rows are from.
            interval_s: the longest time that a row waits for others to be written with.
            queue_rows: rows that may wait.
            segment_bytes: memory, before compression, that the rows of the newest segment may take. They are kept,
                to be written as one file when there are enough of them.

        Raises:
            StoreError: another writer lives; the folder is something else, damaged, of another environment, or the disk
                is full.
        """
        self.path, self.spec = Path(path), spec
        self._interval_s, self._queue_rows = interval_s, queue_rows
        self._segment_rows = min(max(segment_bytes // row_bytes(spec), 16), 1024)
        self._encoder = SegmentEncoder(column_specs(spec))
        with _naming(self.path):
            make_folder(self.path)
            self._lock = StoreLock(self.path)
            try:
                prepare(self.path, spec)
                reader = StoreReader(self.path)
                save_attributes(self.path, len(reader), attributes)
                self._newest_steps = reader.newest_steps()
                self._newest_rows = list(reader.records(self._first_of_newest()))
            except BaseException:
                self._lock.release()
                raise
        self._accepted = self._acknowledged = len(reader)
        self._queue: list[StepRecord] = []
        self._flushes = 0
        self._is_closing = False
        self._error: Exception | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def acknowledged(self) -> int:
        """Rows that are on the disk: those with numbers below this."""
        return self._acknowledged

    def append(self, record: StepRecord) -> int:
        """Queue a record and return its number, at once; it is on the disk when `acknowledged` is greater.

        A record that is ignored gets the newest number: it is on the disk no later than that row. The arrays must
        not be changed afterwards.

        Raises:
            SpecError: the record does not fit the spec.
            StoreError: writing failed before, the queue is full (then the record was not taken), or it is closed.
        """
        check_record(record, self.spec)
        with self._changed:
            self._raise_error()
            if self._is_closing:
                raise StoreError(f"{self.path} was closed; open it again to append.")
            if record.step > self._newest_steps.get(record.episode, -1):
                if len(self._queue) >= self._queue_rows:
                    raise StoreError(
                        f"{self.path}: {len(self._queue)} rows wait for the disk, which is too slow; flush, then "
                        "append the record again."
                    )
                self._newest_steps[record.episode] = record.step
                self._queue.append(record)
                self._accepted += 1
                self._changed.notify_all()
            return self._accepted - 1

    def append_all(self, records: Iterable[StepRecord], timeout_s: float) -> None:
        """Append records, more than the queue holds perhaps, and wait until they are on the disk.

        Raises:
            SpecError: one does not fit the spec; those before it may be on the disk.
            StoreError: writing failed, or half a queue takes longer than the timeout.
        """
        for number, record in enumerate(records, 1):
            self.append(record)
            if number % max(self._queue_rows // 2, 1) == 0:
                self.flush(timeout_s)
        self.flush(timeout_s)

    def flush(self, timeout_s: float) -> None:
        """Wait until everything that was appended is on the disk.

        Raises:
            StoreError: writing failed, or takes longer than the timeout.
        """
        with self._changed:
            goal = self._accepted
            self._flushes += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._acknowledged >= goal or self._error is not None, timeout_s)
            self._flushes -= 1
            self._raise_error()
            if self._acknowledged < goal:
                rows = goal - self._acknowledged
                raise StoreError(f"{self.path}: {rows} rows are not on the disk after {timeout_s} s; wait longer.")

    def close(self) -> None:
        """Write what waits, tidy up, and let another writer have the store; again, it does nothing.

        Raises:
            StoreError: writing failed.
        """
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join()
        self._lock.release()
        self._raise_error()

    def _raise_error(self) -> None:
        if self._error is not None:
            lost = self._accepted - self._acknowledged
            raise StoreError(
                f"{self.path} could not be written: {self._error}; {lost} rows from row {self._acknowledged} on are "
                "not on the disk. Mend the cause and open the store again."
            ) from self._error

    def _first_of_newest(self) -> int:
        """First row of the newest segments that are small enough to become one."""
        segments = list_segments(self.path)
        first = stop = segments[-1].stop if segments else 0
        for segment in reversed(segments):
            if stop - segment.first >= self._segment_rows:
                break
            first = segment.first
        return first

    def _run(self) -> None:
        try:
            while batch := self._next_batch():
                self._write(batch)
            self._merge()
        except Exception as error:  # noqa: BLE001  whatever it was, whoever appends next must learn of it
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _next_batch(self) -> list[StepRecord]:
        """Rows that waited long enough, or are enough; none when it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._is_closing)
            self._changed.wait_for(
                lambda: len(self._queue) >= _BATCH_ROWS or self._flushes or self._is_closing, self._interval_s
            )
            batch, self._queue = self._queue[:_BATCH_ROWS], self._queue[_BATCH_ROWS:]
            return batch

    def _write(self, batch: list[StepRecord]) -> None:
        """Put a batch on the disk: alone, or with the newest rows if they are enough for a big segment."""
        stop = self._acknowledged + len(batch)
        self._newest_rows += batch
        is_big = len(self._newest_rows) >= self._segment_rows
        rows = self._newest_rows if is_big else batch
        self._commit(rows, stop)
        with self._changed:
            self._acknowledged = stop
            self._changed.notify_all()
        if is_big:
            self._newest_rows = []
            delete_replaced(self.path)

    def _merge(self) -> None:
        """Leave the newest rows in one file."""
        rows, stop = self._newest_rows, self._acknowledged
        if rows and Segment(stop - len(rows), stop) not in list_segments(self.path):
            self._commit(rows, stop)
            delete_replaced(self.path)

    def _commit(self, rows: list[StepRecord], stop: int) -> None:
        content = self._encoder.encode(to_columns(rows, self.spec))
        write_durably(Segment(stop - len(rows), stop).file(self.path), content)


@contextmanager
def _naming(store: Path) -> Iterator[None]:
    """Say of what the disk refuses which store it is of."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{store} cannot be written: {error.strerror}; free space, or use a folder that may be written."
        ) from error
