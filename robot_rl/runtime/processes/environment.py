"""The environment that the processes of a graph run in."""

from __future__ import annotations

import sys
from collections.abc import Mapping

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""The processes share the cores already; more threads in each make all of them slower."""


def make_environment(base: Mapping[str, str], columns: int) -> dict[str, str]:
    """The environment of the processes: what is set in `base` stays as it is.

    Args:
        base: usually that of this process.
        columns: characters that a line of theirs should have at most.
    """
    defaults = {
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",  # nobody else in the laboratory hears the robot's commands
        "RCUTILS_CONSOLE_OUTPUT_FORMAT": "{severity} {name}: {message}",
        "RCUTILS_COLORIZED_OUTPUT": "1" if sys.stdout.isatty() else "0",
        "RCUTILS_LOGGING_BUFFERED_STREAM": "1",  # whole lines
        "PYTHONUNBUFFERED": "1",
        **dict.fromkeys(_ONE_THREAD, "1"),
    }
    return {**defaults, **base, "COLUMNS": str(columns)}
