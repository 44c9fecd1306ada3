"""The choice of how robot and scene come to the start of an episode."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from robot_rl.control.safety import SafetyLimits
from robot_rl.errors import ConfigError


@dataclass(frozen=True)
class ResetConfig:
    """How robot and scene come to the start of an episode.

    Attributes:
        kind: "teleport" (simulation only, takes no simulated time), "scripted" (lets go, lifts, goes above the start,
            lowers, as a real robot does) or "backward_policy" (a trained policy undoes the task first; where it fails,
            the script does).
        timeout_s: after which the arm is stopped.
        lift_m: how far the script pulls back along the tool's axis.
        speed_m_s, speed_rad_s: of the script's moves.
        settle_s: rest at the start, and after the gripper has opened.
        start_half_m: half of the edges (x, y, z; base axes) of the box around the task's start pose in which an episode
            starts, drawn from its seed.
        start_half_yaw_rad: likewise, the largest turn about the vertical.
        posture_every: how many episodes lie, on average, between two returns of the elbow to `posture_rad`; 0 for
            never. Which they are follows from their seeds.
        posture_rad: seven joint angles; the default is the robot's "ready" pose.
        policy: folder of the run whose policy undoes the task; its own task says when it has.
    """

    kind: Literal["teleport", "scripted", "backward_policy"] = "teleport"
    timeout_s: float = 60.0
    lift_m: float = 0.1
    speed_m_s: float = 0.2
    speed_rad_s: float = 1.0
    settle_s: float = 0.5
    start_half_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    start_half_yaw_rad: float = 0.0
    posture_every: int = 0
    posture_rad: tuple[float, ...] = (0.0, -math.pi / 4, 0.0, -3 * math.pi / 4, 0.0, math.pi / 2, math.pi / 4)
    policy: str | None = None

    def __post_init__(self) -> None:
        for name in ("timeout_s", "lift_m", "settle_s"):
            if not getattr(self, name) > 0.0:
                raise ConfigError(f"reset.{name} must be positive, got {getattr(self, name)}.")
        for name, limit in (("speed_m_s", SafetyLimits.max_speed_m_s), ("speed_rad_s", SafetyLimits.max_speed_rad_s)):
            if not 0.0 < getattr(self, name) <= limit:  # the filter would hold back the arm, and the script not notice
                raise ConfigError(f"reset.{name} must lie in (0, {limit}], got {getattr(self, name)}.")
        if min(*self.start_half_m, self.start_half_yaw_rad) < 0.0:
            raise ConfigError(
                f"reset.start_half_m and start_half_yaw_rad must not be negative, got {self.start_half_m} and "
                f"{self.start_half_yaw_rad}."
            )
        if self.posture_every < 0 or len(self.posture_rad) != 7:
            raise ConfigError(
                f"reset.posture_every must not be negative and posture_rad be 7 angles, got {self.posture_every} and "
                f"{self.posture_rad}."
            )
        if self.posture_every and self.kind == "teleport":
            raise ConfigError(
                "reset.posture_every is for a robot that moves: reset=teleport puts the elbow there anyway."
            )
        if (self.policy is None) == (self.kind == "backward_policy"):
            raise ConfigError("reset.policy=RUN and reset=backward_policy belong together.")

    @property
    def has_random_start(self) -> bool:
        """Whether the start is drawn from a box."""
        return max(*self.start_half_m, self.start_half_yaw_rad) > 0.0
