"""What happens to the robot beside its wire: orders as lines of JSON over a UNIX socket, for tests.

An order is an object with `do`, its arguments, and maybe `at_cycle`: the millisecond of motion, counted over all
motions, before which it is carried out; without it, at once. The answer is an object, with `error` if it was wrong.
"""

from __future__ import annotations

import inspect
import json
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from robot_rl.errors import ConfigError, RobotRLError, UnknownNameError
from robot_rl.geometry import Array
from robot_rl_hardware.fci_sim.arm_server import ArmServer
from robot_rl_hardware.fci_sim.loop import Loop
from robot_rl_hardware.fci_sim.vocabulary import ROBOT_ERRORS

_ANSWER_TIMEOUT_S: Final = 5.0
_LONGEST_SILENCE_S: Final = 3600.0
_BETWEEN_MOTIONS: Final = ("place", "look")
"""A moving arm cannot be put anywhere, and in a motion nobody waits for what a look finds."""


def give_order(path: Path | str, do: str, **arguments: Any) -> dict[str, Any]:
    """Give an order to a simulated robot whose side channel is at `path`; returns the answer.

    Raises:
        ConfigError: the order is wrong.
        OSError: nobody listens there.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.settimeout(_ANSWER_TIMEOUT_S)
        channel.connect(str(path))
        channel.sendall((json.dumps({"do": do, **arguments}) + "\n").encode())
        with channel.makefile() as lines:
            answer: dict[str, Any] = json.loads(lines.readline())
    if "error" in answer:
        raise ConfigError(answer["error"])
    return answer


class Orders:
    """What can be ordered; every public method is an order, whose arguments have passed `_CHECKS`."""

    def __init__(self, arm: ArmServer) -> None:
        self._arm = arm

    def press_user_stop(self) -> None:
        """Stop the robot."""
        self._arm.press_user_stop()

    def release_user_stop(self) -> None:
        """Let go of the button."""
        self._arm.robot.release_user_stop()

    def reflex(self, error: str) -> None:
        """Stop a motion with an error, in its next millisecond."""
        self._arm.robot.ordered_error = error

    def drop_states(self, count: int) -> None:
        """Lose the next states."""
        self._arm.link.dropped_states = count

    def delay_states(self, count: int, delay_ms: int) -> None:
        """Send the next states later, by milliseconds of the robot's time."""
        self._arm.link.delayed_states, self._arm.link.delay_ms = count, delay_ms

    def swap_states(self, count: int) -> None:
        """Send the next pairs of states in the wrong order."""
        self._arm.link.swapped_states = count

    def drop_commands(self, count: int) -> None:
        """Lose the next commands."""
        self._arm.link.dropped_commands = count

    def fall_silent(self, duration_s: float) -> None:
        """Neither send nor receive for a while."""
        self._arm.fall_silent(duration_s)

    def hang_up(self) -> None:
        """Close the client's TCP connection."""
        self._arm.hang_up()

    def place(self, joints: Array) -> None:
        """Put the arm somewhere, as if guided by hand; not while it moves [rad]."""
        if self._arm.robot.motion is not None:
            raise ConfigError("the arm can be placed between motions only; a motion is under way.")
        self._arm.robot.place(joints)

    def forget_peak(self) -> None:
        """Have the peak of the contact force counted anew."""
        self._arm.robot.plant.peak_force_n = 0.0

    def look(self) -> dict[str, Any]:
        """What is true of the robot, in 64 bits; between motions once everything is at rest."""
        robot, plant = self._arm.robot, self._arm.robot.plant
        if robot.motion is None:
            robot.settle()
        return {
            "clock_ms": robot.clock_ms,
            "mode": robot.mode.name,
            "errors": [name for name, is_set in zip(ROBOT_ERRORS, robot.errors, strict=True) if is_set],
            "cycle_count": robot.cycle_count,
            "lost_count": robot.lost_count,
            "joint_positions": plant.positions.tolist(),
            "joint_velocities": plant.velocities.tolist(),
            "contact_torque": plant.contact_torque.tolist(),
            "force_n": plant.force_n,
            "peak_force_n": plant.peak_force_n,
            "width_m": plant.width_m,
        }


class SideChannel:
    """Takes orders at a path."""

    def __init__(self, loop: Loop, path: Path, arm: ArmServer) -> None:
        """Listen at `path`, which must not exist.

        Raises:
            OSError: it does, or cannot be made.
        """
        self._loop, self._path, self._arm, self._orders = loop, path, arm, Orders(arm)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listener.bind(str(path))
        except OSError:
            self._listener.close()
            raise
        self._listener.listen(4)
        loop.watch(self._listener, self._accept)

    def close(self) -> None:
        """Stop listening, and remove the path."""
        self._loop.forget(self._listener)
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        accepted, _ = self._listener.accept()
        self._loop.watch(accepted, partial(self._take, accepted))

    def _take(self, client: socket.socket) -> None:
        """One order a connection: it is short, and arrives in one piece. Who leaves early misses the answer."""
        self._loop.forget(client)
        line = b""
        with client:
            with suppress(OSError):
                line = client.recv(65536)
            if line:
                answer = (json.dumps(self._carry_out(line)) + "\n").encode()
                with suppress(OSError):
                    client.sendall(answer)

    def _carry_out(self, line: bytes) -> dict[str, Any]:
        try:
            order = json.loads(line)
            if not isinstance(order, dict):
                raise ConfigError(f"an order is a JSON object, got {line!r}.")
            act, at_cycle = self._find(order)
            if at_cycle is None:
                return act() or {}
            self._arm.order(at_cycle, act)
        except (RobotRLError, ValueError, TypeError, OverflowError, RecursionError) as error:
            return {"error": str(error)}
        return {}

    def _find(self, order: dict[str, Any]) -> tuple[Callable[[], Any], int | None]:
        name, at_cycle = str(order.pop("do", "")), order.pop("at_cycle", None)
        names = [one for one, _ in inspect.getmembers(Orders, inspect.isfunction) if not one.startswith("_")]
        if name not in names:
            raise UnknownNameError("order", name, names)
        method = getattr(self._orders, name)
        # in the middle of a motion there is nobody to be told what is wrong: names and values are checked now
        inspect.signature(method).bind(**order)
        act = partial(method, **{key: _CHECKS[key](key, value) for key, value in order.items()})
        if at_cycle is None:
            return act, None
        if name in _BETWEEN_MOTIONS:
            raise ConfigError(f"{name} has no place in a motion: at_cycle must be left out, got {at_cycle!r}.")
        return act, _to_count("at_cycle", at_cycle)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _to_count(name: str, value: Any) -> int:
    if not (_is_number(value) and value >= 0 and value % 1 == 0):  # false for infinity and NaN, too
        raise ConfigError(f"{name} must be a whole number, not negative, got {value!r}.")
    return int(value)


def _to_duration_s(name: str, value: Any) -> float:
    if not (_is_number(value) and 0.0 < value <= _LONGEST_SILENCE_S):
        raise ConfigError(f"{name} must be above 0 and at most {_LONGEST_SILENCE_S:g}, got {value!r}.")
    return float(value)


def _to_error(name: str, value: Any) -> str:
    if value not in ROBOT_ERRORS:
        raise UnknownNameError(f"{name} of the robot", str(value), ROBOT_ERRORS)
    return str(value)


def _to_joints(name: str, value: Any) -> Array:
    try:
        return np.array(value, float)
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(f"{name} must be 7 angles, got {value!r}.") from error


_CHECKS: Final[dict[str, Callable[[str, Any], Any]]] = {
    "count": _to_count,
    "delay_ms": _to_count,
    "duration_s": _to_duration_s,
    "error": _to_error,
    "joints": _to_joints,
}
"""By the names of arguments: what makes the value of one out of JSON's, or says what is valid."""
