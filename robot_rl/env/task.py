"""What a task is to the environment: how it starts, what is known of it, when it has succeeded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from robot_rl.control.action_map import ActionFrame, ActionReference
from robot_rl.errors import ConfigError
from robot_rl.geometry import Array
from robot_rl.robot.robot import RobotReading
from robot_rl.types import Outcome


class Task(Protocol):
    """One task on one robot."""

    @property
    def name(self) -> str:
        """Name in the configuration."""
        ...

    @property
    def estimate_size(self) -> int:
        """Number of values of the task estimate."""
        ...

    def estimate(self, reading: RobotReading) -> Array:
        """What is known of the target, relative to the tool: independent of where the base stands."""
        ...

    def evaluate(self, reading: RobotReading) -> Outcome:
        """Judge the present situation."""
        ...


@dataclass(frozen=True)
class EpisodeConfig:
    """How the environment runs a task.

    Attributes:
        rate_hz: control steps per second.
        step_limit: steps after which the episode is truncated.
        translation_scale_m, rotation_scale_rad: a full deflection of the action.
        has_gripper: whether the action has a seventh element for the gripper.
        action_frame, action_reference: see `ActionMap`.
        impedance: preset while the policy acts.
        box_lower_m, box_upper_m, max_tilt_rad, max_force_n: see `SafetyLimits`.
        teleop_rate_hz: how often a person's device is read.
        takeover_dead_band: deflection from which a person takes over.
        takeover_hold_s: time without motion after which they have handed back.
        max_image_age_s: older pictures are those of a camera that has frozen: the arm stops.
    """

    rate_hz: float = 10.0
    step_limit: int = 100
    translation_scale_m: float = 0.01
    rotation_scale_rad: float = 0.06
    has_gripper: bool = False
    action_frame: ActionFrame = "tcp"
    action_reference: ActionReference = "measured"
    impedance: str = "insertion"
    box_lower_m: tuple[float, float, float] = (0.3, -0.3, 0.005)
    box_upper_m: tuple[float, float, float] = (0.7, 0.3, 0.5)
    max_tilt_rad: float = 0.35
    max_force_n: float = 60.0
    teleop_rate_hz: float = 100.0
    takeover_dead_band: float = 0.05
    takeover_hold_s: float = 0.3
    max_image_age_s: float = 0.5

    def __post_init__(self) -> None:
        for name in ("rate_hz", "teleop_rate_hz", "max_force_n", "max_image_age_s"):
            if not getattr(self, name) > 0.0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}.")
        if self.step_limit < 1:
            raise ConfigError(f"step_limit must be at least 1, got {self.step_limit}.")
        if not self.takeover_hold_s >= 0.0:
            raise ConfigError(f"takeover_hold_s must not be negative, got {self.takeover_hold_s}.")
        if not 0.0 <= self.takeover_dead_band < 1.0:  # a full deflection is 1: nobody could take over
            raise ConfigError(f"takeover_dead_band must be at least 0 and below 1, got {self.takeover_dead_band}.")
        if not 0.0 < self.max_tilt_rad <= math.pi:
            raise ConfigError(f"max_tilt_rad must be above 0 and at most pi, got {self.max_tilt_rad}.")
        if not np.all(np.asarray(self.box_lower_m) < np.asarray(self.box_upper_m)):
            raise ConfigError(f"box_lower_m must lie below box_upper_m, got {self.box_lower_m}, {self.box_upper_m}.")
