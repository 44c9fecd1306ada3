"""A client that does nothing but keep the robot's torque loop going; prints the cycles a second that it got.

python -m robot_rl_hardware.bench.plain_client HOST CYCLES
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Final

from robot_rl_hardware.franka.faults import load_library

_WARM_UP_CYCLES: Final = 200


def main(arguments: Sequence[str]) -> int:
    """Command no torque for so many cycles, and then the end."""
    host, cycles = arguments[0], int(arguments[1])
    franka = load_library()
    robot = franka.Robot(host, franka.RealtimeConfig.kIgnore)
    control = robot.start_torque_control()
    command = franka.Torques([0.0] * 7)
    for _ in range(_WARM_UP_CYCLES):
        control.readOnce()
        control.writeOnce(command)
    started_s = time.perf_counter()
    for _ in range(cycles):
        control.readOnce()
        control.writeOnce(command)
    taken_s = time.perf_counter() - started_s
    control.readOnce()
    command.motion_finished = True
    control.writeOnce(command)
    print(cycles / taken_s)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
