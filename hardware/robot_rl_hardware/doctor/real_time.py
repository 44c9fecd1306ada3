"""Checks of what makes a loop of 1 kHz punctual."""

from __future__ import annotations

import os
import platform
import resource
from collections import Counter
from collections.abc import Callable
from typing import Final

from robot_rl_hardware.doctor.finding import Finding, Mark, Wanted, warn
from robot_rl_hardware.doctor.machine import Machine

_LOOP_PRIORITY: Final = 99
_RTPRIO: Final = getattr(resource, "RLIMIT_RTPRIO", None)
_LIMITS: Final = "in /etc/security/limits.conf allow the user `rtprio 99` and `memlock unlimited`, and log in again"


def _read_limits() -> tuple[int, int]:
    """Largest real-time priority and locked memory [bytes] that this user may have; -1 for no limit."""
    if os.geteuid() == 0:  # root has both, unless a container takes them away
        return _LOOP_PRIORITY if _may_schedule() else 0, -1
    priority = 0 if _RTPRIO is None else resource.getrlimit(_RTPRIO)[1]
    return priority, resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]


def _may_schedule() -> bool:
    """Whether real-time scheduling is granted to this process, which asks for it for a moment."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    except (OSError, AttributeError):  # the latter on macOS, which has no such thing
        return False
    return True


def _if_real(finding: Finding, wanted: Wanted) -> Finding:
    """Only the loop of a real arm needs it; behind somebody else's controller the loop is not ours."""
    if wanted.is_wired or finding.mark is Mark.OK:
        return finding
    return Finding(Mark.OK, f"{finding.found} (not needed)")


def check_kernel(machine: Machine, wanted: Wanted, build: str = platform.version()) -> Finding:
    """A kernel with PREEMPT_RT."""
    is_real_time = machine.read("sys/kernel/realtime") == "1" or "PREEMPT_RT" in build
    found = "real-time kernel" if is_real_time else "kernel without PREEMPT_RT"
    advice = "install a real-time kernel (Ubuntu: `pro enable realtime-kernel`; Debian: linux-image-rt-amd64)"
    return _if_real(warn(is_real_time, found, advice), wanted)


def check_limits(
    machine: Machine, wanted: Wanted, read_limits: Callable[[], tuple[int, int]] = _read_limits
) -> Finding:
    """Whether this user may have real-time priority, and keep memory from being swapped."""
    del machine
    priority, locked_bytes = read_limits()
    is_good = (priority == -1 or priority >= _LOOP_PRIORITY) and locked_bytes == -1
    locked = "unlimited" if locked_bytes == -1 else f"{locked_bytes // 1024} KiB"
    return _if_real(
        warn(is_good, f"rtprio {'unlimited' if priority == -1 else priority}, memlock {locked}", _LIMITS), wanted
    )


def check_governor(machine: Machine, wanted: Wanted) -> Finding:
    """Whether processors stay at their full frequency."""
    files = machine.find("sys/devices/system/cpu", "cpu[0-9]*/cpufreq/scaling_governor")
    governors = Counter(text for file in files if (text := machine.read(str(file.relative_to(machine.root)))))
    if not governors:
        return Finding(Mark.OK, "the system does not set the processors' frequency")
    found = "governor " + ", ".join(f"{name} ({count} processors)" for name, count in sorted(governors.items()))
    advice = "sudo cpupower frequency-set -g performance (package linux-tools or cpupower)"
    return _if_real(warn(set(governors) == {"performance"}, found, advice), wanted)
