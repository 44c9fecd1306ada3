"""What is at the flange of an arm without a gripper."""

from __future__ import annotations

from robot_rl.errors import DeviceError


class FixedGripper:
    """A tool that is bolted on."""

    def width(self) -> float:
        """Nothing is open [m]."""
        return 0.0

    def max_width(self) -> float:
        """Nothing opens [m]."""
        return 0.0

    def set_width(self, width_m: float) -> None:
        """There is nothing to move.

        Raises:
            DeviceError: always.
        """
        raise DeviceError(f"There is no gripper that could open to {width_m} m.")
