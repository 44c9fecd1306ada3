"""The words of `robot-rl calibrate`. What it needs belongs to the drivers, and is loaded by name when it runs."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_DRIVERS = "robot_rl_hardware"
_HAND_EYE = """Find the pose of a camera, on the tool or beside the robot, from a folder of pictures of a ChArUco board
and the tool's pose at each: hardware/README.md describes it. Views that do not tell the pose, or do not agree, are
refused. The last line printed is a JSON object with what is left of disagreement."""

_PAYLOAD = """Find mass and centre of mass of what the hand holds, from a file of wrenches that the robot felt at rest
at several orientations: hardware/README.md describes it. Too similar orientations, and readings that do not agree, are
refused. The last line printed is a JSON object with load_kg and load_com_m, as the arm's settings take them, and with
what is left of disagreement."""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    calibrate = commands.add_parser("calibrate", help="find out where a camera is, or what the hand holds")
    what = calibrate.add_subparsers(title="what", required=True, metavar="WHAT")
    hand_eye = what.add_parser("hand-eye", help="from views of a ChArUco board", description=_HAND_EYE)
    hand_eye.add_argument("folder", metavar="FOLDER", type=Path, help="folder of the views, with views.yaml")
    hand_eye.add_argument("--out", metavar="YAML", type=Path, help="by default hand_eye.yaml in the folder")
    hand_eye.set_defaults(run=_run_hand_eye)
    payload = what.add_parser("payload", help="from wrenches at several orientations", description=_PAYLOAD)
    payload.add_argument("file", metavar="READINGS", type=Path, help="file of the readings (YAML)")
    payload.add_argument("--out", metavar="YAML", type=Path, help="by default payload.yaml beside the readings")
    payload.set_defaults(run=_run_payload)


def _run_hand_eye(parsed: argparse.Namespace) -> int:
    code: int = importlib.import_module(f"{_DRIVERS}.calibrate").hand_eye(parsed.folder, parsed.out)
    return code


def _run_payload(parsed: argparse.Namespace) -> int:
    code: int = importlib.import_module(f"{_DRIVERS}.calibrate").payload(parsed.file, parsed.out)
    return code
