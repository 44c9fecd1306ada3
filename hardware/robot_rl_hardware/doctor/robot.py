"""Checks of the robot and of the way to it. Nothing is moved, and no session of the robot's is begun."""

from __future__ import annotations

import re
import socket
import time
from typing import Final, NamedTuple

import numpy as np

from robot_rl.errors import DeviceError
from robot_rl_hardware.doctor.finding import Finding, Mark, Wanted, warn
from robot_rl_hardware.doctor.machine import Machine
from robot_rl_hardware.doctor.software import PANDA_VERSION, to_server_version
from robot_rl_hardware.fci_sim.wire import ARM_PORT, CONNECT_REQUEST, HEADER

_TIMEOUT_S: Final = 2.0
_RETRY_S: Final = 0.1
_CONNECT: Final = 0
_NOBODYS_VERSION: Final = 0
"""With a version that no robot speaks the answer is a refusal that tells the robot's own."""
_REPLY_BYTES: Final = HEADER.itemsize + 3  # status, version
_LONGEST_TRIP_MS: Final = 1.0
_SLOWEST_LINK_MBIT_S: Final = 100
_TRIPS: Final = re.compile(r"= ([\d.]+)/([\d.]+)/([\d.]+)")


class Answer(NamedTuple):
    """What a robot answered: the version of its interface, and after how long [ms]."""

    version: int
    after_ms: float


def ask_version(host: str, port: int = ARM_PORT) -> Answer:
    """Ask a robot for its version.

    Raises:
        DeviceError: nobody is there, or whoever is there is no robot.
    """
    header = np.array([(_CONNECT, 0, HEADER.itemsize + CONNECT_REQUEST.itemsize)], HEADER)
    request = header.tobytes() + np.array([(_NOBODYS_VERSION, 0)], CONNECT_REQUEST).tobytes()
    reply = b""
    try:
        with _connect(host, port) as connection:
            asked_s = time.monotonic()
            connection.sendall(request)
            while len(reply) < _REPLY_BYTES:
                connection.settimeout(max(0.01, asked_s + _TIMEOUT_S - time.monotonic()))
                chunk = connection.recv(64)
                if not chunk:
                    break
                reply += chunk
            after_ms = 1e3 * (time.monotonic() - asked_s)
    except (OSError, UnicodeError) as error:  # the latter for an address that is none
        raise DeviceError(f"nobody answers at {host}, port {port} ({error})") from error
    if len(reply) < _REPLY_BYTES or int(np.frombuffer(reply[: HEADER.itemsize], HEADER)["command"][0]) != _CONNECT:
        raise DeviceError(f"who answers at {host}, port {port}, is no robot ({len(reply)} bytes)")
    return Answer(int.from_bytes(reply[HEADER.itemsize + 1 : _REPLY_BYTES], "little"), after_ms)


def _connect(host: str, port: int) -> socket.socket:
    """A connection; a robot refuses one for a moment after its last client has left."""
    deadline_s = time.monotonic() + _TIMEOUT_S
    while True:
        try:
            return socket.create_connection((host, port), _TIMEOUT_S)
        except ConnectionRefusedError:
            if time.monotonic() > deadline_s:
                raise
        time.sleep(_RETRY_S)


def check_robot(machine: Machine, wanted: Wanted) -> Finding:
    """Whether the robot is there, and speaks the version of the library."""
    if not wanted.is_wired:
        where = "behind somebody else's controller" if wanted.robot == "external" else "simulated in this program"
        return Finding(Mark.OK, where)
    try:
        answer = ask_version(wanted.host)
    except DeviceError as error:
        advice = "switch it on, unlock its joints and activate FCI in Desk, end other programs that use it"
        return Finding(Mark.MISSING, str(error), f"check robot.franka.host; {advice}")
    found = f"{wanted.host} speaks version {answer.version} of the interface (answer after {answer.after_ms:.2f} ms)"
    needed: int | None = PANDA_VERSION
    if wanted.robot == "fr3":
        library = machine.find_version("pylibfranka")
        needed = to_server_version(library) if library else None
    if needed is None:
        return Finding(Mark.WARNING, found, "which version is needed is known when pylibfranka is installed")
    if answer.version == needed:
        return Finding(Mark.OK, found)
    advice = f"{wanted.library} is for version {needed}: install the release for this robot's system, or update it"
    if wanted.robot == "fr3" and answer.version <= PANDA_VERSION:
        advice = "it is a Panda (FER): robot=panda"
    elif wanted.robot == "panda" and answer.version > PANDA_VERSION:
        advice = "it is a Franka Research 3: robot=fr3"
    return Finding(Mark.MISSING, found, advice)


def check_network(machine: Machine, wanted: Wanted) -> Finding:
    """The interface to the robot, its speed, and how long packets take."""
    if not wanted.is_wired:
        return Finding(Mark.OK, "no robot is on it")
    route = (machine.run(["ip", "route", "get", wanted.host]) or "").split()
    device = route[route.index("dev") + 1] if "dev" in route[:-1] else ""
    if not device:
        return Finding(Mark.WARNING, f"no route to {wanted.host} is known", "`ip route get` of the robot's address")
    speed = machine.read(f"sys/class/net/{device}/speed")
    is_wireless = machine.read(f"sys/class/net/{device}/phy80211/name") is not None
    found = f"{device}{' (wireless)' if is_wireless else ''}"
    is_slow = False
    if speed is not None and speed.isdecimal():
        found += f", {speed} Mbit/s"
        is_slow = int(speed) < _SLOWEST_LINK_MBIT_S
    if is_wireless or is_slow:
        return Finding(Mark.WARNING, found, "connect the robot by cable, straight to a network card")
    trips = _TRIPS.search(machine.run(["ping", "-q", "-c", "10", "-i", "0.2", "-W", "1", wanted.host]) or "")
    if trips is None:
        return Finding(Mark.OK, f"{found}; round trips not measured (ping)")
    found += f"; round trips {trips[1]} / {trips[2]} / {trips[3]} ms (least, mean, longest)"
    advice = "longer than a millisecond: no switch between, energy saving of the network card off, computer idle"
    return warn(float(trips[3]) <= _LONGEST_TRIP_MS, found, advice)
