"""The devices as the rest of the project sees them. Constructors store; only these verbs act.

Fakes, simulated devices, drivers and ROS proxies all implement these, and all pass the contract tests in
`tests/contracts.py`.
"""

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from robot_rl.geometry import Array, Pose
from robot_rl.types import ArmState, Command, Reason, StopRecord


@runtime_checkable
class Arm(Protocol):
    """A Cartesian-impedance-controlled arm: a spring pulls its TCP to the equilibrium pose."""

    def state(self) -> ArmState:
        """Newest state."""
        ...

    def set_equilibrium_pose(self, pose: Pose, stamp_ns: int) -> None:
        """Move the spring's rest pose (T_base_tcp) there within one policy period after `stamp_ns`.

        Raises:
            StoppedError: the arm is stopped.
            SpecError: the pose is not finite.
        """
        ...

    def set_impedance(self, preset: str) -> None:
        """Change to a named impedance preset; stiffness moves there smoothly.

        Raises:
            UnknownNameError: no such preset.
        """
        ...

    def stop(self, reason: Reason = Reason.REQUESTED, detail: str = "") -> StopRecord:
        """Hold softly where the arm is now and refuse motion. The first stop's record is kept and returned."""
        ...

    def recover(self) -> None:
        """Allow motion again, from the present pose."""
        ...


@runtime_checkable
class SustainedArm(Arm, Protocol):
    """An arm whose driver stops it when nobody says for a while that its newest equilibrium pose is still wanted."""

    def sustain(self) -> None:
        """It is still wanted."""
        ...


@runtime_checkable
class PosturedArm(Arm, Protocol):
    """An arm with more joints than the pose of its tool needs, whose null space pulls to a posture."""

    def set_posture(self, joint_positions: Array) -> None:
        """Have the null space return to these joint positions [rad], shape (7,); the tool stays where it is commanded.

        Raises:
            SpecError: another shape, not finite, or beyond the joints' limits.
        """
        ...


@runtime_checkable
class TaredArm(Arm, Protocol):
    """An arm that estimates its external wrench, and can be told what it feels when nothing touches it."""

    def tare(self) -> bool:
        """Take what is felt now, at rest and in free space, off the wrench from now on; it replaces the last one.

        Returns:
            False, and nothing is taken, while the arm was not at rest for a moment.

        Raises:
            StoppedError: the arm is stopped.
            DeviceError: it feels too much: it is touched, or its load is wrong.
        """
        ...


@runtime_checkable
class Gripper(Protocol):
    """A parallel gripper."""

    def width(self) -> float:
        """Present opening [m]."""
        ...

    def max_width(self) -> float:
        """Largest opening [m]."""
        ...

    def set_width(self, width_m: float) -> None:
        """Start moving to an opening [m], clipped to what is possible; does not wait."""
        ...


@runtime_checkable
class Camera(Protocol):
    """A colour camera."""

    def read(self) -> tuple[int, NDArray[np.uint8]]:
        """(stamp_ns of the exposure, RGB image (H, W, 3)) of the newest frame."""
        ...


@runtime_checkable
class Teleop(Protocol):
    """A device, or a scripted person, that may correct the robot."""

    def reset(self, seed: int | None = None) -> None:
        """An episode starts; a simulated person draws what they do in it from `seed`."""
        ...

    def read(self) -> Command | None:
        """What the person does now; None when nothing is connected or the person does nothing."""
        ...
