"""The process that drives an arm, with a watch on every tick.

    python -m robot_rl_hardware.bench.timed_process FILE PARENT ORDERS REPORTS SETTINGS

It is `franka.arm_process`; when it ends, FILE has a row of `TICK_DTYPE` for each tick.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from robot_rl.geometry import Array
from robot_rl_hardware.bench.timed_arm import TICK_DTYPE
from robot_rl_hardware.franka import arm_process
from robot_rl_hardware.franka.controller import ArmController

_LARGEST: Final = 100_000


class TimedController(ArmController):
    """Notes when each tick begins and ends, and the newest target that its torques contain."""

    rows: Final = np.zeros(_LARGEST, TICK_DTYPE)

    def sense(self, state: Any, model: Any, now_ns: int) -> None:
        """The controller's."""
        self._begin_ns = time.monotonic_ns()
        super().sense(state, model, now_ns)
        self._sense_ns = time.monotonic_ns() - self._begin_ns

    def command(self, now_ns: int, elapsed_ms: int) -> Array:
        """The controller's."""
        begin_ns = time.monotonic_ns()
        torque = super().command(now_ns, elapsed_ms)
        end_ns = time.monotonic_ns()
        row = self._begin_ns, self._sense_ns + end_ns - begin_ns, end_ns, self.target_count
        self.rows[min(self.tick_count, _LARGEST) - 1] = row
        return torque


def main(arguments: Sequence[str]) -> int:
    """Drive an arm until told to end, then write the times."""
    status = arm_process.main(arguments[1:], TimedController)
    rows = TimedController.rows
    np.save(Path(arguments[0]), rows[rows["begin_ns"] > 0])
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
