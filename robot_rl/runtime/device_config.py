"""The configuration of the devices that a person may correct the robot with."""

from __future__ import annotations

from dataclasses import dataclass, field

from robot_rl.control.hand import AxisMap, ButtonMap
from robot_rl.errors import ConfigError


def _check_positive(name: str, value: float, unit: str) -> None:
    if not value > 0.0:
        raise ConfigError(f"{name} must be positive, got {value}{unit}.")


def check_judge(kind: str, buttons: ButtonMap | None) -> None:
    """Raise ConfigError where a person is to judge, and nobody can say success.

    Args:
        kind: of the person's device, or "none".
        buttons: of the device; None where every meaning has a key.
    """
    if kind == "none":
        raise ConfigError(
            "reward=button with teleop=none: nobody is there to say success; choose a device, or who else judges with "
            "reward=classifier or reward=task."
        )
    if buttons is not None and buttons.success is None:
        raise ConfigError(
            f"reward=button, and no button of teleop={kind} says success: name one with "
            f"teleop.{kind}.buttons.success=NUMBER, or who else judges with reward=classifier or reward=task."
        )


def check_grasp(kind: str, buttons: ButtonMap | None, task: str) -> None:
    """Raise ConfigError where a device has no buttons for the gripper of a task that is to be demonstrated."""
    if buttons is not None and None in (buttons.close_gripper, buttons.open_gripper):
        raise ConfigError(
            f"task={task} needs a gripper, and teleop={kind} has no buttons for it: name them with "
            f"teleop.{kind}.buttons.close_gripper=NUMBER and open_gripper."
        )


@dataclass(frozen=True)
class SpaceMouseConfig:
    """One or several SpaceMice, read by this machine.

    Attributes:
        devices: numbers of those that make one device, among the connected ones; with [0, 1] the axes 6 to 11 are
            those of the second.
        axes: x forward, y left, z up, and the rotations about these, are the axes 0 to 5.
        buttons: what they mean.
        silence_s: how long a deflection is believed; the device repeats one that is held [s].
    """

    devices: tuple[int, ...] = (0,)
    axes: AxisMap = field(default_factory=lambda: AxisMap(dead_band=0.05))
    buttons: ButtonMap = field(default_factory=ButtonMap)
    silence_s: float = 0.2

    def __post_init__(self) -> None:
        _check_positive("teleop.spacemouse.silence_s", self.silence_s, " s")
        if not self.devices or min(self.devices) < 0 or len(set(self.devices)) < len(self.devices):
            raise ConfigError(f"teleop.spacemouse.devices must be different numbers from 0, got {list(self.devices)}.")


@dataclass(frozen=True)
class JoyConfig:
    """Whoever publishes sensor_msgs/Joy, such as the node of a gamepad.

    Attributes:
        topic: where.
        axes: what they mean; by default the sticks of a gamepad: left forward and sideways, right up and yaw.
        buttons: what they mean; by default A close, B open, X failure, Y success, back abort, start pause.
        silence_s: how long a deflection is believed: the publisher must repeat one that is held more often [s].
    """

    topic: str = "joy"
    axes: AxisMap = field(default_factory=lambda: AxisMap((1, 0, 4, None, None, 3), dead_band=0.1))
    buttons: ButtonMap = field(default_factory=lambda: ButtonMap(0, 1, success=3, failure=2, abort=6, pause=7))
    silence_s: float = 0.2

    def __post_init__(self) -> None:
        _check_positive("teleop.joy.silence_s", self.silence_s, " s")


@dataclass(frozen=True)
class GamepadConfig:
    """A gamepad, read by this machine.

    Attributes:
        device: file of the device.
        axes: what they mean; by default the sticks: left forward and sideways, right up and yaw.
        buttons: what they mean; by default A close, B open, X failure, Y success, back abort, start pause.
        hold_s: how long sticks that do not move at all, and a button that is down, are believed; the device speaks only
            of changes [s].
    """

    device: str = "/dev/input/js0"
    axes: AxisMap = field(default_factory=lambda: AxisMap((1, 0, 4, None, None, 3), dead_band=0.1))
    buttons: ButtonMap = field(default_factory=lambda: ButtonMap(0, 1, success=3, failure=2, abort=6, pause=7))
    hold_s: float = 3.0

    def __post_init__(self) -> None:
        _check_positive("teleop.gamepad.hold_s", self.hold_s, " s")


@dataclass(frozen=True)
class TwistConfig:
    """Whoever publishes geometry_msgs/Twist or TwistStamped, such as spacenav.

    Attributes:
        topic: where.
        is_stamped: whether TwistStamped comes there.
        axes: the components (vx, vy, vz, wx, wy, wz) of the twist are the axes 0 to 5; the scales make them 1 at full
            deflection.
        buttons_topic: where the Joy of the device's buttons comes; "" where it has none.
        buttons: what they mean.
        silence_s: how long a deflection is believed. A publisher that speaks only when something changes, is believed
            that long after each change: a hand trembles, but what holds perfectly still is let go [s].
    """

    topic: str = "spacenav/twist"
    is_stamped: bool = False
    axes: AxisMap = field(default_factory=lambda: AxisMap(dead_band=0.05))
    buttons_topic: str = "spacenav/joy"
    buttons: ButtonMap = field(default_factory=ButtonMap)
    silence_s: float = 0.2

    def __post_init__(self) -> None:
        _check_positive("teleop.twist.silence_s", self.silence_s, " s")


@dataclass(frozen=True)
class KeyboardConfig:
    """The keyboard of the terminal that the teleop process runs in.

    Attributes:
        strength: deflection of a key, normalised.
        release_s: how long a key takes to fade; it bridges the time between two repetitions [s].
    """

    strength: float = 0.5
    release_s: float = 0.4

    def __post_init__(self) -> None:
        _check_positive("teleop.keyboard.release_s", self.release_s, " s")
        if not 0.0 < self.strength <= 1.0:
            raise ConfigError(f"teleop.keyboard.strength must be in (0, 1], got {self.strength}.")
