"""Records demonstrations into a folder that `train_peg.launch.py` takes as demonstrations_from=FOLDER."""

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
                description="who demonstrates; expert is the task's script",
            ),
            DeclareLaunchArgument(
                "reward",
                default_value="task",
                choices=["button", "classifier", "task"],
                description="who judges whether the task is solved; classifier needs overrides:=reward.file=FILE",
            ),
            DeclareLaunchArgument(
                "store", default_value="demonstrations", description="folder of the recording; made, or continued"
            ),
            DeclareLaunchArgument("episodes", default_value="20", description="how many to keep"),
            DeclareLaunchArgument("namespace", default_value="", description="of all nodes, for a second robot"),
            DeclareLaunchArgument(
                "overrides",
                default_value="",
                description="further KEY=VALUE words of the configuration, quoted as in a shell",
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource([ThisLaunchFileDir(), "/processes.launch.py"]),
                launch_arguments={
                    "graph": "record_demos",
                    "settings": "robot task teleop reward store episodes",
                }.items(),
            ),
        ]
    )
