"""The words of the commands that join a running graph: `robot-rl where`, `recover` and `keyboard`."""

from __future__ import annotations

import argparse
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_FINDING = """
The graph is the one that `robot-rl up` runs on this machine, in whatever ROS domain. Where several run, --domain and
--namespace say which; for one that something else has started, such as a launch file, ROS_DOMAIN_ID does, or --domain.
"""

_WHERE = """Say where the tool of the running graph is: T_base_tcp, the pose of the tool centre point in the axes of the
robot's base, as measured, position in m and quaternion (x, y, z, w); the same as words for a task at that place; and
whether the arm is stopped, and why. Nothing is moved.
"""

_RECOVER = """Allow the stopped arm of the running graph to move again, once that is safe: what is driving it goes on,
with a reset first. The exit status is 0 when it may move, and 1 when it refuses, with the reason.
"""

_KEYBOARD = """Be the person's device of a graph that runs with teleop=keyboard: the keys of this terminal drive its
robot. They are listed at the start. Ctrl-C ends it, and the graph goes on.
"""


def add_parsers(commands: Commands) -> None:
    """Add the commands."""
    where = _add(commands, "where", "where the tool of a running graph is, and whether its arm is stopped", _WHERE)
    where.add_argument(
        "--tool-length",
        type=float,
        default=0.0,
        metavar="M",
        help="from the tool centre point to the tip of what the hand holds, along the tool [m] (default: 0)",
    )
    where.set_defaults(run=_run_where)
    recover = _add(commands, "recover", "allow a stopped arm of a running graph to move again", _RECOVER)
    recover.set_defaults(run=_run_recover)
    keyboard = _add(
        commands, "keyboard", "drive the robot of a running graph with the keys of this terminal", _KEYBOARD
    )
    keyboard.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="for example teleop.keyboard.strength=0.3")
    keyboard.set_defaults(run=_run_keyboard)


def _add(commands: Commands, name: str, summary: str, description: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=description, epilog=_FINDING)
    parser.add_argument("--domain", type=int, metavar="ID", help="ROS domain of the graph")
    parser.add_argument("--namespace", metavar="NAME", help="of its nodes, as it was told to `robot-rl up`")
    return parser


def _run_where(parsed: argparse.Namespace) -> int:
    from robot_rl.runtime.commands import ask

    ask.where(parsed.tool_length, parsed.domain, parsed.namespace)


def _run_recover(parsed: argparse.Namespace) -> int:
    from robot_rl.runtime.commands import ask

    ask.recover(parsed.domain, parsed.namespace)


def _run_keyboard(parsed: argparse.Namespace) -> int:
    from robot_rl.runtime.commands import ask

    ask.keyboard(parsed.overrides, parsed.domain, parsed.namespace)
