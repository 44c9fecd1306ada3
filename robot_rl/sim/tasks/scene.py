"""How hard a task is: the ranges from which its scenes are drawn."""

from __future__ import annotations

from dataclasses import dataclass, fields

from robot_rl.errors import ConfigError


@dataclass(frozen=True)
class SceneConfig:
    """Ranges of a scene; every value is drawn uniformly from +- its range. The defaults are the standard peg's.

    Attributes:
        clearance_m: gap between part and hole, on each side.
        chamfer_m: 45 degree bevel of the hole's rim.
        target_position_range_m: of the target about its nominal place, x and y.
        target_yaw_range_rad: of the target.
        estimate_position_error_m: what the policy is told is wrong by up to this on every axis, for the whole episode.
        estimate_yaw_error_rad: and by this about the vertical.
        in_hand_position_error_m: offset of the part in the fingers on every axis; the policy is not told.
        in_hand_rotation_error_rad: rotation of the part in the fingers about every axis; the policy is not told.
        start_lateral_range_m: start of the tool beside the target, x and y.
        start_height_range_m: (lowest, highest) start of the tool above the target.
        start_tilt_range_rad: rotation of the tool at the start about every axis.
    """

    clearance_m: float = 0.0005
    chamfer_m: float = 0.001
    target_position_range_m: float = 0.03
    target_yaw_range_rad: float = 0.1745
    estimate_position_error_m: float = 0.00075
    estimate_yaw_error_rad: float = 0.01745
    in_hand_position_error_m: float = 0.0005
    in_hand_rotation_error_rad: float = 0.01745
    start_lateral_range_m: float = 0.03
    start_height_range_m: tuple[float, float] = (0.03, 0.06)
    start_tilt_range_rad: float = 0.08

    def __post_init__(self) -> None:
        if not self.clearance_m > 0.0:
            raise ConfigError(f"clearance_m must be positive, got {self.clearance_m}.")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "start_height_range_m" and not value >= 0.0:
                raise ConfigError(f"{field.name} must not be negative, got {value}.")
        low_m, high_m = self.start_height_range_m
        if not low_m <= high_m:
            raise ConfigError(f"start_height_range_m must be (lowest, highest), got {self.start_height_range_m}.")
