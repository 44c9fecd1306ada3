"""`robot-rl up`."""

from __future__ import annotations

import fcntl
import os
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from robot_rl.errors import ConfigError
from robot_rl.runtime.processes.environment import make_environment
from robot_rl.runtime.processes.executables import to_command
from robot_rl.runtime.processes.graph import list_processes
from robot_rl.runtime.processes.merged_log import MergedLog
from robot_rl.runtime.processes.ros_domain import reserve_domain
from robot_rl.runtime.processes.running_graph import RunningGraph, announced, claimed, to_domain
from robot_rl.runtime.processes.supervisor import Supervisor
from robot_rl.runtime.run_folder import check_unclaimed


def run(graph: str, overrides: list[str], namespace: str = "", *, is_dry: bool = False) -> int:
    """Run a graph to its end; where its result is JSON, that is the last line printed.

    Args:
        graph: as `list_processes` knows it.
        overrides: KEY=VALUE words.
        namespace: of all ROS nodes.
        is_dry: print the command lines, and start nothing.

    Returns the exit status, see `Supervisor.run`.

    Raises:
        UnknownNameError, ConfigError: graph, namespace or overrides are wrong, a graph runs already in the same ROS
            domain and namespace, the run is being run already, or its folder is that of something else.
        SetupError: a program is not installed.
    """
    processes = list_processes(graph, overrides, namespace)
    commands = [to_command(process) for process in processes]
    if is_dry:
        for process, command in zip(processes, commands, strict=True):
            print(f"{process.name}: {shlex.join(command)}")
        return 0
    by_hand = [(process, command) for process, command in zip(processes, commands, strict=True) if process.by_hand]
    processes = [process for process in processes if not process.by_hand]
    folders = sorted({process.log_file.parent for process in processes if process.log_file is not None})
    for folder in folders:  # nothing is left in what the learner would refuse
        check_unclaimed(folder.parent, may_be_run=True)
    with ExitStack() as stack:
        said = os.environ.get("ROS_DOMAIN_ID")
        domain = to_domain(said) if said else stack.enter_context(reserve_domain())
        running = RunningGraph(domain, namespace.strip("/"))
        claim = stack.enter_context(claimed(running))
        locks = [stack.enter_context(_lock(folder)) for folder in folders]
        log = stack.enter_context(MergedLog({process.name: process.log_file for process in processes}))
        environment = make_environment(os.environ, log.columns) | {"ROS_DOMAIN_ID": str(domain)}
        stack.enter_context(announced(running))
        supervisor = Supervisor(processes, log, environment, keep=[claim, *locks])
        log.say(f"{graph}: {', '.join(process.name for process in processes)}")
        log.say(f"logs in {', '.join(map(str, folders))}")
        log.say(f"to look at it with ros2: export ROS_DOMAIN_ID={domain}")
        for process, command in by_hand:
            words = ["--domain", str(domain)] if process.needs_terminal else []
            log.say(f"to be started {process.by_hand}: {shlex.join([*command, *words])}")
        code = supervisor.run()
        if result := supervisor.result():
            log.show_plain(result)
    if log.is_broken:
        raise BrokenPipeError
    return code


@contextmanager
def _lock(folder: Path) -> Iterator[int]:
    """The descriptor of a lock on a folder: nobody else has it until all who keep the descriptor open have ended.

    Raises:
        ConfigError: somebody has it, or the folder cannot be made.
    """
    path = folder / "lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error
    with closing(os.fdopen(descriptor)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"{folder.parent} is in use: it is being run, or its processes are still ending. Wait for them, or "
                "choose another run_dir."
            ) from error
        yield descriptor
