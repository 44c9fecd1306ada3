"""Included by the launch files beside it: starts the processes of a graph, as robot_rl lists them.

A process that has failed is started again where that is safe; the end of the one that ends the run shuts down the rest.
"""

import shlex
import time

from launch.actions import DeclareLaunchArgument, ExecuteProcess, LogInfo, OpaqueFunction, Shutdown, TimerAction
from launch.events.process import ProcessExited
from launch.substitutions import EnvironmentVariable
from launch_ros.actions import Node

from launch import Action, LaunchContext, LaunchDescription
from robot_rl.runtime.processes.graph import list_processes

SETTLE_S = 5.0
"""What ends by itself when the run has ended well, such as the learner, has this time to."""


def start_all(context: LaunchContext) -> list[Action]:
    """An action for each process."""
    values = context.launch_configurations
    if "graph" not in values:
        raise RuntimeError("processes.launch.py starts nothing by itself: launch one of the files beside it")
    names = ["robot", "reward", *values["settings"].split()]
    words = [f"{name}={values[name]}" for name in names if values[name]]
    words += shlex.split(values["overrides"])
    processes = list_processes(values["graph"], words, values["namespace"])
    actions: list[Action] = []
    for process in processes:
        if process.by_hand:
            domain = ", with the ROS_DOMAIN_ID of this one" if process.needs_terminal else ""
            command = shlex.join([*process.program, *process.arguments])
            actions.append(LogInfo(msg=f"to be started {process.by_hand}{domain}: {command}"))
        else:
            actions.append(start(process, process.limit_restarts()))
    return actions


def start(process, limit) -> Action:  # noqa: ANN001  a launch file imports one function of robot_rl, and no types
    """The action that starts one process, and again as often as `limit` says."""

    def on_exit(event: ProcessExited, context: LaunchContext) -> list[Action]:
        failure = process.judge(event.returncode)
        if context.is_shutdown or (failure == 0 and not process.ends_run):
            return []
        pause_s = limit.next_pause_s(time.monotonic()) if process.may_restart(failure) else None
        if pause_s is not None:
            return [TimerAction(period=pause_s, actions=[start(process, limit)])]
        end = Shutdown(reason=f"{process.name} has ended with status {event.returncode}")
        return [TimerAction(period=0.0 if failure else SETTLE_S, actions=[end])]

    common = {
        "output": "screen",
        "on_exit": on_exit,
        "sigterm_timeout": str(process.patience_s),
        "sigkill_timeout": str(process.grace_s - process.patience_s),
        "additional_env": {
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": EnvironmentVariable("OMP_NUM_THREADS", default_value="1"),  # they share the cores
        },
    }
    if isinstance(process.program, tuple):
        return ExecuteProcess(cmd=[*process.program, *process.arguments], name=process.name, **common)
    return Node(
        package=process.program.package,
        executable=process.program.name,
        arguments=[*process.arguments],
        namespace=process.namespace or None,
        **common,
    )


def generate_launch_description() -> LaunchDescription:
    """The arguments that every graph has, and the processes.

    The including file sets two more, which are not the user's and so not declared: `graph`, as robot_rl names it, and
    `settings`, those of its own arguments that are KEYs of the configuration.
    """
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "robot",
                default_value="",
                choices=["", "external", "fci_sim", "fr3", "panda", "sim", "sim_pixels"],
                description="which robot: sim knows the poses, sim_pixels sees with cameras, fci_sim is moved by "
                "libfranka; fr3, panda and external are real, and need overrides:=task.place.target_m=[X,Y,Z]; if "
                "empty sim, and for the policy of a training run the robot that it was trained on",
            ),
            DeclareLaunchArgument(
                "reward",
                default_value="",
                choices=["", "button", "classifier", "task"],
                description="who judges whether the task is solved; if empty the task itself, and on a real robot the "
                "person's button; classifier needs overrides:=reward.file=FILE",
            ),
            DeclareLaunchArgument("namespace", default_value="", description="of all nodes, for a second robot"),
            DeclareLaunchArgument(
                "overrides",
                default_value="",
                description="further KEY=VALUE words of the configuration, quoted as in a shell",
            ),
            OpaqueFunction(function=start_all),
        ]
    )
