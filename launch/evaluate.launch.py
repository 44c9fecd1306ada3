"""Evaluates a policy: how often, and how fast, it solves the task without help."""

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import ThisLaunchFileDir

from launch import LaunchDescription


def generate_launch_description() -> LaunchDescription:
    """The arguments, and the processes."""
    return LaunchDescription(
        [
            DeclareLaunchArgument("policy", description="folder of a training run; or expert, blind, zero, random"),
            DeclareLaunchArgument(
                "robot",
                default_value="sim",
                choices=["sim", "sim_pixels"],
                description="which robot: sim knows the poses, sim_pixels sees with cameras",
            ),
            DeclareLaunchArgument(
                "task",
                default_value="",
                choices=["", "peg", "peg_hard", "pick_cube", "plug", "reach"],
                description="which task; that of the training if empty",
            ),
            DeclareLaunchArgument(
                "teleop",
                default_value="none",
                choices=["blind", "expert", "human", "joy", "keyboard", "none", "spacemouse", "twist"],
                description="who may correct the robot",
            ),
            DeclareLaunchArgument(
                "reward",
                default_value="task",
                choices=["button", "classifier", "task"],
                description="who judges whether the task is solved; classifier needs overrides:=reward.file=FILE",
            ),
            DeclareLaunchArgument("episodes", default_value="50", description="how many"),
            DeclareLaunchArgument("namespace", default_value="", description="of all nodes, for a second robot"),
            DeclareLaunchArgument(
                "overrides",
                default_value="",
                description="further KEY=VALUE words of the configuration, quoted as in a shell",
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource([ThisLaunchFileDir(), "/processes.launch.py"]),
                launch_arguments={"graph": "evaluate", "settings": "policy robot task teleop reward episodes"}.items(),
            ),
        ]
    )
