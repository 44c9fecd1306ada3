"""Trains a policy: the peg, unless told otherwise. Started again with the same words, it goes on with the run."""

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
                "agent",
                default_value="rlpd",
                choices=["bc", "hg_dagger", "hil_serl", "rlpd"],
                description="what learns, and how",
            ),
            DeclareLaunchArgument(
                "teleop",
                default_value="human",
                choices=["blind", "expert", "human", "joy", "keyboard", "none", "spacemouse", "twist"],
                description="who may correct the robot; human is a scripted person who helps now and then",
            ),
            DeclareLaunchArgument(
                "reward",
                default_value="task",
                choices=["button", "classifier", "task"],
                description="who judges whether the task is solved; classifier needs overrides:=reward.file=FILE",
            ),
            DeclareLaunchArgument(
                "run_dir", default_value="", description="folder of the run; runs/TASK-AGENT-SEED if empty"
            ),
            DeclareLaunchArgument("namespace", default_value="", description="of all nodes, for a second robot"),
            DeclareLaunchArgument(
                "overrides",
                default_value="",
                description="further KEY=VALUE words of the configuration, quoted as in a shell",
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource([ThisLaunchFileDir(), "/processes.launch.py"]),
                launch_arguments={"graph": "train_peg", "settings": "robot task agent teleop reward run_dir"}.items(),
            ),
        ]
    )
