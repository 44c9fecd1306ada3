"""A recording whose process was cut short, and is started again by whoever watches over it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from robot_rl.data.durable import write_durably
from robot_rl.data.json_object import read_json_object
from robot_rl.data.store_reader import StoreReader
from robot_rl.errors import RobotRLError, StoreError

_FILE = "begun.json"


@contextmanager
def counting(store: Path, attributes: Mapping[str, object]) -> Iterator[int]:
    """How many episodes a recording has kept since it began, in this process or in those before that were cut short.

    What such a process leaves is gone on with by the next one of the same attributes. A recording is over where the
    context ends in order, by Ctrl-C, or by an error that the same words would lead to again: whoever records once more
    then means as many episodes again.

    Args:
        store: folder of a recording that this process may write.
        attributes: of the store.

    Raises:
        StoreError: the store is damaged.
    """
    file, count = store / _FILE, len(StoreReader(store).ended_episodes())
    # The code may be changed between the two processes.
    said = json.loads(json.dumps({name: value for name, value in attributes.items() if name != "revision"}))
    begun = _read(file)
    if begun.get("attributes") != said:
        begun = {"attributes": said, "episodes_before": count}
        write_durably(file, json.dumps(begun, indent=1).encode())
    try:
        yield count - int(begun["episodes_before"])
    except BaseException as error:
        if _is_final(error):
            file.unlink(missing_ok=True)
        raise
    file.unlink(missing_ok=True)


def _read(file: Path) -> dict[str, Any]:
    try:
        return read_json_object(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise StoreError(f"{file} is damaged ({error}); delete it.") from error


def _is_final(error: BaseException) -> bool:
    """Whether nobody starts the process again after it."""
    is_over = isinstance(error, RobotRLError) and error.exit_status == RobotRLError.exit_status
    return is_over or isinstance(error, KeyboardInterrupt)
