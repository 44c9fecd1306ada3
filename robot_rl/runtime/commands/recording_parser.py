"""The words of `robot-rl show` and `robot-rl copy`, which look at recordings and take parts of them."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_EXAMPLES = """examples:
  robot-rl show peg_demos                                       a line for every episode
  robot-rl show peg_demos --picture peg_demos.png               all of them over each other: the odd one stands out
  robot-rl show runs/peg-1 --episodes 40-59 --video last.mp4    what the cameras saw
  robot-rl copy peg_demos peg_good --episodes 0-11 13-19        without the odd one
"""


def add_parsers(commands: Commands) -> None:
    """Add both commands."""
    show = commands.add_parser(
        "show",
        help="what is in a recording or a run: a table, a picture, a video",
        description="Print a line for every episode of a recording, or of what a run has experienced: how long it "
        "took, how it ended, who acted, how hard it pushed. Also of one that is being written.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_source(show)
    show.add_argument("--picture", metavar="PNG", type=Path, help="draw position, force and gripper over time")
    show.add_argument("--video", metavar="MP4", type=Path, help="write the cameras' images, beside each other")
    show.set_defaults(run=_run_show)

    copy = commands.add_parser(
        "copy",
        help="copy episodes of a recording or a run into a new recording",
        description="Copy the episodes that have an end, all of them or some, into a new recording, for example for "
        "`robot-rl train demonstrations_from=TARGET`. What is copied from is left as it is.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_source(copy)
    copy.add_argument("target", metavar="TARGET", type=Path, help="folder of the new recording; must not exist")
    copy.set_defaults(run=_run_copy)


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="STORE", type=Path, help="folder of a recording, or of a run")
    parser.add_argument(
        "--episodes",
        metavar="N",
        nargs="+",
        type=_to_range,
        default=[],
        help="only these, by the numbers that `robot-rl show` prints; 5-7 is 5 7 and what is between them",
    )


def _to_range(word: str) -> range:
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", word)
    if found is None or int(found[2] or found[1]) < int(found[1]):
        raise argparse.ArgumentTypeError(f"{word!r} is neither a number nor a range like 5-7.")
    return range(int(found[1]), int(found[2] or found[1]) + 1)


def _run_show(parsed: argparse.Namespace) -> int:
    from robot_rl.runtime.commands import show

    return show.run(parsed.folder, parsed.episodes, parsed.picture, parsed.video)


def _run_copy(parsed: argparse.Namespace) -> int:
    from robot_rl.runtime.commands import copying

    return copying.run(parsed.folder, parsed.target, parsed.episodes)
