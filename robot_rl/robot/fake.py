"""Devices without physics, for tests and for trying a loop without a robot."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from robot_rl.clock import Clock
from robot_rl.errors import SpecError, UnknownNameError
from robot_rl.geometry import Pose
from robot_rl.types import ArmState, Command, Reason, StopRecord, check_not_stopped

TOOL_DOWN = Pose(np.array([0.5, 0.0, 0.2]), np.array([1.0, 0.0, 0.0, 0.0]))
"""TCP half a metre in front of the base, z axis down."""


class FakeArm:
    """Stands at its equilibrium pose at once."""

    def __init__(
        self, clock: Clock, pose: Pose = TOOL_DOWN, presets: tuple[str, ...] = ("compliant", "insertion")
    ) -> None:
        self._clock = clock
        self._pose = pose
        self._presets = presets
        self._stop: StopRecord | None = None
        self.preset = presets[0]
        self.wrench = np.zeros(6)

    def state(self) -> ArmState:
        """State at the present time."""
        stamp_ns, wrench = self._clock.now_ns(), np.array(self.wrench, dtype=np.float64)
        return ArmState(stamp_ns, np.zeros(7), np.zeros(7), np.zeros(7), self._pose, np.zeros(6), wrench, self._stop)

    def set_equilibrium_pose(self, pose: Pose, stamp_ns: int) -> None:
        """Jump there."""
        del stamp_ns
        check_not_stopped(self._stop)
        if not np.isfinite(pose.to_vector()).all():
            raise SpecError(f"equilibrium pose must be finite, got {pose}.")
        self._pose = pose

    def set_impedance(self, preset: str) -> None:
        """Remember the preset's name."""
        if preset not in self._presets:
            raise UnknownNameError("impedance preset", preset, self._presets)
        self.preset = preset

    def stop(self, reason: Reason = Reason.REQUESTED, detail: str = "") -> StopRecord:
        """Refuse motion until `recover`."""
        if self._stop is None:
            self._stop = StopRecord(reason, detail, self._clock.now_ns())
        return self._stop

    def recover(self) -> None:
        """Allow motion again."""
        self._stop = None


class FakeGripper:
    """Opens and closes at once."""

    def __init__(self, max_width_m: float = 0.08) -> None:
        self._max_width_m = max_width_m
        self._width_m = max_width_m

    def width(self) -> float:
        """Present opening [m]."""
        return self._width_m

    def max_width(self) -> float:
        """Largest opening [m]."""
        return self._max_width_m

    def set_width(self, width_m: float) -> None:
        """Jump to the nearest possible opening [m]."""
        if not np.isfinite(width_m):
            raise SpecError(f"gripper width must be finite, got {width_m}.")
        self._width_m = float(np.clip(width_m, 0.0, self._max_width_m))


class FakeCamera:
    """Shows a gradient that moves with time."""

    def __init__(self, clock: Clock, height: int = 128, width: int = 128) -> None:
        self._clock = clock
        ramp = np.arange(height * width * 3, dtype=np.int64).reshape(height, width, 3)
        self._ramp = ramp

    def read(self) -> tuple[int, NDArray[np.uint8]]:
        """(stamp_ns, image) of the present time."""
        stamp_ns = self._clock.now_ns()
        return stamp_ns, ((self._ramp + stamp_ns // 1_000_000) % 256).astype(np.uint8)


class FakeTeleop:
    """Plays back a list of commands, one a read; then nothing."""

    def __init__(self, commands: list[Command | None] | None = None) -> None:
        self._script = list(commands or [])
        self._queue: deque[Command | None] = deque(self._script)

    def reset(self, seed: int | None = None) -> None:
        """Start the list again."""
        del seed
        self._queue = deque(self._script)

    def read(self) -> Command | None:
        """Next command of the list."""
        return self._queue.popleft() if self._queue else None
