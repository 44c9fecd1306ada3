"""Lets a person drive the robot, with the control and the safety of training, until Ctrl-C."""

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import ThisLaunchFileDir

from launch import LaunchDescription


def generate_launch_description() -> LaunchDescription:
    """The arguments, and the processes."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "robot",
                default_value="sim",
                choices=["sim", "sim_pixels"],
                description="which robot: sim knows the poses, sim_pixels sees with cameras",
            ),
            DeclareLaunchArgument(
                "task",
                default_value="peg",
                choices=["peg", "peg_hard", "pick_cube", "plug", "reach"],
                description="which task",
            ),
            DeclareLaunchArgument(
                "teleop",
                default_value="expert",
                choices=["blind", "expert", "human", "joy", "keyboard", "none", "spacemouse", "twist"],
                description="who drives",
            ),
            DeclareLaunchArgument(
                "reward",
                default_value="task",
                choices=["button", "classifier", "task"],
                description="who judges whether the task is solved; classifier needs overrides:=reward.file=FILE",
            ),
            DeclareLaunchArgument("namespace", default_value="", description="of all nodes, for a second robot"),
            DeclareLaunchArgument(
                "overrides",
                default_value="",
                description="further KEY=VALUE words of the configuration, quoted as in a shell",
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource([ThisLaunchFileDir(), "/processes.launch.py"]),
                launch_arguments={"graph": "teleop", "settings": "robot task teleop reward"}.items(),
            ),
        ]
    )
