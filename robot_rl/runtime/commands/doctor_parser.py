"""The words of `robot-rl doctor`. The checks belong to the drivers, and are loaded by name when they run."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_DOCTOR = "robot_rl_hardware.doctor"

_DESCRIPTION = """Look at this machine: what is installed, whether the robot answers and in which version, what the
system does for a loop of 1 kHz, cameras, people's devices, room. A line each: ok, warning (works, but not well),
missing (what was asked for cannot work) or unknown (the check has failed), and what to do about it. Nothing is moved.
The exit status is 0 when nothing is missing or unknown, else 1."""

_EPILOG = """examples:
  robot-rl doctor
  robot-rl doctor robot=fr3 robot.franka.host=172.16.0.2
  robot-rl doctor robot=fr3 robot.cameras=[wrist] camera=realsense "camera.realsense=[{name: wrist, serial: '1303'}]"
  robot-rl doctor robot=fr3 robot.franka.host=127.0.0.1       with `robot-rl fci-sim` in another terminal"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        help="what this machine has, and lacks, for a robot",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="what it is to be able to do, as for `robot-rl up teleop`"
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="FOLDER", help="of runs (default: runs)")
    parser.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    from robot_rl import config as configuration
    from robot_rl.runtime.config import EnvConfig

    config = configuration.load(EnvConfig, "env", parsed.overrides)
    finding, command = (importlib.import_module(f"{_DOCTOR}.{name}") for name in ("finding", "command"))
    robot, camera = config.robot, config.camera
    wanted = finding.Wanted(
        robot.franka.robot if robot.kind == "franka" else robot.kind,
        robot.franka.host,
        tuple(each.serial for each in camera.find(robot.cameras) if not each.file) if camera.is_device else (),
        config.teleop.kind if config.teleop.is_device else "none",
        parsed.runs,
    )
    code: int = command.run(wanted)
    return code
