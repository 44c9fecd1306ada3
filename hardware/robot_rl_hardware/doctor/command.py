"""`robot-rl doctor`: looks at everything, a line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from robot_rl.errors import UnknownNameError
from robot_rl_hardware.doctor import devices, real_time, robot, room, software
from robot_rl_hardware.doctor.finding import ROBOTS, TELEOPS, Finding, Mark, Wanted
from robot_rl_hardware.doctor.isolation import run_isolated
from robot_rl_hardware.doctor.machine import Machine

Check = Callable[[Machine, Wanted], Finding]

CHECKS: Final[Mapping[str, Check]] = {
    "Python": software.check_python,
    "PyTorch, GPU": software.check_torch,
    "ROS": software.check_ros,
    "libfranka": software.check_libfranka,
    "robot": robot.check_robot,
    "network": robot.check_network,
    "kernel": real_time.check_kernel,
    "limits": real_time.check_limits,
    "frequency": real_time.check_governor,
    "cameras": devices.check_cameras,
    "SpaceMouse": devices.check_spacemouse,
    "gamepad": devices.check_gamepad,
    "disk": room.check_disk,
    "memory": room.check_memory,
}
_LIMIT_S: Final = 45.0
"""Longer than two programs that do not end."""


def run(wanted: Wanted, machine: Machine | None = None) -> int:
    """Print what was found; 0 where nothing is missing or unknown, else 1.

    Raises:
        UnknownNameError: no such robot or device.
    """
    for kind, name, valid in (("robot", wanted.robot, ROBOTS), ("teleop", wanted.teleop, TELEOPS)):
        if name not in valid:
            raise UnknownNameError(kind, name, valid)
    machine = machine or Machine()
    wrong: dict[Mark, list[str]] = {Mark.MISSING: [], Mark.UNKNOWN: []}
    for name, check in CHECKS.items():
        finding = run_isolated(partial(check, machine, wanted), _LIMIT_S)
        print(f"{finding.mark.value:8} {name:13} {finding.found}", flush=True)
        if finding.advice:
            print(f"{'':22} -> {finding.advice}", flush=True)
        if finding.mark in wrong:
            wrong[finding.mark].append(name)
    listed = [f"{mark.value}: {', '.join(names)}" for mark, names in wrong.items() if names]
    print("; ".join(listed) or f"nothing that robot={wanted.robot} needs is missing")
    return 1 if listed else 0
