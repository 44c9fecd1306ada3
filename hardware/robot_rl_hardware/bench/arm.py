"""How fast the simulated controller and the driver of the arm are: what `robot-rl bench arm` prints."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from robot_rl.errors import DeviceError, StoppedError
from robot_rl.geometry import Array, Pose
from robot_rl_hardware.bench import plain_client
from robot_rl_hardware.bench.timed_arm import TimedArm
from robot_rl_hardware.fci_sim.process import RunningRobot, run_robot
from robot_rl_hardware.franka.settings import ArmSettings

_PERIOD_S: Final = 0.1
_REACH_M: Final = 0.005
_CLIENT_S: Final = 120.0
_WARM_UP_TICKS: Final = 100
_FIRST_HOST: Final = 16
"""The robots of this process listen from 127.16.x.x on, where a robot of another program is unlikely."""


def measure(rounds: int, cycles: int, seconds: int, advance: Callable[[], None]) -> dict[str, Any]:
    """Medians over rounds; `advance` is called three times a round.

    Raises:
        SetupError: pylibfranka is missing.
        DeviceError: a client did not come to its end.
    """
    rates, ticks, real = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ticks.npy"
        with run_robot(_make_host(0)) as robot:
            for _ in range(rounds):
                rates.append(_measure_rate(robot, cycles))
                advance()
                ticks.append(_measure_ticks(robot, cycles, file))
                advance()
        with run_robot(_make_host(1), is_lock_step=False) as robot:
            for _ in range(rounds):
                real.append(_measure_real_time(robot, seconds, file))
                advance()
    result: dict[str, Any] = {"lockstep_cycles_per_s": _median(rates, 0)}
    result |= _medians(ticks)
    delays_us = [one.pop("target_to_torque_us_p50") for one in real]
    stops = sum(one.pop("is_stopped") for one in real)
    result["realtime"] = _medians(real) | {"stops": stops}
    return result | {"target_to_torque_us_p50": _median(delays_us, 1)}


def _measure_rate(robot: RunningRobot, cycles: int) -> float:
    """Cycles a second of the simulated controller in lock-step with a client that computes nothing."""
    words = [sys.executable, "-P", "-m", plain_client.__name__, robot.host, str(cycles)]
    try:
        client = subprocess.run(words, capture_output=True, text=True, timeout=_CLIENT_S, check=True)
    except subprocess.SubprocessError as error:
        raise DeviceError(f"the client of the simulated robot failed: {error}.") from error
    return float(client.stdout)


def _measure_ticks(robot: RunningRobot, cycles: int, file: Path) -> dict[str, float]:
    """How long the driver computes for a state, in the loop of its own process, in lock-step."""
    with TimedArm(ArmSettings(host=robot.host, is_lock_step=True), file) as arm:
        _wander(arm, 1e-3 * (cycles + _WARM_UP_TICKS), arm.clock.sleep_until_ns)
    rows = arm.ticks()[_WARM_UP_TICKS : _WARM_UP_TICKS + cycles]
    return _percentiles("tick_us", 1e-3 * rows["busy_ns"])


def _measure_real_time(robot: RunningRobot, seconds: int, file: Path) -> dict[str, Any]:
    """Of the driver and a robot that follows the clock."""
    before = robot.order("look")
    with TimedArm(ArmSettings(host=robot.host, success_limit=0.0, late_limit_ms=1000), file) as arm:
        is_real_time = arm.is_real_time
        sent_ns = _wander(arm, float(seconds), _sleep_until_ns)
        is_stopped = arm.state().stop is not None
        during = robot.order("look")
    rows = arm.ticks()
    cycle_count = during["cycle_count"] - before["cycle_count"]
    lost_count = during["lost_count"] - before["lost_count"]
    # what a target takes: until the end of the first tick that obeyed it
    first = np.searchsorted(rows["target_count"], np.arange(1, len(sent_ns) + 1))
    delays_us = 1e-3 * (rows["end_ns"][first[first < len(rows)]] - np.array(sent_ns)[first < len(rows)])
    return {
        "in_time_share": 1.0 - lost_count / max(cycle_count, 1),
        **_percentiles("period_us", 1e-3 * np.diff(rows["begin_ns"])),
        "is_real_time": is_real_time,
        "is_stopped": is_stopped,
        "target_to_torque_us_p50": float(np.median(delays_us)) if len(delays_us) else math.nan,
    }


def _wander(arm: TimedArm, duration_s: float, sleep_until_ns: Callable[[int], None]) -> list[int]:
    """Command a small circle, as a policy would; the moments [ns] at which it was."""
    start, sent_ns = arm.state(), []
    for step in range(round(duration_s / _PERIOD_S)):
        offset_m = _REACH_M * np.array([math.sin(0.7 * step), 1.0 - math.cos(0.7 * step), 0.0])
        stamp_ns = start.stamp_ns + round(1e9 * step * _PERIOD_S)
        sent_ns.append(time.monotonic_ns())
        try:
            arm.set_equilibrium_pose(start.tcp_pose @ Pose(offset_m), stamp_ns)
        except StoppedError:  # on a busy machine commands come too late
            return sent_ns[:-1]
        sleep_until_ns(start.stamp_ns + round(1e9 * (step + 1) * _PERIOD_S))
    return sent_ns


def _sleep_until_ns(stamp_ns: int) -> None:
    time.sleep(max(0.0, 1e-9 * (stamp_ns - time.monotonic_ns())))


def _percentiles(name: str, values_us: Array) -> dict[str, float]:
    p50, p99, largest = np.percentile(values_us, [50.0, 99.0, 100.0]) if len(values_us) else [math.nan] * 3
    return {f"{name}_p50": float(p50), f"{name}_p99": float(p99), f"{name}_max": float(largest)}


def _medians(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of each number, None where no round has one; what is true or false is so if it was in all rounds."""
    return {
        key: all(one[key] for one in rounds)
        if isinstance(rounds[0][key], bool)
        else _median([one[key] for one in rounds], 4 if key.endswith("share") else 1)
        for key in rounds[0]
    }


def _median(values: list[float], digits: int) -> float | None:
    known = [value for value in values if not math.isnan(value)]
    return round(float(np.median(known)), digits) if known else None


def _make_host(number: int) -> str:
    process = os.getpid()
    return f"127.{_FIRST_HOST + number}.{process // 256 % 256}.{max(1, process % 255)}"
