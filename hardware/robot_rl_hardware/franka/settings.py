"""What is set of an arm and of a hand: addresses, loads, limits, and how long silence is borne."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from robot_rl.control.presets import PRESETS
from robot_rl.errors import ConfigError, DeviceError, UnknownNameError
from robot_rl.geometry import Array

ROBOTS: Final = ("fr3", "panda")


@dataclass(frozen=True)
class ArmSettings:
    """An arm.

    Attributes:
        host: its address.
        robot: "fr3" (Franka Research 3, through pylibfranka) or "panda" (the older one, FER, through panda-python).
        preset: impedance preset to begin with.
        period_s: of the policy, within which an equilibrium pose is reached.
        load_kg, load_com_m, load_inertia_kg_m2: what the hand holds all the time: mass, centre in the flange's frame,
            and inertia about it (3 x 3, by columns).
        torque_thresholds_nm, force_thresholds: external torques of the joints and (force [N], torque [Nm]) of the tool
            beyond which the robot stops by itself.
        force_limit_n: force at the tool at which the driver stops softly; below the thresholds of the robot.
        force_limit_ms: how long it must be exceeded: a part that touches down exceeds it for some milliseconds.
        tare_limit_n, tare_limit_nm: force and torque that may be tared, at most: with more, something touches the tool,
            or the load is wrong.
        target_timeout_s: after so long without a new equilibrium pose, or word that the last one is still wanted, it
            stops softly; before, it holds the last one.
        late_limit_ms: states missing in a row at which it stops softly; the robot stops at 20.
        success_limit: share of the last 100 commands that came in time, below which it stops softly.
        rotor_inertia_kg_m2: of the motors, seen at the joints; the robot's model lacks it.
        connect_timeout_s: how long a robot that refuses is asked again.
        recoveries_per_minute: of errors of the robot, at most.
        cpu: processor of the loop; -1 for any.
        is_lock_step: whether the robot is a simulated one in lock-step, whose time the arm's clock makes pass.

    Raises:
        ConfigError: a value is out of range.
        UnknownNameError: no such robot or preset.
    """

    host: str = "172.16.0.2"
    robot: str = "fr3"
    preset: str = "insertion"
    period_s: float = 0.1
    load_kg: float = 0.0
    load_com_m: tuple[float, ...] = (0.0, 0.0, 0.0)
    load_inertia_kg_m2: tuple[float, ...] = (0.0,) * 9
    torque_thresholds_nm: tuple[float, ...] = (60.0, 60.0, 55.0, 50.0, 40.0, 35.0, 30.0)
    force_thresholds: tuple[float, ...] = (60.0, 60.0, 60.0, 30.0, 30.0, 30.0)
    force_limit_n: float = 40.0
    force_limit_ms: int = 30
    tare_limit_n: float = 5.0
    tare_limit_nm: float = 1.0
    target_timeout_s: float = 2.0
    late_limit_ms: int = 10
    success_limit: float = 0.7
    rotor_inertia_kg_m2: tuple[float, ...] = (0.195, 0.195, 0.195, 0.195, 0.074, 0.074, 0.074)
    connect_timeout_s: float = 3.0
    recoveries_per_minute: int = 5
    cpu: int = -1
    is_lock_step: bool = False

    def __post_init__(self) -> None:
        if self.robot not in ROBOTS:
            raise UnknownNameError("robot", self.robot, ROBOTS)
        if self.preset not in PRESETS:
            raise UnknownNameError("impedance preset", self.preset, PRESETS)
        for name, size in (
            ("load_com_m", 3),
            ("load_inertia_kg_m2", 9),
            ("torque_thresholds_nm", 7),
            ("force_thresholds", 6),
            ("rotor_inertia_kg_m2", 7),
        ):
            value = np.asarray(getattr(self, name), np.float64)
            if value.shape != (size,) or not np.isfinite(value).all():
                raise ConfigError(f"{name} must be {size} finite numbers, got {getattr(self, name)}.")
        for name in (
            "period_s",
            "force_limit_n",
            "force_limit_ms",
            "tare_limit_n",
            "tare_limit_nm",
            "target_timeout_s",
            "late_limit_ms",
            "connect_timeout_s",
        ):
            if not getattr(self, name) > 0.0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}.")
        if min(*self.torque_thresholds_nm, *self.force_thresholds) <= 0.0:
            raise ConfigError("torque_thresholds_nm and force_thresholds must be positive.")
        if self.force_limit_n >= min(self.force_thresholds[:3]):
            raise ConfigError(
                f"force_limit_n must be below the robot's own thresholds {self.force_thresholds[:3]} N, "
                f"got {self.force_limit_n} N."
            )
        if not 0.0 <= self.load_kg < math.inf:
            raise ConfigError(f"load_kg must be finite and not negative, got {self.load_kg} kg.")
        if not 0.0 <= self.success_limit <= 1.0:
            raise ConfigError(f"success_limit is a share from 0 to 1, got {self.success_limit}.")
        if not self.recoveries_per_minute >= 0:
            raise ConfigError(f"recoveries_per_minute must not be negative, got {self.recoveries_per_minute}.")

    def check_tare(self, wrench: Array) -> None:
        """Refuse to tare a wrench [N, Nm], shape (6,), that is more than a load leaves.

        Raises:
            DeviceError: it is beyond `tare_limit_n` or `tare_limit_nm`.
        """
        force_n, torque_nm = float(np.linalg.norm(wrench[:3])), float(np.linalg.norm(wrench[3:]))
        if not (force_n <= self.tare_limit_n and torque_nm <= self.tare_limit_nm):
            raise DeviceError(
                f"A tare may be {self.tare_limit_n:g} N and {self.tare_limit_nm:g} Nm at most, felt are "
                f"{force_n:.3g} N and {torque_nm:.3g} Nm: something touches the tool, or its load is wrong."
            )


@dataclass(frozen=True)
class HandSettings:
    """A hand.

    Attributes:
        host: the arm's address.
        robot: the arm, as in `ArmSettings`: which library drives the hand.
        speed_m_s: of opening and closing.
        force_n: that something is held with.
        grasp_width_m: closing to this width or less is a grasp.
        turn_s: between two changes of direction at least; a command that comes sooner waits.
        is_homed: whether the hand is to find its widest opening at the start, which moves it.
        connect_timeout_s: how long a hand that refuses is asked again.

    Raises:
        ConfigError: a value is out of range.
        UnknownNameError: no such robot.
    """

    host: str = "172.16.0.2"
    robot: str = "fr3"
    speed_m_s: float = 0.1
    force_n: float = 40.0
    grasp_width_m: float = 0.01
    turn_s: float = 0.6
    is_homed: bool = False
    connect_timeout_s: float = 3.0

    def __post_init__(self) -> None:
        if self.robot not in ROBOTS:
            raise UnknownNameError("robot", self.robot, ROBOTS)
        for name in ("speed_m_s", "force_n", "connect_timeout_s"):
            if not getattr(self, name) > 0.0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}.")
        for name in ("turn_s", "grasp_width_m"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name} must be finite and not negative, got {getattr(self, name)}.")
