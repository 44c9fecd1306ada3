"""`robot-rl bench arm`: the driver of a Franka arm, and the simulated controller that it is tested against.

| key | what |
|---|---|
| lockstep_cycles_per_s | the simulated controller with physics and a client of libfranka that commands no torque |
| tick_us_p50, _p99, _max | what the driver computes for one state: kinematics, orders, law, report; in its own loop |
| realtime | driver and simulated controller by the clock: share of commands in time, the driver's period, in how many |
| | rounds the arm was stopped (late commands, for example), whether the driver had real-time scheduling |
| target_to_torque_us_p50 | from a call of `set_equilibrium_pose` to the end of the first tick that contains it |
| load_1m | of the machine: on a busy one the numbers are worth less |

Medians of the rounds' values. Robot and driver, and in real time the one that commands it, share the processors.
Options: rounds=N, cycles=N milliseconds a round in lock-step, seconds=N a round in real time.
"""

from __future__ import annotations

import importlib
import os
from typing import Any, Final

from robot_rl.bench.report import Targets, judge, make_progress, print_report, read_options

TARGETS: Final[Targets] = {"lockstep_cycles_per_s": (">=", 2000.0), "tick_us_p50": ("<=", 40.0)}

_MEASUREMENT: Final = "robot_rl_hardware.bench.arm"


def run(options: list[str]) -> int:
    """Measure, print the table and the JSON object; returns the exit code 0.

    Raises:
        UnknownNameError: no such option.
        SetupError: pylibfranka is missing.
    """
    values = read_options(options, {"rounds": 5, "cycles": 3000, "seconds": 4})
    result = measure(values["rounds"], values["cycles"], values["seconds"])
    flat = {key: value for key, value in result.items() if key != "realtime"}
    flat |= {f"realtime {key}": value for key, value in result["realtime"].items()}
    print_report(
        "Driver and simulated controller of the arm", ["", "value", "target"], judge(flat, TARGETS), [], result
    )
    return 0


def measure(rounds: int, cycles: int, seconds: int) -> dict[str, Any]:
    """Every key of the table above."""
    with make_progress() as progress:
        task = progress.add_task("measuring", total=3 * rounds)
        measurement = importlib.import_module(_MEASUREMENT)
        result: dict[str, Any] = measurement.measure(rounds, cycles, seconds, lambda: progress.advance(task))
    return result | {"load_1m": round(os.getloadavg()[0], 2)}
