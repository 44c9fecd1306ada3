"""A gripper that knows its arm."""

from __future__ import annotations

from robot_rl.errors import StoppedError
from robot_rl.robot.protocols import Arm, Gripper


class GuardedGripper:
    """Refuses to move while the arm is stopped, so that nothing is dropped; for a hand that does not know its arm."""

    def __init__(self, gripper: Gripper, arm: Arm) -> None:
        self._gripper, self._arm = gripper, arm

    def width(self) -> float:
        """Present opening [m]."""
        return self._gripper.width()

    def max_width(self) -> float:
        """Largest opening [m]."""
        return self._gripper.max_width()

    def set_width(self, width_m: float) -> None:
        """Start moving to an opening [m].

        Raises:
            StoppedError: the arm is stopped.
        """
        stop = self._arm.state().stop
        if stop is not None:
            raise StoppedError(f"The arm is stopped ({stop.reason.value}: {stop.detail}); call recover() first.")
        self._gripper.set_width(width_m)
