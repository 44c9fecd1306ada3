"""What lets .venv find the ROS packages that are installed in it, and no other ROS.

`.ci/setup` installs it into .venv, whose Python runs it at every start (a `.pth` file imports it). That is before
`ros_wheels_bootstrapper`, which comes with the wheels and starts Python once again with their library path: files
`*.pth` are read in the order of their names. So what this changes in the environment holds from the beginning there.

A sourced ROS installation has another rclpy and other libraries of the same names. Whatever it put into the
environment is taken out here: Python would import half of each, and crash.
"""

import os
import sys

PATHS = ("PYTHONPATH", "LD_LIBRARY_PATH", "CMAKE_PREFIX_PATH", "COLCON_PREFIX_PATH", "PKG_CONFIG_PATH")


def entries_of(variable: str) -> list[str]:
    """The entries of a variable that lists paths; none where it is not set."""
    return [entry for entry in os.environ.get(variable, "").split(os.pathsep) if entry]


def use_own_packages(prefix: str) -> None:
    """Have ROS packages looked up in `prefix`, and take out another ROS with all that it has set."""
    prefixes = [entry for entry in entries_of("AMENT_PREFIX_PATH") if os.path.realpath(entry) != prefix]
    if any(os.path.exists(f"{entry}/share/ament_index/resource_index/packages/rclpy") for entry in prefixes):
        others = tuple(f"{entry.rstrip('/')}/" for entry in prefixes)
        for variable in filter(os.environ.get, PATHS):
            own = [entry for entry in entries_of(variable) if not f"{entry}/".startswith(others)]
            os.environ[variable] = os.pathsep.join(own)
        os.environ.pop("_ROS_WHEELS_BOOTSTRAP_COMPLETE", None)  # have Python started again, now without them
        prefixes = []
    # What was built for this environment, and sourced, comes first, as everywhere in ROS.
    os.environ["AMENT_PREFIX_PATH"] = os.pathsep.join([*prefixes, prefix])


use_own_packages(os.path.realpath(sys.prefix))
