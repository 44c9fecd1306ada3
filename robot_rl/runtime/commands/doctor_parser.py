"""The words of `robot-rl doctor`. The checks belong to the drivers, and are loaded by name when they run."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_DOCTOR = "robot_rl_hardware.doctor"

_DESCRIPTION = """Look at this machine: what is installed, whether the robot answers and in which version, what the
system does for a loop of 1 kHz, cameras, people's devices, room. A line each: ok, warning (works, but not well) or
missing (what was asked for cannot work), and what to do about it. Nothing is moved. The exit status is 0 when nothing
is missing, else 1."""

_EPILOG = """examples:
  robot-rl doctor
  robot-rl doctor --robot fr3 --host 172.16.0.2 --camera 130322272869 --teleop spacemouse
  robot-rl doctor --robot fci_sim --host 127.0.0.1        with `robot-rl fci-sim` in another terminal"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        help="what this machine has, and lacks, for a robot",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--robot", default="sim", help="sim, fci_sim or fr3 (default: sim)")
    parser.add_argument("--host", help="of the robot (default: 127.0.0.1 for fci_sim, else 172.16.0.2)")
    parser.add_argument(
        "--camera", action="append", default=[], metavar="SERIAL", help="that must be there; repeatable"
    )
    parser.add_argument("--teleop", default="none", help="none, spacemouse, gamepad or keyboard (default: none)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="FOLDER", help="of runs (default: runs)")
    parser.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    finding, command = (importlib.import_module(f"{_DOCTOR}.{name}") for name in ("finding", "command"))
    host = parsed.host or ("127.0.0.1" if parsed.robot == "fci_sim" else "172.16.0.2")
    code: int = command.run(finding.Wanted(parsed.robot, host, tuple(parsed.camera), parsed.teleop, parsed.runs))
    return code
