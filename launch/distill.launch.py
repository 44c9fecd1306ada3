"""Records what a corrector has learned, for the next base policy: `robot-rl pretrain data=STORE,DEMONSTRATIONS`."""

from pathlib import Path

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

from launch import LaunchDescription


def generate_launch_description() -> LaunchDescription:
    """The arguments of its own, and the processes with those that all graphs have."""
    return LaunchDescription(
        [
            DeclareLaunchArgument("policy", description="folder of a training run with a corrector"),
            DeclareLaunchArgument(
                "teleop",
                default_value="",
                choices=["", "blind", "expert", "gamepad", "human", "joy", "keyboard", "none", "spacemouse", "twist"],
                description="who may correct the robot; if empty nobody, and on a real robot as in the training",
            ),
            DeclareLaunchArgument(
                "store", default_value="distilled", description="folder of the recording; made, or continued"
            ),
            DeclareLaunchArgument("episodes", default_value="100", description="how many successes to keep"),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(Path(__file__).with_name("processes.launch.py"))),
                launch_arguments={"graph": "distill", "settings": "policy teleop store episodes"}.items(),
            ),
        ]
    )
