"""`robot-rl fci-sim`: serves a simulated Franka until it is interrupted."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path

from robot_rl_hardware.fci_sim.hand_server import HAND_PORT
from robot_rl_hardware.fci_sim.plant import make_plant
from robot_rl_hardware.fci_sim.server import FciServer, ServerConfig
from robot_rl_hardware.fci_sim.wire import ARM_PORT, DIALECTS


def run(host: str, robot: str, scene: str, seed: int, is_real_time: bool, side_channel: Path | None) -> int:
    """Serve; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    config = ServerConfig(host, robot, not is_real_time, side_channel)
    end = threading.Event()
    server = FciServer(make_plant(scene, seed), config)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end.set())
    client = {"fr3": "pylibfranka.Robot", "panda": "panda_py.libfranka.Robot"}[robot]
    mode = "in real time" if is_real_time else "in lock-step with its client"
    print(f"listening on {host}: arm {ARM_PORT}, hand {HAND_PORT}", flush=True)
    print(f"a simulated {robot} (version {DIALECTS[robot].version}), scene {scene}, {mode}")
    print(f'connect from another process: {client}("{host}", RealtimeConfig.kIgnore)')
    if side_channel is not None:
        print(f"orders: {side_channel}")
    print("Ctrl-C ends it", flush=True)
    server.run(end)
    print("ended")
    return 0
