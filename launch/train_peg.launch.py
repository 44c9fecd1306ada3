"""Trains a policy: the peg, unless told otherwise. Started again with the same words, it goes on with the run."""

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
                "agent",
                default_value="rlpd",
                choices=["bc", "hg_dagger", "hil_serl", "residual", "rlpd"],
                description="what learns, and how",
            ),
            DeclareLaunchArgument(
                "teleop",
                default_value="",
                choices=["", "blind", "expert", "gamepad", "human", "joy", "keyboard", "none", "spacemouse", "twist"],
                description="who may correct the robot; if empty human, a scripted person who helps now and then, and "
                "on a real robot spacemouse",
            ),
            DeclareLaunchArgument(
                "base", default_value="", description="folder of the base policy that agent:=residual corrects"
            ),
            DeclareLaunchArgument(
                "run_dir", default_value="", description="folder of the run; runs/TASK-AGENT-SEED if empty"
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(Path(__file__).with_name("processes.launch.py"))),
                launch_arguments={"graph": "train_peg", "settings": "task agent teleop base run_dir"}.items(),
            ),
        ]
    )
