"""A gripper that knows its arm."""

from __future__ import annotations

from robot_rl.robot.protocols import Arm, Gripper
from robot_rl.types import check_not_stopped


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
        check_not_stopped(self._arm.state().stop)
        self._gripper.set_width(width_m)
