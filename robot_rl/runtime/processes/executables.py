"""The command line of a process, and where ROS packages keep their programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from robot_rl.errors import SetupError
from robot_rl.runtime.processes.process_spec import ProcessSpec, RosExecutable


def to_command(process: ProcessSpec, environment: Mapping[str, str] = os.environ) -> list[str]:
    """The program and its words, as the operating system takes them.

    Raises:
        SetupError: the ROS package, or the program in it, is not installed.
    """
    if isinstance(process.program, tuple):
        return [*process.program, *process.arguments]
    program = find_executable(process.program, environment)
    ros = ["--ros-args", "-r", f"__ns:=/{process.namespace.strip('/')}"] if process.namespace else []
    return [str(program), *process.arguments, *ros]


def find_executable(program: RosExecutable, environment: Mapping[str, str] = os.environ) -> Path:
    """PREFIX/lib/PACKAGE/NAME of the first prefix that has it: those of AMENT_PREFIX_PATH, then this Python's.

    That is the place that ROS prescribes, looked up without its `ament_index_python`, which may not be there.

    Raises:
        SetupError: no prefix has it.
    """
    prefixes = [*filter(None, environment.get("AMENT_PREFIX_PATH", "").split(os.pathsep)), sys.prefix]
    for prefix in prefixes:
        candidate = Path(prefix, "lib", program.package, program.name)
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    raise SetupError(
        f"The ROS package {program.package!r} with its executable {program.name!r} is not in "
        f"{', '.join(dict.fromkeys(prefixes))}. Run `make setup`; where ROS 2 is installed, run `colcon build` in "
        "ros2_ws and source its install/setup.bash."
    )
