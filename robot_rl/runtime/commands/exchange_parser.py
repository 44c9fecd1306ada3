"""The words of `robot-rl export` and `robot-rl import`, which speak the layouts that others use."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_parsers(commands: Commands) -> None:
    """Add both commands."""
    export = commands.add_parser(
        "export",
        help="write a run or a recording as lerobot, robomimic or diffusion_policy",
        description="Write the episodes of a run, or of a recording, that have ended, in the layout of LeRobotDataset "
        "v3, robomimic's HDF5 or diffusion_policy's zarr. Nothing is lost: `robot-rl import` reads back the same bits, "
        "and what the recording says of itself. What was before a person's pause is an episode of its own there, "
        "without an end; so is one that ended with the first observation after a pause.",
    )
    export.add_argument("source", metavar="RUN", type=Path, help="folder of a run, or of a recording")
    export.add_argument("layout", metavar="LAYOUT", help="lerobot, robomimic or diffusion_policy")
    export.add_argument("target", metavar="TARGET", type=Path, help="what to write; must not exist")
    export.set_defaults(run=_run_export)

    taking = commands.add_parser(
        "import",
        help="read demonstrations in one of these layouts",
        description="Read episodes into a recording, for `robot-rl train demonstrations_from=TARGET`. They must have "
        "the observations and actions of the environment that KEY=VALUE words such as task=peg describe; what was "
        "exported here says itself what it is of, and is refused where the words say otherwise.",
    )
    taking.add_argument("source", metavar="SOURCE", type=Path, help="file or folder")
    taking.add_argument("layout", metavar="LAYOUT", help="lerobot, robomimic or diffusion_policy")
    taking.add_argument("target", metavar="TARGET", type=Path, help="folder of the recording; made, or continued")
    taking.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="for example task=peg")
    taking.set_defaults(run=_run_import)


def _run_export(parsed: argparse.Namespace) -> int:
    from robot_rl.runtime.commands import exchange

    return exchange.export(parsed.source, parsed.layout, parsed.target)


def _run_import(parsed: argparse.Namespace) -> int:
    from robot_rl.runtime.commands import exchange

    return exchange.import_(parsed.source, parsed.layout, parsed.target, parsed.overrides)
