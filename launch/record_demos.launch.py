"""Records demonstrations into a folder that `train_peg.launch.py` takes as demonstrations_from=FOLDER."""

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
                default_value="",
                choices=["", "blind", "expert", "gamepad", "human", "joy", "keyboard", "none", "spacemouse", "twist"],
                description="who demonstrates; if empty expert, the task's script, and on a real robot spacemouse",
            ),
            DeclareLaunchArgument(
                "store", default_value="demonstrations", description="folder of the recording; made, or continued"
            ),
            DeclareLaunchArgument("episodes", default_value="20", description="how many to keep"),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(Path(__file__).with_name("processes.launch.py"))),
                launch_arguments={
                    "graph": "record_demos",
                    "settings": "task teleop store episodes",
                }.items(),
            ),
        ]
    )
