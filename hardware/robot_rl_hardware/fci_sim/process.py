"""A simulated robot in a process of its own, for tests of what drives it.

A client of libfranka holds Python's lock while it waits, so it can never be in the robot's process.
"""

from __future__ import annotations

import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from robot_rl.errors import DeviceError
from robot_rl_hardware.fci_sim.side_channel import give_order

_START_S: Final = 60.0
_END_S: Final = 5.0


@dataclass(frozen=True)
class RunningRobot:
    """A simulated robot that listens.

    Attributes:
        host: its address.
        side_channel: where it takes orders.
    """

    host: str
    side_channel: Path

    def order(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Give an order, see `side_channel.Orders`; returns its answer.

        Raises:
            ConfigError: the order is wrong.
        """
        return give_order(self.side_channel, do, **arguments)


@contextmanager
def run_robot(
    host: str = "127.0.0.1", robot: str = "fr3", scene: str = "table", seed: int = 0, is_lock_step: bool = True
) -> Iterator[RunningRobot]:
    """Start a robot, wait until it listens, and end it afterwards.

    Its arguments are those of `server.ServerConfig` and `plant.make_plant`.

    Raises:
        DeviceError: it did not begin to listen.
    """
    # not below a test's folder: the path of a UNIX socket is short
    with tempfile.TemporaryDirectory(prefix="fci_sim_") as folder:
        path = Path(folder) / "orders"
        words = ["--host", host, "--robot", robot, "--scene", scene, "--seed", str(seed), "--side-channel", str(path)]
        words += [] if is_lock_step else ["--real-time"]
        process = subprocess.Popen(
            [sys.executable, "-m", "robot_rl.cli", "fci-sim", *words], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        try:
            _wait_until_it_listens(process)
            yield RunningRobot(host, path)
        finally:
            _end(process)


def _wait_until_it_listens(process: subprocess.Popen[bytes]) -> None:
    if process.stdout is None:
        raise DeviceError("the simulated robot was started without its output.")
    deadline_s = time.monotonic() + _START_S
    while select.select([process.stdout], [], [], max(0.0, deadline_s - time.monotonic()))[0]:
        line = process.stdout.readline()
        if line.startswith(b"listening"):
            return
        if not line:
            raise DeviceError(f"the simulated robot ended with {process.wait()} before it listened; see its output.")
    raise DeviceError(f"the simulated robot did not listen within {_START_S:g} s.")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
