"""Checks of disk and memory."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from robot_rl_hardware.doctor.finding import Finding, Mark, Wanted, warn
from robot_rl_hardware.doctor.machine import Machine

_GB: Final = 1e9
_LEAST_DISK_GB: Final = 1.0
_GOOD_DISK_GB: Final = 20.0
_GOOD_MEMORY_GB: Final = 8.0
_AVAILABLE: Final = re.compile(r"^MemAvailable:\s+(\d+) kB", re.MULTILINE)


def check_disk(machine: Machine, wanted: Wanted) -> Finding:
    """Room where runs are stored: they keep every picture."""
    folder = wanted.runs.absolute()
    there = next((one for one in (folder, *folder.parents) if one.exists()), Path("/"))
    free_gb = machine.count_free_bytes(there) / _GB
    found, advice = f"{free_gb:.1f} GB free at {folder}", "free some, or put runs elsewhere (run_dir=...)"
    if free_gb < _LEAST_DISK_GB:
        return Finding(Mark.MISSING, found, advice)
    return warn(free_gb >= _GOOD_DISK_GB, found, advice)


def check_memory(machine: Machine, wanted: Wanted) -> Finding:
    """Memory for replay, networks and the graph."""
    del wanted
    match = _AVAILABLE.search(machine.read("proc/meminfo") or "")
    if match is None:
        return Finding(Mark.OK, "the system does not tell how much memory is free")
    free_gb = int(match[1]) * 1024 / _GB
    return warn(free_gb >= _GOOD_MEMORY_GB, f"{free_gb:.1f} GB of memory free", "end other programs before training")
