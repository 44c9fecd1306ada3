"""Lets a person drive the robot, with the control and the safety of training, until Ctrl-C."""

from pathlib import Path

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

from launch import LaunchDescription


def generate_launch_description() -> LaunchDescription:
    """The arguments of its own, and the processes with those that all graphs have."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "task",
                default_value="peg",
                choices=["peg", "peg_hard", "pick_cube", "plug", "reach"],
                description="which task",
            ),
            DeclareLaunchArgument(
                "teleop",
                default_value="expert",
                choices=["blind", "expert", "gamepad", "human", "joy", "keyboard", "none", "spacemouse", "twist"],
                description="who drives",
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(Path(__file__).with_name("processes.launch.py"))),
                launch_arguments={"graph": "teleop", "settings": "task teleop"}.items(),
            ),
        ]
    )
