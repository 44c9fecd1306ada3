"""The robot: one arm, at most one gripper, and named cameras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from robot_rl.robot.protocols import Arm, Camera, Gripper
from robot_rl.types import ArmState, Reason, RobotCommand, StopRecord


@dataclass(frozen=True)
class RobotReading:
    """What all devices say at one moment.

    Attributes:
        state: of the arm.
        width_m: opening of the gripper; 0 without one.
        images: name -> RGB uint8 (H, W, 3).
        image_stamps_ns: name -> the moment of that picture.
    """

    state: ArmState
    width_m: float
    images: Mapping[str, NDArray[np.uint8]]
    image_stamps_ns: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Robot:
    """The devices of one robot, composed."""

    arm: Arm
    gripper: Gripper | None = None
    cameras: Mapping[str, Camera] = field(default_factory=dict)

    @property
    def max_width_m(self) -> float:
        """Largest opening of the gripper [m]; 0 without one."""
        return self.gripper.max_width() if self.gripper else 0.0

    def observe(self) -> RobotReading:
        """Read every device once."""
        pictures = {name: camera.read() for name, camera in self.cameras.items()}
        return RobotReading(
            state=self.arm.state(),
            width_m=self.gripper.width() if self.gripper else 0.0,
            images={name: image for name, (_, image) in pictures.items()},
            image_stamps_ns={name: stamp_ns for name, (stamp_ns, _) in pictures.items()},
        )

    def apply(self, command: RobotCommand) -> None:
        """Send one command, already made safe, to the arm and the gripper.

        Raises:
            StoppedError: the arm is stopped.
        """
        self.arm.set_equilibrium_pose(command.pose, command.stamp_ns)
        if command.width_m is not None and self.gripper is not None:
            self.gripper.set_width(command.width_m)

    def stop(self, reason: Reason = Reason.REQUESTED, detail: str = "") -> StopRecord:
        """Stop the arm softly; the gripper keeps its grasp."""
        return self.arm.stop(reason, detail)
