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
from robot_rl_hardware.doctor.software import to_server_version
from robot_rl_hardware.fci_sim.wire import ARM_PORT, CONNECT_REQUEST, HEADER

_TIMEOUT_S: Final = 2.0
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
        with socket.create_connection((host, port), _TIMEOUT_S) as connection:
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


def check_robot(machine: Machine, wanted: Wanted) -> Finding:
    """Whether the robot is there, and speaks the version of the library."""
    if not wanted.is_wired:
        return Finding(Mark.OK, "simulated in this program")
    try:
        answer = ask_version(wanted.host)
    except DeviceError as error:
        advice = "switch it on, unlock its joints and activate FCI in Desk, end other programs that use it"
        if wanted.robot == "fci_sim":
            advice = f"start one: robot-rl fci-sim --host {wanted.host}"
        return Finding(Mark.MISSING, str(error), f"check the address; {advice}")
    found = f"{wanted.host} speaks version {answer.version} of the interface (answer after {answer.after_ms:.2f} ms)"
    library = machine.find_version("pylibfranka")
    if library is None:
        return Finding(Mark.WARNING, found, "which version is needed is known when pylibfranka is installed")
    needed = to_server_version(library)
    if answer.version == needed:
        return Finding(Mark.OK, found)
    advice = f"pylibfranka {library} is for version {needed}: install the release for this robot's system, or update it"
    if answer.version <= 5:
        advice = f"it is a Panda (FER), which pylibfranka cannot drive; the driver is for the FR3 (version {needed})"
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
