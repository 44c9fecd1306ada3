"""`robot-rl where`, `recover` and `keyboard`: what a person has to do with a graph that runs on this machine."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from typing import NoReturn

from robot_rl.runtime.processes.environment import make_environment
from robot_rl.runtime.processes.executables import to_command
from robot_rl.runtime.processes.process_spec import ProcessSpec, RosExecutable
from robot_rl.runtime.processes.running_graph import RunningGraph, find_graph


def where(tool_length_m: float, domain: int | None, namespace: str | None) -> NoReturn:
    """Become the process that says where the tool is; see `_join`."""
    _join(find_graph(domain, namespace), "ask", "where", f"--tool-length={tool_length_m}")


def recover(domain: int | None, namespace: str | None) -> NoReturn:
    """Become the process that asks a stopped arm to recover; see `_join`."""
    _join(find_graph(domain, namespace), "ask", "recover")


def keyboard(overrides: Sequence[str], domain: int | None, namespace: str | None) -> NoReturn:
    """Become the process that makes this terminal's keyboard the person's device; see `_join`."""
    graph = find_graph(domain, namespace)
    print(f"for the graph of {graph.words}", file=sys.stderr)
    _join(graph, "teleop", "--config", "env", "teleop=keyboard", "graph=real_time", *overrides)


def _join(graph: RunningGraph, executable: str, *words: str) -> NoReturn:
    """Become an executable of the ROS package, in the domain and namespace of a graph.

    Raises:
        SetupError: the ROS package is not installed.
    """
    environment = make_environment(os.environ, shutil.get_terminal_size().columns)
    environment["ROS_DOMAIN_ID"] = str(graph.domain)
    program = RosExecutable("robot_rl", executable)
    command = to_command(ProcessSpec(executable, program, arguments=words, namespace=graph.namespace))
    sys.stdout.flush()
    os.execve(command[0], command, environment)
