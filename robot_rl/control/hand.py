"""What a person does with a device: which axis and which button means what, and what silence means."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robot_rl.clock import Clock, to_ns
from robot_rl.errors import ConfigError
from robot_rl.geometry import Array
from robot_rl.types import Button, Command

_log = logging.getLogger(__name__)

AxisNumbers = tuple[int | None, int | None, int | None, int | None, int | None, int | None]
AxisScales = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class AxisMap:
    """Which axes of a device push the tool where.

    Attributes:
        numbers: the device's axis for each of (vx, vy, vz, wx, wy, wz) in base axes, counted from 0; None for a
            direction that it cannot push.
        scales: what the six are multiplied with, to be 1 at full deflection; a negative one turns the axis around.
        dead_band: normalised deflection up to which an axis counts as at rest.
    """

    numbers: AxisNumbers = (0, 1, 2, 3, 4, 5)
    scales: AxisScales = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    dead_band: float = 0.0

    def __post_init__(self) -> None:
        if any(number is not None and number < 0 for number in self.numbers):
            raise ConfigError(f"axes are counted from 0, null for none, got {list(self.numbers)}.")
        if not np.isfinite(self.scales).all():
            raise ConfigError(f"scales must be finite, got {list(self.scales)}.")
        if not 0.0 <= self.dead_band < 1.0:
            raise ConfigError(f"dead_band must be at least 0 and less than 1, got {self.dead_band}.")

    @property
    def count(self) -> int:
        """How many axes the device must have."""
        return max((number + 1 for number in self.numbers if number is not None), default=0)

    def to_twist(self, axes: Sequence[float]) -> Array:
        """Normalised deflection (v, omega) in base axes, shape (6,), each in [-1, 1], of at least `count` axes."""
        raw = np.array([0.0 if number is None else axes[number] for number in self.numbers])
        twist = np.clip(raw * self.scales, -1.0, 1.0)
        return np.where(np.abs(twist) > self.dead_band, twist, 0.0)


@dataclass(frozen=True)
class ButtonMap:
    """Which buttons of a device say what, counted from 0; None for what it cannot say.

    Attributes:
        close_gripper, open_gripper: move the gripper while they are down.
        success, failure, abort: end the episode.
        pause: holds the robot until it is pressed again or the person moves.
    """

    close_gripper: int | None = 0
    open_gripper: int | None = 1
    success: int | None = None
    failure: int | None = None
    abort: int | None = None
    pause: int | None = None

    def __post_init__(self) -> None:
        if any(number is not None and number < 0 for number in self._numbers()):
            raise ConfigError(f"buttons are counted from 0, null for none, got {self}.")
        mapped = [number for number in self._numbers() if number is not None]
        if len(set(mapped)) < len(mapped):
            raise ConfigError(f"a button means one thing, null for what none says, got {self}.")

    def _numbers(self) -> tuple[int | None, ...]:
        return self.close_gripper, self.open_gripper, *self._meanings().values()

    def _meanings(self) -> dict[Button, int | None]:
        return {
            Button.SUCCESS: self.success,
            Button.FAILURE: self.failure,
            Button.ABORT: self.abort,
            Button.PAUSE: self.pause,
        }

    def to_gripper(self, down: frozenset[int]) -> float:
        """-1 close, 0 stay, +1 open, for the numbers of the buttons that are down."""
        return float(self.open_gripper in down) - float(self.close_gripper in down)

    def to_buttons(self, numbers: frozenset[int]) -> frozenset[Button]:
        """What these buttons say, beside what they do to the gripper."""
        return frozenset(button for button, number in self._meanings().items() if number in numbers)


class Hand:
    """A device as it was heard last, as a `Command`. One thread may tell it what another asks it for.

    A deflection counts for a while after it was heard: a device that has fallen silent is a device that was let go.
    What was pressed counts once, however short the press and however rare the reading.
    """

    def __init__(self, clock: Clock, axes: AxisMap, buttons: ButtonMap, silence_s: float) -> None:
        """Nothing was heard yet.

        Args:
            clock: of the stamps.
            axes, buttons: what they mean.
            silence_s: how long a deflection, and a button that is down, are believed [s].
        """
        self._clock, self._axes, self._buttons = clock, axes, buttons
        self._silence_ns = to_ns(silence_s)
        self._lock = threading.Lock()
        self._twist = np.zeros(6)
        self._down: frozenset[int] = frozenset()
        self._pressed: frozenset[int] = frozenset()  # since `take` was called
        self._moved_ns: int | None = None
        self._pushed_ns: int | None = None
        self._told: set[str] = set()

    def move(self, axes: Sequence[float]) -> None:
        """The device says where its axes are. What is not finite, or too little, is ignored and told once."""
        if len(axes) < self._axes.count:
            self._tell_once(f"the device has {len(axes)} axes, but axis {self._axes.count - 1} is mapped: ignored")
        elif not np.isfinite(axes).all():
            self._tell_once("the device sends values that are not finite: ignored")
        else:
            with self._lock:
                self._twist, self._moved_ns = self._axes.to_twist(axes), self._clock.now_ns()

    def push(self, states: Sequence[int]) -> None:
        """The device says which of its buttons are down."""
        with self._lock:
            down = frozenset(number for number, is_down in enumerate(states) if is_down)
            self._pressed |= down - self._down
            self._down, self._pushed_ns = down, self._clock.now_ns()

    def let_go(self) -> None:
        """The device is gone."""
        with self._lock:
            self._down = self._pressed = frozenset()
            self._moved_ns = self._pushed_ns = None

    def take(self) -> Command | None:
        """What the person does now, and has pressed since this was asked last; None where that is nothing."""
        with self._lock:
            now_ns = self._clock.now_ns()
            twist = self._twist if self._is_fresh(self._moved_ns, now_ns) else np.zeros(6)
            down = self._down if self._is_fresh(self._pushed_ns, now_ns) else frozenset[int]()
            pressed, self._pressed = self._pressed, frozenset()
        gripper, buttons = self._buttons.to_gripper(down | pressed), self._buttons.to_buttons(pressed)
        if not twist.any() and gripper == 0.0 and not buttons:
            return None
        return Command(twist, now_ns, gripper, buttons)

    def _is_fresh(self, heard_ns: int | None, now_ns: int) -> bool:
        return heard_ns is not None and abs(now_ns - heard_ns) <= self._silence_ns  # the clock may have been set back

    def _tell_once(self, what: str) -> None:
        if what not in self._told:
            self._told.add(what)
            _log.warning(what)
