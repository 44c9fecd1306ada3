"""What somebody else's broadcasters say of an arm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
from geometry_msgs.msg import PoseStamped, TwistStamped, WrenchStamped
from rclpy.node import Node
from sensor_msgs.msg import JointState

from robot_rl.clock import NS_PER_S, to_ns
from robot_rl.errors import SpecError
from robot_rl.geometry import Array, Pose, quaternion_log, quaternion_multiply
from robot_rl.runtime.external_config import ExternalConfig
from robot_rl.types import ArmState, Reason, StopRecord
from robot_rl_ros import convert, qos

T = TypeVar("T")
Problem = tuple[Reason, str]

_TWIST_SPAN_NS = 20_000_000
"""Apart of two poses whose difference is the twist: nearer ones show their rounding."""


class Heard(Generic[T]):
    """One topic: the newest message that makes sense, and what is wrong with the newest one."""

    def __init__(
        self, node: Node, message_type: type[Any], topic: str, convert: Callable[[Any], T | None], offset_ns: int
    ) -> None:
        """Subscribe to `topic`; `convert` raises SpecError for nonsense, and returns None for what is not meant."""
        self._convert, self._offset_ns = convert, offset_ns
        self._newest: tuple[int, T] | None = None  # one object: it is read by other threads
        self._problem = ""
        self.topic = node.resolve_topic_name(topic)
        node.create_subscription(message_type, topic, self._take, qos.FOREIGN_NEWEST)

    def _take(self, message: Any) -> None:
        try:
            value = self._convert(message)
        except SpecError as error:
            self._problem = str(error)
            return
        if value is not None:
            self._newest = convert.from_time(message.header.stamp) - self._offset_ns, value
            self._problem = ""

    @property
    def newest(self) -> tuple[int, T]:
        """(stamp_ns on our clock, value)."""
        assert self._newest is not None, "it was heard"
        return self._newest

    def find_problem(self, now_ns: int, max_age_s: float) -> Problem | None:
        """Why it says nothing about the present, if it does not."""
        if self._problem:
            return Reason.NOT_FINITE, f"{self.topic}: {self._problem}"
        if self._newest is None:
            return Reason.STALE_STATE, f"{self.topic} was never heard"
        age_s = (now_ns - self._newest[0]) / NS_PER_S
        if abs(age_s) <= max_age_s:
            return None
        if age_s < 0.0:
            cause = "its clock is ahead of ours: synchronise them, or set external.clock_offset_s"
        else:
            cause = "it is silent, or the clocks differ"
        return Reason.STALE_STATE, f"{self.topic} is {age_s:.3g} s old, at most {max_age_s:g} s: {cause}"


class ForeignStates:
    """The state of an arm, put together from several topics. Their newest messages need not be of one moment."""

    def __init__(self, node: Node, config: ExternalConfig) -> None:
        """Listen with `node`, which its owner spins."""
        self._config = config
        self._before: tuple[int, Pose] | None = None
        self._twist_of_poses = np.zeros(6)
        offset_ns = to_ns(config.clock_offset_s)
        self.pose = Heard(node, PoseStamped, config.pose_topic, self._to_pose, offset_ns)
        self._wrench = Heard(node, WrenchStamped, config.wrench_topic, self._to_wrench, offset_ns)
        self._joints = Heard(node, JointState, config.joints_topic, self._to_joints, offset_ns)
        self._all: list[Heard[Any]] = [self.pose, self._wrench, self._joints]
        self._twist: Heard[Array] | None = None
        if config.twist_topic:
            self._twist = Heard(node, TwistStamped, config.twist_topic, self._to_twist, offset_ns)
            self._all.append(self._twist)

    def find_problem(self, now_ns: int) -> Problem | None:
        """Why the arm's present state is not known, if it is not."""
        problems = (each.find_problem(now_ns, self._config.max_age_s) for each in self._all)
        return next((problem for problem in problems if problem is not None), None)

    def make_state(self, stop: StopRecord | None) -> ArmState:
        """The newest state, with the stamp of its pose.

        Velocities of the joints are zero where nobody tells them. The torques always are: what is broadcast was
        measured, with gravity, and is not what was commanded without it.
        """
        stamp_ns, pose = self.pose.newest
        positions, velocities = self._joints.newest[1]
        twist = self._twist_of_poses if self._twist is None else self._twist.newest[1]
        wrench = self._wrench.newest[1]
        return ArmState(
            stamp_ns, positions.copy(), velocities.copy(), np.zeros(7), pose, twist.copy(), wrench.copy(), stop
        )

    def _to_pose(self, message: PoseStamped) -> Pose:
        _check_frame(message.header.frame_id, self._config.base_frame)
        stamp_ns, pose = convert.from_pose_stamped(message)
        _check_finite(pose.to_vector())
        if self._before is None or stamp_ns < self._before[0]:
            self._before = stamp_ns, pose
        elif stamp_ns - self._before[0] >= _TWIST_SPAN_NS:
            self._twist_of_poses = _to_twist(*self._before, stamp_ns, pose)
            self._before = stamp_ns, pose
        return pose

    def _to_twist(self, message: TwistStamped) -> Array:
        _check_frame(message.header.frame_id, self._config.base_frame)
        return _check_finite(convert.from_twist(message.twist))

    def _to_wrench(self, message: WrenchStamped) -> Array:
        if self._config.wrench_frame:
            _check_frame(message.header.frame_id, self._config.wrench_frame)
        return _check_finite(convert.from_wrench(message.wrench))

    def _to_joints(self, message: JointState) -> tuple[Array, Array] | None:
        """(positions, velocities), or None for a message of other joints, such as the fingers'."""
        names = list(message.name)
        if not set(self._config.joints) & set(names):
            return None
        try:
            order = [names.index(name) for name in self._config.joints]
        except ValueError as error:
            raise SpecError(f"joints must include {list(self._config.joints)}, got {names}") from error
        count = len(names)
        if len(message.position) != count or len(message.velocity) not in (0, count):
            raise SpecError(f"{count} names have {len(message.position)} positions, {len(message.velocity)} velocities")
        positions = np.array(message.position, np.float64)[order]
        velocities = np.array(message.velocity, np.float64)[order] if len(message.velocity) else np.zeros(7)
        return _check_finite(positions), _check_finite(velocities)


def _check_frame(frame: str, wanted: str) -> None:
    if frame != wanted:
        raise SpecError(f"the frame must be {wanted!r}, got {frame!r}")


def _check_finite(values: Array) -> Array:
    if not np.isfinite(values).all():
        raise SpecError(f"must be finite, got {values}")
    return values


def _to_twist(before_ns: int, before: Pose, after_ns: int, after: Pose) -> Array:
    """(v, omega) in base axes that leads from one pose to another."""
    seconds = (after_ns - before_ns) / NS_PER_S
    turn = quaternion_log(quaternion_multiply(after.quaternion, before.inverse().quaternion))
    return np.concatenate([after.position - before.position, turn]) / seconds
