"""The words of `robot-rl fci-sim`. The simulated robot itself is loaded by name, and only when it is started."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_COMMAND = "robot_rl_hardware.fci_sim.command"

_DESCRIPTION = """Simulate a Franka behind its own network interface, the Franka Control Interface (FCI): programs
that drive a real robot through libfranka drive this one, unchanged. Arm on TCP port 1337 with its states and commands
over UDP, hand on port 1338; both on this machine only. The physics are those of the simulated tasks.

By default time is in lock-step with the client: the robot moves one millisecond when the command for its state
arrives, so that a run repeats bit for bit and goes as fast as the machine can. With --real-time it moves at 1 kHz, and
a command that is late is lost, as on the robot."""

_EPILOG = """examples:
  robot-rl fci-sim                                        an FR3 at 127.0.0.1, over a table
  robot-rl fci-sim --scene peg --real-time
  robot-rl fci-sim --host 127.0.0.2                       a second robot, in another terminal
  robot-rl fci-sim --robot panda                          the older Panda (FER), for panda-python
  robot-rl fci-sim --side-channel robot.sock              takes orders: user stop, reflexes, lost packets

then, in another process (a client blocks the whole interpreter while it waits):
  import pylibfranka
  robot = pylibfranka.Robot("127.0.0.1", pylibfranka.RealtimeConfig.kIgnore)
  print(robot.read_once().q)

docs/fci_sim.md says what is simulated and what is not, and lists the orders."""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "fci-sim",
        help="simulate a Franka that clients of libfranka can drive",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address in 127.0.0.0/8 (default: 127.0.0.1)")
    parser.add_argument("--robot", default="fr3", help="fr3 (version 10) or panda (version 5) (default: fr3)")
    parser.add_argument("--scene", default="table", help="table, probe, reach, peg, plug or pick_cube (default: table)")
    parser.add_argument("--seed", type=int, default=0, help="of the scene (default: 0)")
    parser.add_argument("--real-time", action="store_true", help="follow the clock instead of the client")
    parser.add_argument("--side-channel", type=Path, metavar="PATH", help="UNIX socket for orders (default: none)")
    parser.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    command = importlib.import_module(_COMMAND)
    code: int = command.run(parsed.host, parsed.robot, parsed.scene, parsed.seed, parsed.real_time, parsed.side_channel)
    return code
