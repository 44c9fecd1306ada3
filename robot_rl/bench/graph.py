"""`robot-rl bench graph`: the graph over ROS 2, measured by the executable `bench_graph` of the ROS package."""

from __future__ import annotations

import subprocess

from robot_rl.runtime.processes.executables import find_executable
from robot_rl.runtime.processes.process_spec import RosExecutable


def run(options: list[str]) -> int:
    """Measure; the last line printed is a JSON object.

    Raises:
        SetupError: the ROS package is not installed.
    """
    return subprocess.run([find_executable(RosExecutable("robot_rl", "bench_graph")), *options], check=False).returncode
