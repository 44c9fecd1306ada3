"""The controller of the Franka Hand: homing, moves and grasps in simulated time."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from robot_rl.sim import franka
from robot_rl_hardware.fci_sim.plant import PERIOD_S, Plant

FULL_FORCE_N: Final = 70.0
FULL_SPEED_M_S: Final = 0.1
TOLERANCE_M: Final = 0.001
_STILL_M_S: Final = 1e-3
_STILL_MS: Final = 50
_BLOCKED_M: Final = 0.005
"""The fingers lag behind a moving target by less than this."""


class HandStatus(enum.IntEnum):
    """What came of a command, as the wire says it."""

    SUCCESS = 0
    FAIL = 1
    UNSUCCESSFUL = 2
    ABORTED = 3


@dataclass(frozen=True)
class Grasp:
    """What counts as having it between the fingers.

    Attributes:
        width_m: of the object.
        epsilon_inner_m, epsilon_outer_m: how much smaller and larger it may be.
        force_n: to squeeze it with.
    """

    width_m: float
    epsilon_inner_m: float
    epsilon_outer_m: float
    force_n: float

    def fits(self, width_m: float) -> bool:
        """Whether the fingers at this opening have the object between them."""
        return self.width_m - self.epsilon_inner_m < width_m < self.width_m + self.epsilon_outer_m


class Hand:
    """Moves the plant's fingers; one command at a time, each with a function that is told how it ended."""

    max_width_m: Final = franka.MAX_GRIPPER_WIDTH_M

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._width_m = min(max(plant.width_m, 0.0), self.max_width_m)  # that the fingers are pulled to
        self._force_n = FULL_FORCE_N
        self._speed_m_s = FULL_SPEED_M_S
        self._goals_m: list[float] = []
        self._grasp: Grasp | None = None
        self._tell: Callable[[HandStatus], None] | None = None
        self._still_ms = 0
        plant.before_step.append(self._advance)

    @property
    def width_m(self) -> float:
        """Present opening [m]."""
        return min(max(self._plant.width_m, 0.0), self.max_width_m)

    @property
    def is_moving(self) -> bool:
        """Whether a command is under way."""
        return self._tell is not None

    @property
    def is_grasping(self) -> bool:
        """Whether an object is held, as far as the opening tells."""
        return self._grasp is not None and not self.is_moving and self._grasp.fits(self.width_m)

    def home(self, tell: Callable[[HandStatus], None]) -> None:
        """Close and open fully."""
        self._begin([0.0, self.max_width_m], FULL_SPEED_M_S, None, tell)

    def move(self, width_m: float, speed_m_s: float, tell: Callable[[HandStatus], None]) -> None:
        """Open or close to a width."""
        if 0.0 <= width_m <= self.max_width_m and speed_m_s > 0.0:
            self._begin([width_m], speed_m_s, None, tell)
        else:
            tell(HandStatus.FAIL)

    def grasp(self, grasp: Grasp, speed_m_s: float, tell: Callable[[HandStatus], None]) -> None:
        """Close until something is between the fingers."""
        if 0.0 <= grasp.width_m <= self.max_width_m and speed_m_s > 0.0 and grasp.force_n > 0.0:
            self._begin([0.0], speed_m_s, grasp, tell)
        else:
            tell(HandStatus.FAIL)

    def stop(self) -> None:
        """Stay where the fingers are; a grasp is not let go."""
        if self.is_moving:
            self._width_m = self.width_m
            self._goals_m.clear()
            self._end(HandStatus.ABORTED)

    def _begin(
        self, goals_m: list[float], speed_m_s: float, grasp: Grasp | None, tell: Callable[[HandStatus], None]
    ) -> None:
        if self.is_moving:
            self._end(HandStatus.ABORTED)
        self._goals_m, self._speed_m_s = goals_m, min(speed_m_s, FULL_SPEED_M_S)
        self._grasp, self._tell = grasp, tell
        self._force_n, self._still_ms = FULL_FORCE_N, 0
        self._width_m = self.width_m

    def _advance(self) -> None:
        """A millisecond is about to pass."""
        if self._goals_m:
            step_m = self._speed_m_s * PERIOD_S
            self._width_m += min(max(self._goals_m[0] - self._width_m, -step_m), step_m)
            is_still = abs(self._plant.finger_speed_m_s) < _STILL_M_S
            self._still_ms = self._still_ms + 1 if is_still else 0
            has_arrived = self._width_m == self._goals_m[0]
            if self._still_ms >= _STILL_MS and (has_arrived or abs(self._width_m - self.width_m) > _BLOCKED_M):
                self._reach()
        self._plant.drive_fingers(self._width_m, self._force_n)

    def _reach(self) -> None:
        """The fingers have come to rest."""
        goal_m = self._goals_m.pop(0)
        self._still_ms = 0
        if self._goals_m:
            return
        grasp = self._grasp
        if grasp is None:
            is_success = abs(self.width_m - goal_m) <= TOLERANCE_M
        else:
            is_success = grasp.fits(self.width_m)
            if is_success:
                self._width_m, self._force_n = 0.0, min(grasp.force_n, FULL_FORCE_N)
        self._end(HandStatus.SUCCESS if is_success else HandStatus.UNSUCCESSFUL)

    def _end(self, status: HandStatus) -> None:
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(status)
