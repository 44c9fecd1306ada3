"""Included by the launch files beside it: starts the processes of a graph, as robot_rl lists them.

A process that has failed is started again where that is safe; the end of the one that ends the run shuts down the rest.
"""

import shlex

from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction, Shutdown, TimerAction
from launch.events.process import ProcessExited
from launch.substitutions import EnvironmentVariable
from launch_ros.actions import Node

from launch import Action, LaunchContext, LaunchDescription
from robot_rl.runtime.graph import list_processes

RESTART_AFTER_S = 1.0
SETTLE_S = 5.0
"""What ends by itself when the run has ended well, such as the learner, has this time to."""


def start_all(context: LaunchContext) -> list[Action]:
    """An action for each process."""
    values = context.launch_configurations
    words = [f"{name}={values[name]}" for name in values["settings"].split() if values[name]]
    words += shlex.split(values["overrides"])
    return [start(process) for process in list_processes(values["graph"], words, values["namespace"])]


def start(process) -> Action:  # noqa: ANN001  a launch file imports one function of robot_rl, and no types
    """The action that starts one process."""

    def on_exit(event: ProcessExited, context: LaunchContext) -> list[Action]:
        if context.is_shutdown or (event.returncode == 0 and not process.ends_run):
            return []
        if process.may_restart(event.returncode):
            return [TimerAction(period=RESTART_AFTER_S, actions=[start(process)])]
        end = Shutdown(reason=f"{process.name} has ended with status {event.returncode}")
        return [TimerAction(period=0.0 if event.returncode else SETTLE_S, actions=[end])]

    common = {
        "output": "screen",
        "on_exit": on_exit,
        "sigterm_timeout": str(process.grace_s),
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
    """What the including file sets beside the arguments that it declares, and the processes."""
    return LaunchDescription(
        [
            DeclareLaunchArgument("graph", description="which graph of robot_rl"),
            DeclareLaunchArgument("settings", description="names of the arguments that are KEYs of its configuration"),
            OpaqueFunction(function=start_all),
        ]
    )
