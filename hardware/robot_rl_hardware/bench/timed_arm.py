"""A Franka arm whose process notes when each tick begins and ends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import numpy as np

from robot_rl_hardware.franka.arm import FrankaArm
from robot_rl_hardware.franka.settings import ArmSettings

TICK_DTYPE: Final = np.dtype([("begin_ns", "i8"), ("busy_ns", "i8"), ("end_ns", "i8"), ("target_count", "i8")])
"""Begin and end on the machine's monotonic clock, what was computed between, and how many targets it contains."""


class TimedArm(FrankaArm):
    """An arm; after its context has ended, `ticks` reads the times."""

    def __init__(self, settings: ArmSettings, file: Path) -> None:
        """Store what is driven, and the file of the times, which must end in .npy."""
        super().__init__(settings)
        self._file = file

    def ticks(self) -> np.ndarray[tuple[int], np.dtype[np.void]]:
        """A row of TICK_DTYPE for each tick."""
        rows: np.ndarray[tuple[int], np.dtype[np.void]] = np.load(self._file)
        return rows

    def _make_command(self) -> list[str]:
        return [sys.executable, "-P", "-m", "robot_rl_hardware.bench.timed_process", str(self._file)]
