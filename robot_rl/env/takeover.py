"""When a person has the robot: decided from their device alone. Used by `RobotEnv` and nobody else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robot_rl.clock import Clock, to_ns
from robot_rl.control.action_map import ActionMap
from robot_rl.geometry import Pose
from robot_rl.robot.protocols import Teleop
from robot_rl.types import Button

MAX_COMMAND_AGE_S = 0.2
"""A device that has fallen silent must not keep the robot moving."""


class Takeover:
    """Starts with the first motion beyond the dead band, or, where the task has a gripper action, a button of it.

    It ends when that has been still a while.

    The pause button takes the robot from policy and person both, until it is pressed again or the person begins to
    move: motion counts after the hand was still for the hold time, since pressing a button nudges the device.

    Attributes:
        buttons: pressed since the reset, without the pause.
        is_paused: whether the robot is to hold.
    """

    def __init__(self, teleop: Teleop | None, clock: Clock, dead_band: float, hold_s: float) -> None:
        self._teleop, self._clock = teleop, clock
        self._dead_band, self._hold_ns = dead_band, to_ns(hold_s)
        self._until_ns = self._read_ns = -1
        self._is_pause_down = False
        self.buttons: frozenset[Button] = frozenset()
        self.is_paused = False

    def reset(self, seed: int | None = None) -> None:
        """An episode starts: nobody has taken over, or paused."""
        self._until_ns = -1
        self._is_pause_down = self.is_paused = False
        self.buttons = frozenset()
        if self._teleop is not None:
            self._teleop.reset(seed)

    def read(self, action_map: ActionMap, reference: Pose) -> NDArray[np.float32] | None:
        """The person's action now, or None while they do not have the robot. Collects buttons on the way.

        Args:
            action_map: makes an action of the deflection.
            reference: pose T_base_tcp that the action will be added to; its axes are the action's.
        """
        if self._teleop is None:
            return None
        now_ns = self._clock.now_ns()
        command, read_ns = self._teleop.read(), self._read_ns
        twist, gripper, is_active = np.zeros(6), 0.0, False
        pressed = frozenset[Button]()
        if command is not None:
            self._read_ns = command.stamp_ns
            is_present = abs(now_ns - command.stamp_ns) <= to_ns(MAX_COMMAND_AGE_S)
            # A press is never too old, unless it is what a device that has died says again and again.
            pressed = command.buttons if is_present or command.stamp_ns != read_ns else pressed
            command = command if is_present else None
        self.buttons |= pressed - {Button.PAUSE}
        if command is not None:
            is_finite = bool(np.isfinite(command.twist_base).all() and np.isfinite(command.gripper))
            is_gripping = command.gripper != 0.0 and action_map.max_width_m is not None
            if is_finite and (is_gripping or np.abs(command.twist_base).max() > self._dead_band):
                twist, gripper, is_active = command.twist_base, command.gripper, True
        self._note_pause(Button.PAUSE in pressed, is_active, now_ns)
        if is_active:
            self._until_ns = now_ns + self._hold_ns
        if self.is_paused or (not is_active and not self._is_held(now_ns)):
            return None
        return action_map.from_twist_base(twist, reference, gripper)

    def _is_held(self, now_ns: int) -> bool:
        """Whether the hand was not still for the hold time yet; not where the clock was set back meanwhile."""
        return 0 < self._until_ns - now_ns <= self._hold_ns

    def _note_pause(self, is_down: bool, is_active: bool, now_ns: int) -> None:
        """Begin or end a pause. A button that stays down is pressed once."""
        if is_down and not self._is_pause_down:
            self.is_paused = not self.is_paused
            self._until_ns = now_ns + self._hold_ns if self.is_paused else -1
        elif is_active and not self._is_held(now_ns):
            self.is_paused = False
        self._is_pause_down = is_down
