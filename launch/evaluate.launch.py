"""Evaluates a policy: how often, and how fast, it solves the task without help."""

from pathlib import Path

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

from launch import LaunchDescription


def generate_launch_description() -> LaunchDescription:
    """The arguments of its own, and the processes with those that all graphs have."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "policy", description="folder of a training run or of a base policy; or expert, blind, zero, random"
            ),
            DeclareLaunchArgument(
                "task",
                default_value="",
                choices=["", "peg", "peg_hard", "pick_cube", "plug", "reach"],
                description="which task; that of the training if empty",
            ),
            DeclareLaunchArgument(
                "teleop",
                default_value="",
                choices=["", "blind", "expert", "gamepad", "human", "joy", "keyboard", "none", "spacemouse", "twist"],
                description="who may correct the robot; if empty nobody, and on a real robot spacemouse",
            ),
            DeclareLaunchArgument("episodes", default_value="50", description="how many"),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(Path(__file__).with_name("processes.launch.py"))),
                launch_arguments={"graph": "evaluate", "settings": "policy task teleop episodes"}.items(),
            ),
        ]
    )
