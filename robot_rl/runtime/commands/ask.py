"""`robot-rl where` and `robot-rl recover`: what a person asks of a graph that runs on this machine."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from typing import NoReturn

from robot_rl.runtime.processes.environment import make_environment
from robot_rl.runtime.processes.executables import to_command
from robot_rl.runtime.processes.process_spec import ProcessSpec, RosExecutable
from robot_rl.runtime.processes.running_graph import find_graph


def where(tool_length_m: float, domain: int | None, namespace: str | None) -> NoReturn:
    """Become the process that says where the tool is; see `join`."""
    join("ask", ("where", f"--tool-length={tool_length_m}"), domain, namespace)


def recover(domain: int | None, namespace: str | None) -> NoReturn:
    """Become the process that asks a stopped arm to recover; see `join`."""
    join("ask", ("recover",), domain, namespace)


def join(executable: str, words: Sequence[str], domain: int | None, namespace: str | None) -> NoReturn:
    """Become an executable of the ROS package, in the domain and namespace of a running graph.

    Args:
        executable: its name.
        words: its arguments.
        domain, namespace: as `find_graph` takes them.

    Raises:
        ConfigError: several graphs run there, or there is no such domain.
        SetupError: the ROS package is not installed.
    """
    graph = find_graph(domain, namespace)
    environment = make_environment(os.environ, shutil.get_terminal_size().columns)
    environment["ROS_DOMAIN_ID"] = str(graph.domain)
    program = RosExecutable("robot_rl", executable)
    command = to_command(ProcessSpec(executable, program, arguments=tuple(words), namespace=graph.namespace))
    sys.stdout.flush()
    os.execve(command[0], command, environment)
