"""The configuration of a real robot's task: where it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from robot_rl.env.placed_task import Place, PlacedTask
from robot_rl.env.reset_config import ResetConfig
from robot_rl.env.task import EpisodeConfig
from robot_rl.errors import ConfigError
from robot_rl.geometry import Array, Pose, quaternion_exp

_TOOL_DOWN = np.array([1.0, 0.0, 0.0, 0.0])
_ROUNDING_M = 1e-6


@dataclass(frozen=True)
class PlaceConfig:
    """Where the task of a real robot is: lead the tip there once; `robot-rl where` says the words.

    Attributes:
        target_m: of the target's mouth in the base frame, where the tip is about to go in [m]; null while unknown.
        target_yaw_rad: turn of the target about the vertical; 0 is the hand's own at its ready pose.
        tool_length_m: from the TCP, between the fingertips, to the tip of what is in the hand.
        start_height_m: how far above the target the tip is when an episode starts.
        start_width_m: gripper opening when an episode starts, for a task with a gripper.
        success_depth_m: depth of the tip below the mouth at which the task is solved; null where only a person or a
            classifier can tell.
        success_radius_m: how far beside the target's axis the tip may be then.
    """

    target_m: tuple[float, float, float] | None = None
    target_yaw_rad: float = 0.0
    tool_length_m: float = 0.0
    start_height_m: float = 0.04
    start_width_m: float = 0.0
    success_depth_m: float | None = None
    success_radius_m: float = 0.005

    def make_place(self) -> Place:
        """The place.

        Raises:
            ConfigError: it was not measured, or is no place.
        """
        if self.target_m is None:
            raise ConfigError(
                "task.place.target_m is not set: lead the tip to the target's mouth, and take what "
                "`robot-rl where --tool-length M` says, M being the length from the TCP to the tip."
            )
        if not np.isfinite([*self.target_m, self.target_yaw_rad, self.tool_length_m]).all():
            raise ConfigError(f"task.place must be finite, got {self}.")
        for name in ("start_height_m", "success_radius_m"):
            if not getattr(self, name) > 0.0:
                raise ConfigError(f"task.place.{name} must be positive, got {getattr(self, name)}.")
        if self.success_depth_m is not None and not self.success_depth_m >= 0.0:  # it would be solved at its start
            raise ConfigError(f"task.place.success_depth_m must not be negative, got {self.success_depth_m} m.")
        # a turn about the base's z is the opposite turn about the target's own z, which points down
        target = Pose(np.array(self.target_m), _TOOL_DOWN) @ Pose(
            quaternion=quaternion_exp([0.0, 0.0, -self.target_yaw_rad])
        )
        return Place(
            target=target,
            tip=Pose(np.array([0.0, 0.0, self.tool_length_m])),
            start_height_m=self.start_height_m,
            success_depth_m=math.inf if self.success_depth_m is None else self.success_depth_m,
            success_radius_m=self.success_radius_m,
        )


def to_place_words(tcp: Pose, tool_length_m: float) -> tuple[str, ...]:
    """The words of a place whose target is where the tip is now, turned as the hand is.

    Args:
        tcp: T_base_tcp.
        tool_length_m: from the TCP to the tip.
    """
    tip_m = [round(float(value), 5) + 0.0 for value in tcp.transform_point([0.0, 0.0, tool_length_m])]  # no "-0.0"
    x_axis = tcp.rotation[:, 0]
    yaw_rad = round(float(np.arctan2(x_axis[1], x_axis[0])), 4) + 0.0
    return (
        f"task.place.target_m=[{','.join(map(str, tip_m))}]",
        f"task.place.target_yaw_rad={yaw_rad}",
        f"task.place.tool_length_m={tool_length_m}",
    )


def check_reach(place: Place, episode: EpisodeConfig, reset: ResetConfig) -> None:
    """Raise ConfigError where the target, or a start of an episode, lies outside the workspace.

    The safety filter would hold the arm at its edge, and each reset wait until its time is over.
    """
    start = PlacedTask("", place).arrange(0).position
    half = np.array(reset.start_half_m)
    _check_inside("at the target", (place.target @ place.tip.inverse()).position, episode)
    _check_inside("where an episode starts", start, episode)
    _check_inside("where an episode may start", start - half, episode)
    _check_inside("where an episode may start", start + half, episode)


def _check_inside(where: str, tcp_m: Array, episode: EpisodeConfig) -> None:
    outside = np.maximum(episode.box_lower_m - tcp_m, tcp_m - episode.box_upper_m)
    if outside.max() > _ROUNDING_M:
        raise ConfigError(
            f"the TCP {where}, {np.round(tcp_m, 4).tolist()} m, lies {outside.max():.3f} m outside the workspace "
            f"{list(episode.box_lower_m)} to {list(episode.box_upper_m)} m (task.episode.box_lower_m, box_upper_m)."
        )
