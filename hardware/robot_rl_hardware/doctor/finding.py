"""What a check has found, and what it was asked for."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROBOTS: Final = ("sim", "fci_sim", "fr3", "panda", "external")
TELEOPS: Final = ("none", "spacemouse", "gamepad", "keyboard", "joy", "twist")


class Mark(enum.Enum):
    """How it stands with one thing."""

    OK = "ok"
    WARNING = "warning"
    """It works, or may; but not well."""
    MISSING = "missing"
    """What was asked for cannot work."""
    UNKNOWN = "unknown"
    """The check itself has failed."""


@dataclass(frozen=True)
class Wanted:
    """What the machine is for: nothing else is ever missing.

    Attributes:
        robot: one of ROBOTS.
        host: the robot's address.
        cameras: serial numbers.
        teleop: one of TELEOPS.
        runs: folder of the runs.
    """

    robot: str = "sim"
    host: str = "172.16.0.2"
    cameras: tuple[str, ...] = ()
    teleop: str = "none"
    runs: Path = Path("runs")

    @property
    def is_wired(self) -> bool:
        """Whether a robot is to answer at the address."""
        return self.robot in ("fr3", "panda")

    @property
    def library(self) -> str | None:
        """The package that drives it, if any."""
        return {"fci_sim": "pylibfranka", "fr3": "pylibfranka", "panda": "panda-python"}.get(self.robot)


@dataclass(frozen=True)
class Finding:
    """One line.

    Attributes:
        mark: how it stands.
        found: what there is.
        advice: what to do about it; "" where nothing is to be done.
    """

    mark: Mark
    found: str
    advice: str = ""


def judge(is_good: bool, is_wanted: bool, found: str, advice: str) -> Finding:
    """OK where it is good, or where nobody wants it; else missing."""
    if is_good:
        return Finding(Mark.OK, found)
    return Finding(Mark.MISSING, found, advice) if is_wanted else Finding(Mark.OK, f"{found} (not needed)")


def warn(is_good: bool, found: str, advice: str) -> Finding:
    """OK where it is good, else a warning."""
    return Finding(Mark.OK, found) if is_good else Finding(Mark.WARNING, found, advice)
