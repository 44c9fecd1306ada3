"""Normalised actions and what they mean for the robot, in both directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robot_rl.errors import ActionError, ConfigError
from robot_rl.geometry import Array, Pose, quaternion_exp, quaternion_log, quaternion_multiply

ActionFrame = Literal["tcp", "base"]
ActionReference = Literal["measured", "command"]

GRIPPER_THRESHOLD = 0.5
"""|gripper action| beyond which the gripper moves; below, it stays (three-way, as in HIL-SERL)."""


@dataclass(frozen=True)
class ActionMap:
    """Maps (v, omega[, gripper]) in [-1, 1] to an equilibrium pose and a gripper width, and back.

    The action is a delta pose of the TCP: translation and rotation of the same point, so that changing its axes is
    block-diag(R, R), never the adjoint.

    Attributes:
        translation_scale_m: translation of a full deflection [m].
        rotation_scale_rad: rotation angle of a full deflection [rad].
        max_width_m: gripper width of "open"; None when the task has no gripper action (6-D).
        frame: axes of the action, those of the TCP or of the base.
        reference: what the delta is added to, the measured pose or the last commanded one.
    """

    translation_scale_m: float
    rotation_scale_rad: float
    max_width_m: float | None = None
    frame: ActionFrame = "tcp"
    reference: ActionReference = "measured"

    def __post_init__(self) -> None:
        for name, value, valid in (
            ("frame", self.frame, ("tcp", "base")),
            ("reference", self.reference, ("measured", "command")),
        ):
            if value not in valid:
                raise ConfigError(f"action {name} must be one of {', '.join(valid)}, got {value!r}.")
        if not (self.translation_scale_m > 0.0 and self.rotation_scale_rad > 0.0):
            raise ConfigError(
                f"action scales must be positive, got {self.translation_scale_m} m, {self.rotation_scale_rad} rad."
            )
        if self.max_width_m is not None and not self.max_width_m > 0.0:
            raise ConfigError(f"a gripper action needs a gripper that opens, got max_width_m={self.max_width_m}.")

    @property
    def action_size(self) -> int:
        """6, or 7 with a gripper."""
        return 6 if self.max_width_m is None else 7

    def validate(self, action: ArrayLike) -> NDArray[np.float32]:
        """Return a float32 copy of shape (A,); its values may still be out of range or not finite.

        Raises:
            ActionError: wrong shape, or not numbers.
        """
        try:
            given = np.asarray(action)
        except ValueError as error:
            raise ActionError(f"action must be {self.action_size} numbers, got {action!r}.") from error
        if given.dtype.kind not in "biuf":  # of None, NumPy would make nan
            raise ActionError(f"action must be {self.action_size} numbers, got {action!r}.")
        array = given.astype(np.float32)
        if array.shape != (self.action_size,):
            raise ActionError(f"action must have shape ({self.action_size},), got {array.shape}.")
        return array

    def to_pose(self, action: ArrayLike, reference: Pose) -> Pose:
        """Equilibrium pose T_base_tcp of an action applied to the reference pose T_base_tcp."""
        delta = np.asarray(action, dtype=np.float64)
        translation = self.translation_scale_m * delta[:3]
        rotation = quaternion_exp(self.rotation_scale_rad * delta[3:6])
        if self.frame == "tcp":
            return Pose(
                reference.position + reference.rotation @ translation,
                quaternion_multiply(reference.quaternion, rotation),
            )
        return Pose(reference.position + translation, quaternion_multiply(rotation, reference.quaternion))

    def to_width(self, action: ArrayLike) -> float | None:
        """Gripper width [m] that an action asks for; None to leave the gripper alone."""
        if self.max_width_m is None:
            return None
        gripper = float(np.asarray(action)[6])
        if gripper > GRIPPER_THRESHOLD:
            return self.max_width_m
        return 0.0 if gripper < -GRIPPER_THRESHOLD else None

    def to_action(self, pose: Pose, reference: Pose, width_m: float | None = None) -> NDArray[np.float32]:
        """Action that leads from the reference to an equilibrium pose and width: the inverse of the two above.

        The result is clipped into the box along its direction; shape (A,).
        """
        relative = reference.inverse() @ pose
        if self.frame == "tcp":
            translation, rotation = relative.position, relative.rotation_vector
        else:
            translation = pose.position - reference.position
            rotation = quaternion_log(
                quaternion_multiply(pose.quaternion, reference.quaternion * np.array([-1.0, -1.0, -1.0, 1.0]))
            )
        action = np.zeros(self.action_size, np.float32)
        action[:3] = shrink_into_box(translation / self.translation_scale_m)
        action[3:6] = shrink_into_box(rotation / self.rotation_scale_rad)
        if self.max_width_m is not None and width_m is not None:
            action[6] = 1.0 if width_m > 0.5 * self.max_width_m else -1.0
        return action

    def from_twist_base(self, twist_base: ArrayLike, reference: Pose, gripper: float = 0.0) -> NDArray[np.float32]:
        """Action of a person's normalised deflection (v, omega) in base axes; shape (A,).

        A deflection turned into TCP axes can leave the box; it is then shortened, not bent, so that prior data
        never lies where a tanh policy has no support.
        """
        twist = np.asarray(twist_base, dtype=np.float64)
        rotation = reference.rotation.T if self.frame == "tcp" else np.eye(3)
        action = np.zeros(self.action_size, np.float32)
        action[:3] = shrink_into_box(rotation @ twist[:3])
        action[3:6] = shrink_into_box(rotation @ twist[3:])
        if self.max_width_m is not None:
            action[6] = np.clip(gripper, -1.0, 1.0)
        return action


def shrink_into_box(vector: Array) -> Array:
    """Scale a vector down until every element is in [-1, 1]; its direction stays."""
    largest = float(np.max(np.abs(vector)))
    return vector / largest if largest > 1.0 else vector
