"""A client that does nothing but keep the robot's torque loop going; prints the cycles a second that it got.

python -m robot_rl_hardware.bench.plain_client HOST CYCLES
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

from robot_rl_hardware.franka.fr3 import FR3Library

_WARM_UP_CYCLES: Final = 200


def main(arguments: Sequence[str]) -> int:
    """Command no torque for so many cycles, and then the end."""
    host, cycles = arguments[0], int(arguments[1])
    cycle, none = itertools.count(1), [0.0] * 7
    started_s = taken_s = 0.0

    def step(state: Any, elapsed_ms: int) -> tuple[list[float], bool]:
        del state, elapsed_ms
        nonlocal started_s, taken_s
        number = next(cycle)
        if number == _WARM_UP_CYCLES:
            started_s = time.perf_counter()
        elif number == _WARM_UP_CYCLES + cycles:
            taken_s = time.perf_counter() - started_s
        return none, number > _WARM_UP_CYCLES + cycles

    FR3Library().connect(host).move(step)
    print(cycles / taken_s)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
