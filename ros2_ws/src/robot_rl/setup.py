"""Builds the ROS package `robot_rl` for colcon. pip installs the same files by the pyproject.toml of the repository."""

import os
import sys
from glob import glob

from setuptools import find_packages, setup

here = os.path.dirname(os.path.realpath(__file__))  # with --symlink-install, this file is run through a link to it

# The nodes run with the Python of the environment that is active now: colcon itself often runs with another.
environment = os.environ.get("VIRTUAL_ENV")
python = os.path.join(environment, "bin", "python3") if environment else sys.executable

setup(
    name="robot_rl_ros",  # not that of the library, whose entry points it would hide
    version="0.1.0",
    description="ROS 2 nodes of robot_rl",
    maintainer="The robot_rl maintainers",
    maintainer_email="maintainers@robot-rl.example",
    license="Apache-2.0",
    packages=find_packages(include=["robot_rl_ros", "robot_rl_ros.*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/robot_rl"]),
        ("share/robot_rl", ["package.xml"]),
        # `launch` is a link here because --symlink-install would put links in place of files outside of this folder.
        ("share/robot_rl/launch", sorted(glob("launch/*.launch.py"))),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    options={"build_scripts": {"executable": python}},
    entry_points={
        "console_scripts": [
            f"{name} = robot_rl_ros.executable:run" for name in sorted(os.listdir(os.path.join(here, "executables")))
        ]
    },
)
