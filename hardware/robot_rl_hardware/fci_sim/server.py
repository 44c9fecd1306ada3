"""A whole simulated robot: arm, hand and side channel in one thread."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from robot_rl.errors import ConfigError, SetupError, UnknownNameError
from robot_rl_hardware.fci_sim.arm_server import ArmServer
from robot_rl_hardware.fci_sim.controller import RobotController
from robot_rl_hardware.fci_sim.hand import Hand
from robot_rl_hardware.fci_sim.hand_server import HAND_PORT, HandServer
from robot_rl_hardware.fci_sim.loop import Loop
from robot_rl_hardware.fci_sim.plant import Plant
from robot_rl_hardware.fci_sim.side_channel import SideChannel
from robot_rl_hardware.fci_sim.wire import ARM_PORT, DIALECTS


@dataclass(frozen=True)
class ServerConfig:
    """How the robot speaks, and where it listens.

    Attributes:
        host: address of this machine, in 127.0.0.0/8; a second robot takes another one.
        robot: dialect, a name of `wire.DIALECTS`.
        is_lock_step: whether time waits for the client.
        side_channel: path of the UNIX socket for orders, None for none.
    """

    host: str = "127.0.0.1"
    robot: str = "fr3"
    is_lock_step: bool = True
    side_channel: Path | None = None

    def __post_init__(self) -> None:
        try:
            is_loopback = ip_address(self.host).is_loopback
        except ValueError:
            is_loopback = False
        if not is_loopback:  # who reaches a robot moves it
            raise ConfigError(f"host must be an address in 127.0.0.0/8, got {self.host!r}.")
        if self.robot not in DIALECTS:
            raise UnknownNameError("robot", self.robot, DIALECTS)


class FciServer:
    """Listens from its construction on, and answers while it is served."""

    def __init__(self, plant: Plant, config: ServerConfig) -> None:
        """Listen on behalf of a plant.

        Raises:
            SetupError: an address is taken.
        """
        self._loop = Loop()
        hand = Hand(plant)
        robot, dialect = RobotController(plant), DIALECTS[config.robot]
        with ExitStack() as opened:
            try:
                arm = ArmServer(self._loop, robot, dialect, config.host, config.is_lock_step)
                opened.callback(arm.close)
                opened.callback(HandServer(self._loop, hand, config.host).close)
                if config.side_channel is not None:
                    opened.callback(SideChannel(self._loop, config.side_channel, arm).close)
            except OSError as error:
                places = f"{config.host}, ports {ARM_PORT} and {HAND_PORT}, side channel {config.side_channel}"
                raise SetupError(f"Cannot listen on {places}: {error}.") from error
            self._opened = opened.pop_all()
        # a hand that is told to move while the arm is at rest needs time to do so
        arm.is_advancing_at_rest = lambda: hand.is_moving or not config.is_lock_step

    def run(self, end: threading.Event) -> None:
        """Serve until `end` is set; then motions end, clients are told, and everything is closed."""
        with self._opened:
            while not end.is_set():
                self._loop.run_once()

    def serve_for(self, duration_s: float) -> None:
        """Serve for a while, in the thread of somebody who has other things to do, too."""
        end_s = time.monotonic() + duration_s
        while (left_s := end_s - time.monotonic()) > 0.0:
            self._loop.run_once(left_s)

    def close(self) -> None:
        """End motions, tell clients, and close everything."""
        self._opened.close()
