"""The words of the command `robot-rl make-keys`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_DESCRIPTION = """Write the keys of an actor and a learner on two machines, for instance that of the robot and one with
a GPU. They encrypt what passes between them, and without them neither lets the other in.
"""

_EPILOG = """example, on the robot's machine, where gpu is the name of the other:
  robot-rl make-keys keys
  scp -r keys gpu:
  robot-rl up train_peg robot=fr3 channel.keys=keys channel.address=tcp://gpu:5588 demonstrations_from=peg_demos
It says what is to be started on gpu, in the folder that holds the keys and a copy of the demonstrations there.
"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    keys = commands.add_parser(
        "make-keys",
        help="make the keys of an actor and a learner on two machines",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    keys.add_argument("folder", metavar="FOLDER", type=Path, help="where to write; made where there is none")
    keys.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    from robot_rl.runtime.channels.curve import make_keys

    make_keys(parsed.folder)
    print(
        f"wrote the keys of an actor and a learner. Copy {parsed.folder} to the machine of the learner, and start the "
        f"robot's with: robot-rl up train_peg channel.keys={parsed.folder} channel.address=tcp://HOST:5588"
    )
    return 0
