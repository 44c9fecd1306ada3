"""A file of readings: the wrench that the robot feels at rest, at several orientations of the tool.

tool: {position: [0, 0, 0.1034], quaternion: [0, 0, -0.38268343, 0.92387953]}   T_flange_tcp; that of the Franka Hand
load_kg: 0.0                          what the robot was told to carry meanwhile, beside the end effector of Desk
load_com_m: [0.0, 0.0, 0.0]           in the flange's frame
readings:                             of T_base_tcp the quaternion (x, y, z, w); wrench (force [N], torque [Nm]) on
- {quaternion: [1, 0, 0, 0], wrench: [0.1, 0.0, -4.9, 0.0, 0.0, 0.0]}        the world at the TCP, in its axes
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import yaml

from robot_rl.clock import Clock, to_ns
from robot_rl.errors import DeviceError, ExchangeError, RobotRLError
from robot_rl.geometry import Array, Pose
from robot_rl.robot.protocols import Arm
from robot_rl_hardware.calibration.fields import find, finite, to_pose

FRANKA_HAND: Final = Pose.from_rotation_vector([0.0, 0.0, -0.25 * np.pi], [0.0, 0.0, 0.1034])
"""T_flange_tcp of the Franka Hand."""

_AT_REST_M_S, _AT_REST_RAD_S = 0.002, 0.01
_SAMPLE_S: Final = 0.01


@dataclass(frozen=True, eq=False)
class Reading:
    """One of them: T_base_tcp, and the wrench on the world at the TCP, in its axes, shape (6,)."""

    tcp: Pose
    wrench: Array


@dataclass(frozen=True)
class Load:
    """A mass [kg], and its centre in the flange's frame [m]."""

    kg: float = 0.0
    com_m: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(eq=False)
class Readings:
    """A file's content: T_flange_tcp, what the robot was told to carry, and the readings."""

    tool: Pose = FRANKA_HAND
    load: Load = Load()
    readings: list[Reading] = field(default_factory=list)


def capture(arm: Arm, clock: Clock, readings: Readings, file: Path, duration_s: float = 1.0) -> Reading:
    """Take one more reading, averaged over a time, and write the file. Whoever moves the arm has let go of it.

    Raises:
        DeviceError: the arm moves.
    """
    wrenches, end_ns = [], clock.now_ns() + to_ns(duration_s)
    while True:
        state = arm.state()
        speed, turning = np.linalg.norm(state.tcp_twist_base[:3]), np.linalg.norm(state.tcp_twist_base[3:])
        if speed > _AT_REST_M_S or turning > _AT_REST_RAD_S:
            raise DeviceError(
                f"the tool moves at {speed * 1e3:.1f} mm/s and {turning:.3f} rad/s; a reading needs at most "
                f"{_AT_REST_M_S * 1e3:g} mm/s and {_AT_REST_RAD_S:g} rad/s."
            )
        wrenches.append(state.tcp_wrench)
        now_ns = clock.now_ns()
        if now_ns >= end_ns:
            break
        clock.sleep_until_ns(now_ns + to_ns(_SAMPLE_S))
    reading = Reading(state.tcp_pose, np.mean(wrenches, axis=0))
    readings.readings.append(reading)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(_to_yaml(readings))
    return reading


def load(file: Path) -> Readings:
    """Read a file.

    Raises:
        ExchangeError: it is not one of readings; the message says what is wrong with it.
    """
    try:
        plain = yaml.safe_load(file.read_text())
        tool, com = plain.get("tool"), plain.get("load_com_m", (0.0, 0.0, 0.0))
        x, y, z = finite(com, 3, "load_com_m").tolist()
        (mass,) = finite([plain.get("load_kg", 0.0)], 1, "load_kg").tolist()
        return Readings(
            FRANKA_HAND if tool is None else to_pose(tool["position"], tool["quaternion"]),
            Load(mass, (x, y, z)),
            [
                Reading(to_pose((0.0, 0.0, 0.0), entry["quaternion"]), finite(entry["wrench"], 6, "wrench"))
                for entry in find(plain, "readings", list)
            ],
        )
    except FileNotFoundError as error:
        raise ExchangeError(f"{file} is missing.") from error
    except KeyError as error:
        raise ExchangeError(f"{file} has no {error}.") from error
    except (RobotRLError, TypeError, ValueError, AttributeError, OSError, yaml.YAMLError) as error:
        raise ExchangeError(f"{file}: {' '.join(str(error).split())}") from error


def _to_yaml(readings: Readings) -> str:
    tool = readings.tool
    plain = {
        "tool": {"position": tool.position.tolist(), "quaternion": tool.quaternion.tolist()},
        "load_kg": readings.load.kg,
        "load_com_m": list(readings.load.com_m),
        "readings": [
            {"quaternion": each.tcp.quaternion.tolist(), "wrench": each.wrench.tolist()} for each in readings.readings
        ],
    }
    return yaml.safe_dump(plain, sort_keys=False)
