"""The configuration of an arm that somebody else's ROS 2 controller drives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from robot_rl.control.presets import PRESETS
from robot_rl.env.reset_config import ResetConfig
from robot_rl.env.task import EpisodeConfig
from robot_rl.errors import ConfigError

TRIGGER = "std_srvs/srv/Trigger"


@dataclass(frozen=True)
class ExternalConfig:
    """Topics and limits; the defaults are those of crisp_controllers on franka_ros2. Topics may be relative.

    Attributes:
        target_topic: where the controller takes equilibrium poses, as PoseStamped.
        pose_topic: where the pose of its tool comes from, as PoseStamped.
        twist_topic: that of its twist in the axes of base_frame, as TwistStamped; "" computes it from the poses.
        wrench_topic: that of the wrench on the world at the tool, in its axes, as WrenchStamped.
        joints_topic: that of the joints, as JointState. Not joint_states, where our own controller's node speaks.
        joints: names of the seven joints there, from the base on.
        base_frame: frame of the poses, sent and received.
        wrench_frame: frame of the wrench; "" takes any.
        is_streamed: whether the way to a target is sent in small steps, for a controller that jumps to its targets;
            otherwise each target is sent once.
        rate_hz: of these steps, and of looking after the controller.
        max_age_s: what is older than this says nothing about the present, and the arm stops [s].
        clock_offset_s: how far the clock of the controller's stamps is ahead of ours [s].
        patience_s: how long the controller may take to be there, or to be there again [s].
        stop_service: a std_srvs/srv/Trigger that is called beside every stop; "" for none.
        recovery: action or service that clears the robot's errors; "" where there is none.
        recovery_type: its type: std_srvs/srv/Trigger, or an action that needs no more than an empty goal.
        presets: name of an impedance preset -> the numbers that are sent for it; none, [], leaves the stiffness as it
            is, as all of them do unless they are given numbers.
        stiffness_topic: where these numbers go, as Float64MultiArray.

    Raises:
        ConfigError: a value is out of range, or two of them do not fit.
    """

    target_topic: str = "target_pose"
    pose_topic: str = "current_pose"
    twist_topic: str = ""
    wrench_topic: str = "franka_robot_state_broadcaster/external_wrench_in_stiffness_frame"
    joints_topic: str = "franka_robot_state_broadcaster/measured_joint_states"
    joints: tuple[str, ...] = tuple(f"fr3_joint{number}" for number in range(1, 8))
    base_frame: str = "fr3_link0"
    wrench_frame: str = ""
    is_streamed: bool = True
    rate_hz: float = 100.0
    max_age_s: float = 0.1
    clock_offset_s: float = 0.0
    patience_s: float = 10.0
    stop_service: str = ""
    recovery: str = "action_server/error_recovery"
    recovery_type: str = "franka_msgs/action/ErrorRecovery"
    presets: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: dict.fromkeys(PRESETS, ()))
    stiffness_topic: str = ""

    def __post_init__(self) -> None:
        for name in ("target_topic", "pose_topic", "wrench_topic", "joints_topic", "base_frame"):
            if not getattr(self, name):
                raise ConfigError(f"robot.external.{name} must not be empty.")
        if self.joints_topic == "joint_states":
            raise ConfigError(
                "robot.external.joints_topic must not be joint_states, which our own controller's node publishes; give "
                "one of the robot's own, or an absolute name in another namespace."
            )
        if len(set(self.joints)) != 7 or len(self.joints) != 7:
            raise ConfigError(f"robot.external.joints must be 7 different names, got {list(self.joints)}.")
        for name, unit in (("rate_hz", "1/s"), ("max_age_s", "s"), ("patience_s", "s")):
            value = getattr(self, name)
            if not 0.0 < value < math.inf:
                raise ConfigError(f"robot.external.{name} must be positive, got {value} {unit}.")
        if not math.isfinite(self.clock_offset_s):
            raise ConfigError(f"robot.external.clock_offset_s must be finite, got {self.clock_offset_s} s.")
        self._check_recovery()
        self._check_presets()

    def _check_recovery(self) -> None:
        parts = self.recovery_type.split("/")
        is_action = len(parts) == 3 and parts[1] == "action" and all(parts)
        if self.recovery and not is_action and self.recovery_type != TRIGGER:
            raise ConfigError(
                f"robot.external.recovery_type must be {TRIGGER} or PACKAGE/action/NAME, got {self.recovery_type!r}."
            )

    def _check_presets(self) -> None:
        for name, values in self.presets.items():
            if not all(0.0 <= value < math.inf for value in values):
                raise ConfigError(f"robot.external.presets.{name} must be numbers from 0, got {list(values)}.")
            if values and not self.stiffness_topic:
                raise ConfigError(f"robot.external.presets.{name} has numbers, but external.stiffness_topic is empty.")


def check_external(task: str, episode: EpisodeConfig, reset: ResetConfig) -> None:
    """Raise ConfigError where a task or its resets need what is not driven through somebody else's controller."""
    if episode.has_gripper:
        raise ConfigError(f"task={task} needs a gripper, and robot=external has none that is driven here.")
    if reset.posture_every:
        raise ConfigError(
            "robot=external takes poses of its tool only, and no posture of the elbow: it needs reset.posture_every=0, "
            f"got {reset.posture_every}."
        )
