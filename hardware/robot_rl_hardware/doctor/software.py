"""Checks of what is installed."""

from __future__ import annotations

import platform
import sys
from typing import Final

from robot_rl_hardware.doctor.finding import Finding, Mark, Wanted, judge, warn
from robot_rl_hardware.doctor.machine import Machine

OLDEST_PYTHON: Final = (3, 11)
_ASK_TORCH: Final = "import torch; print(torch.cuda.is_available())"
_ASK_ROS: Final = "import rclpy; print(rclpy.get_rmw_implementation_identifier())"
_ASK_MESSAGES: Final = "import robot_rl_msgs.msg"
PANDA_VERSION: Final = 5
"""Of the interface of a Panda with system 4.2.1 or later."""
_SERVER_VERSIONS: Final = (
    ((0, 18), 10),
    ((0, 15), 9),
    ((0, 14, 1), 8),
    ((0, 13, 3), 7),
    ((0, 10), 6),
    ((0, 9, 1), 5),
)
"""Oldest libfranka -> version of the interface that it speaks, the newest first."""


def to_server_version(library: str) -> int | None:
    """Version of the Franka Control Interface that a release of libfranka speaks; None for one that is too old."""
    numbers = tuple(int(part) for part in library.split(".")[:3] if part.isdecimal())
    return next((server for oldest, server in _SERVER_VERSIONS if numbers >= oldest), None)


def check_python(machine: Machine, wanted: Wanted, version: tuple[int, ...] = tuple(sys.version_info[:3])) -> Finding:
    """Python and platform."""
    del machine, wanted
    found = f"Python {'.'.join(map(str, version))}, {platform.system()} {platform.machine()}"
    oldest = ".".join(map(str, OLDEST_PYTHON))
    return judge(version >= OLDEST_PYTHON, True, found, f"install Python {oldest} or newer")


def check_torch(machine: Machine, wanted: Wanted) -> Finding:
    """PyTorch, and whether it uses the GPU that there is."""
    del wanted
    torch = machine.find_version("torch")
    if torch is None:
        return Finding(Mark.MISSING, "PyTorch is not installed", "pip install torch (`make train` does it)")
    asked = machine.run([sys.executable, "-c", _ASK_TORCH])
    if asked is None:
        return Finding(Mark.MISSING, f"PyTorch {torch} cannot be imported", "python -c 'import torch' says why")
    words = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    gpus = [line.strip() for line in (machine.run(words) or "").splitlines() if line.strip()]
    if not gpus:
        return Finding(Mark.OK, f"PyTorch {torch}; no NVIDIA GPU: it learns on the processor")
    found = f"PyTorch {torch}; GPU {'; '.join(gpus)} (driver, memory)"
    is_used = asked.strip() == "True"
    return warn(is_used, found, "PyTorch cannot use the GPU: install a build for its driver's CUDA version")


def check_ros(machine: Machine, wanted: Wanted) -> Finding:
    """rclpy, our own messages, the middleware and the domain."""
    del wanted
    asked = machine.run([sys.executable, "-c", _ASK_ROS])
    if asked is None:
        return Finding(
            Mark.WARNING,
            "rclpy cannot be imported: no `robot-rl up`",
            "`make train` sets it up; with a ROS distribution: source its setup.bash (ros2_ws/README.md)",
        )
    domain = machine.environment.get("ROS_DOMAIN_ID", "")
    found = f"rclpy with {asked.strip()}, ROS_DOMAIN_ID {domain or 'not set (0)'}"
    if machine.run([sys.executable, "-c", _ASK_MESSAGES]) is None:
        advice = "the messages are not built: `make train`, or colcon build in ros2_ws and source install/setup.bash"
        return Finding(Mark.WARNING, f"{found}, no robot_rl_msgs", advice)
    return Finding(Mark.OK, found)


def check_libfranka(machine: Machine, wanted: Wanted) -> Finding:
    """The clients of libfranka: pylibfranka for an FR3, panda-python for a Panda."""
    ours, older = machine.find_version("pylibfranka"), machine.find_version("panda-python")
    found = f"pylibfranka {ours}, for version {to_server_version(ours)} of the interface" if ours else "no pylibfranka"
    found += f"; panda-python {older}, for version {PANDA_VERSION}" if older else "; no panda-python"
    if wanted.library is None:
        return Finding(Mark.OK, found)
    extra = {"pylibfranka": "franka", "panda-python": "panda"}[wanted.library]
    advice = f"pip install 'robot-rl[{extra}]' (Linux on x86-64, Python 3.10 to 3.12)"
    return judge(machine.find_version(wanted.library) is not None, True, found, advice)
