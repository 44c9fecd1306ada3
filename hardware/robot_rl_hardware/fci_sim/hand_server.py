"""The hand's side of the wire: a server of its own, whose clients wait for the end of every command."""

from __future__ import annotations

import logging
import socket
from contextlib import suppress
from functools import partial
from typing import Final

import numpy as np

from robot_rl.errors import WireError
from robot_rl_hardware.fci_sim.connection import Connection, accept, listen
from robot_rl_hardware.fci_sim.hand import Grasp, Hand, HandStatus
from robot_rl_hardware.fci_sim.loop import Loop
from robot_rl_hardware.fci_sim.wire import CONNECT_REQUEST, to_record

_log = logging.getLogger(__name__)

HAND_PORT: Final = 1338
HAND_VERSION: Final = 3
HAND_HEADER: Final = np.dtype([("command", "<u2"), ("number", "<u4"), ("size", "<u4")])
HAND_STATE: Final = np.dtype(
    [
        ("message_id", "<u4"),
        ("width", "<f8"),
        ("max_width", "<f8"),
        ("is_grasped", "?"),
        ("temperature", "<u2"),
    ]
)
GRASP_REQUEST: Final = np.dtype([(name, "<f8") for name in ("width", "inner", "outer", "speed", "force")])
MOVE_REQUEST: Final = np.dtype([("width", "<f8"), ("speed", "<f8")])
CONNECT, HOMING, GRASP, MOVE, STOP = range(5)
_STATE_PERIOD_S: Final = 1.0 / 30.0
_TEMPERATURE_C: Final = 30


class HandServer:
    """Serves any number of clients: one that waits for a motion cannot stop it, another one can."""

    def __init__(self, loop: Loop, hand: Hand, host: str) -> None:
        """Listen on `host`.

        Raises:
            OSError: the port is taken.
        """
        self._loop, self._hand = loop, hand
        self._listener = listen(host, HAND_PORT)
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind((host, 0))
        self._clients: dict[Connection, tuple[str, int] | None] = {}
        self._state = np.zeros(1, HAND_STATE)
        loop.watch(self._listener, self._accept)
        loop.add_timer(_STATE_PERIOD_S, self._publish).start()

    def close(self) -> None:
        """Abort what is under way, tell who waits for it, and close everything."""
        self._hand.stop()
        for client in list(self._clients):
            self._hang_up(client)
        self._loop.forget(self._listener)
        self._listener.close()
        self._udp.close()

    def _accept(self) -> None:
        client = accept(self._listener, HAND_HEADER)
        if client is not None:
            self._clients[client] = None
            self._loop.watch(client.socket, partial(self._take_requests, client))

    def _hang_up(self, client: Connection) -> None:
        self._loop.forget(client.socket)
        client.socket.close()
        del self._clients[client]

    def _take_requests(self, client: Connection) -> None:
        if not client.receive():
            self._hang_up(client)
            return
        try:
            for command, number, payload in client.messages():
                self._answer(client, command, number, payload)
        except WireError as error:
            _log.warning("a client of the hand is sent away: %s", error)
            self._hang_up(client)

    def _answer(self, client: Connection, command: int, number: int, payload: bytes) -> None:
        hand = self._hand
        tell = partial(self._reply, client, command, number)
        if command == CONNECT:
            asked = to_record(payload, CONNECT_REQUEST)
            is_compatible = int(asked["version"]) == HAND_VERSION
            if is_compatible:
                self._clients[client] = client.host, int(asked["udp_port"])
            version = HAND_VERSION.to_bytes(2, "little")
            tell(HandStatus.SUCCESS if is_compatible else HandStatus.FAIL, version)
        elif command == HOMING:
            hand.home(tell)
        elif command == GRASP:
            asked = to_record(payload, GRASP_REQUEST)
            width, inner, outer, speed, force = (float(asked[name]) for name in GRASP_REQUEST.names or ())
            hand.grasp(Grasp(width, inner, outer, force), speed, tell)
        elif command == MOVE:
            asked = to_record(payload, MOVE_REQUEST)
            hand.move(float(asked["width"]), float(asked["speed"]), tell)
        elif command == STOP:
            hand.stop()
            tell(HandStatus.SUCCESS)
        else:
            raise WireError(f"request {command} does not exist; valid are 0 to {STOP}.")

    def _reply(self, client: Connection, command: int, number: int, status: HandStatus, payload: bytes = b"") -> None:
        body = int(status).to_bytes(2, "little") + payload
        header = np.array([(command, number, HAND_HEADER.itemsize + len(body))], HAND_HEADER)
        client.send(header.tobytes() + body)

    def _publish(self) -> None:
        hand = self._hand
        row = self._state[0]
        row["message_id"] += 1
        row["width"], row["max_width"] = hand.width_m, hand.max_width_m
        row["is_grasped"], row["temperature"] = hand.is_grasping, _TEMPERATURE_C
        datagram = self._state.tobytes()
        for target in self._clients.values():
            if target is not None:
                self._send(datagram, target)

    def _send(self, datagram: bytes, target: tuple[str, int]) -> None:
        with suppress(OSError):  # the client's port is gone; its TCP connection will tell
            self._udp.sendto(datagram, target)
