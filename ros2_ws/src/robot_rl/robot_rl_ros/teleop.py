"""The device of a person who corrects the robot, as a process."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rclpy.node import Node

from robot_rl.clock import Clock
from robot_rl.errors import ConfigError
from robot_rl.robot.protocols import Teleop
from robot_rl.runtime.config import TeleopConfig
from robot_rl_ros import process
from robot_rl_ros.clock import NodeClock, every
from robot_rl_ros.devices.foreign_hand import JoyHand, TwistHand
from robot_rl_ros.nodes.teleop import TeleopNode


@contextmanager
def opened(config: TeleopConfig, node: Node, clock: Clock) -> Iterator[Teleop]:
    """The device of a configuration; `node` listens where it is somebody else's.

    Raises:
        ConfigError: it is no real person's device.
        SetupError: a library is missing.
        DeviceError: the keyboard has no terminal.
    """
    if config.kind == "joy":
        yield JoyHand(node, clock, config.joy)
    elif config.kind == "twist":
        yield TwistHand(node, clock, config.twist)
    elif config.kind == "spacemouse":
        from robot_rl_hardware.spacemouse import SpaceMouse

        mouse = config.spacemouse
        with SpaceMouse(clock, mouse.axes, mouse.buttons, mouse.devices, mouse.silence_s) as device:
            yield device
    elif config.kind == "gamepad":
        from robot_rl_hardware.gamepad import Gamepad

        pad = config.gamepad
        with Gamepad(clock, pad.axes, pad.buttons, pad.device, pad.hold_s) as gamepad:
            yield gamepad
    elif config.kind == "keyboard":
        from robot_rl_hardware.keyboard import Keyboard

        with Keyboard(clock, config.keyboard.strength, config.keyboard.release_s) as keyboard:
            yield keyboard
    else:
        raise ConfigError(
            f"teleop={config.kind} is no device; choose one of: gamepad, joy, keyboard, spacemouse, twist."
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the device until told to end."""
    with process.started(__doc__, arguments) as config:
        config.check_device()
        listener = Node("teleop_source", start_parameter_services=False)
        clock = NodeClock(listener)
        with opened(config.teleop, listener, clock) as device:
            teleop = TeleopNode(device, clock, is_scripted=False)
            every(teleop, 1.0 / config.task.episode.teleop_rate_hz, teleop.publish)
            process.serve([listener, teleop])
    return 0


if __name__ == "__main__":
    sys.exit(main())
