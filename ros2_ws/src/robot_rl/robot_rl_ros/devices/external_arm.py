"""An arm whose impedance controller is somebody else's, such as crisp_controllers on franka_ros2."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.client import Client
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.task import Future
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

from robot_rl.clock import Clock, to_ns
from robot_rl.errors import DeviceError, SpecError, StoppedError, UnknownNameError
from robot_rl.geometry import Pose
from robot_rl.runtime.external_config import ExternalConfig
from robot_rl.types import ArmState, Reason, StopRecord, check_not_stopped
from robot_rl_ros import convert
from robot_rl_ros.clock import every
from robot_rl_ros.devices.foreign_recovery import ForeignRecovery
from robot_rl_ros.devices.foreign_states import ForeignStates, Problem

_COMMAND_QOS = QoSProfile(depth=1)
_LOOK_EVERY_S = 0.05
_POLL_S = 2e-3
_LEAVE_S = 1.0
_NOT_YET_KNOWN = "_NODE_NAME_UNKNOWN_"  # what rmw says of a node whose topic was discovered before its name


@dataclass(frozen=True)
class Line:
    """A way of the target: straight, turning about one axis."""

    start: Pose
    goal: Pose
    start_ns: int
    end_ns: int

    def at(self, now_ns: int) -> Pose:
        """Where the target is on it."""
        if now_ns >= self.end_ns or self.end_ns <= self.start_ns:  # one that took no time, and the clock was set back
            return self.goal
        return self.start.interpolate(self.goal, max(now_ns - self.start_ns, 0) / (self.end_ns - self.start_ns))


class ExternalArm:
    """An arm; a context manager during which a thread of its own hears the controller and streams targets to it.

    It may be used from several threads. It stops, and refuses motion until `recover`, where the state is old, of the
    wrong frame or not finite, where nobody listens to the targets, and where somebody else publishes them, too (such a
    controller then obeys nobody).
    """

    def __init__(self, config: ExternalConfig, clock: Clock, period_s: float, context: Context | None = None) -> None:
        """Store what is driven.

        Args:
            config: topics and limits.
            clock: of the stamps, that of the graph.
            period_s: of the policy, within which a target is reached.
            context: of ROS; by default the process's.
        """
        self._config, self._clock, self._period_s, self._context = config, clock, period_s, context
        self._lock = threading.RLock()
        self._stop: StopRecord | None = None
        self._line: Line | None = None
        self._thread: threading.Thread | None = None
        self._is_open = self._is_over = False

    def __enter__(self) -> ExternalArm:
        """Join the controller. Nothing is commanded.

        Raises:
            SetupError: the type of the recovery is not installed.
            DeviceError: the controller is not there, or its state makes no sense; the message says why.
        """
        config = self._config
        self._node = Node("external_arm", context=self._context, start_parameter_services=False)
        self._recovery: ForeignRecovery | None = None
        try:
            if config.recovery:
                self._recovery = ForeignRecovery(self._node, config.recovery, config.recovery_type, config.patience_s)
            self._join()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hold where the arm is, and leave the controller alone."""
        self.stop(Reason.REQUESTED, "the driver ends")
        asked, deadline_s = self._asked, time.monotonic() + _LEAVE_S
        while asked is not None and not asked.done() and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)  # who leaves at once may not be heard
        self._leave()

    def state(self) -> ArmState:
        """Newest state; of a controller that has fallen silent the last one, with the stop that this is."""
        with self._lock:
            self._watch()
            return self._states.make_state(self._stop)

    def set_equilibrium_pose(self, pose: Pose, stamp_ns: int) -> None:
        """Send the target there, to arrive one policy period after `stamp_ns`."""
        if not np.isfinite(pose.to_vector()).all():
            raise SpecError(f"equilibrium pose must be finite, got {pose}.")
        with self._lock:
            self._watch()
            check_not_stopped(self._stop)
            now_ns = self._clock.now_ns()
            start = self._states.pose.newest[1] if self._line is None else self._line.at(now_ns)
            period_ns = to_ns(self._period_s) if self._config.is_streamed else 0
            self._line = Line(start, pose, now_ns, min(max(stamp_ns + period_ns, now_ns), now_ns + period_ns))
            self._has_arrived = False
            self._stream()

    def set_impedance(self, preset: str) -> None:
        """Send the numbers that the configuration has for a preset."""
        presets = self._config.presets
        if preset not in presets:
            raise UnknownNameError("impedance preset of robot.external.presets", preset, presets)
        if presets[preset]:
            assert self._stiffness is not None, "the configuration has a topic for them"
            self._stiffness.publish(Float64MultiArray(data=[float(value) for value in presets[preset]]))

    def stop(self, reason: Reason = Reason.REQUESTED, detail: str = "") -> StopRecord:
        """Hold softly here: the present pose is the last target that is sent."""
        with self._lock:
            self._watch()
            return self._stop or self._hold(StopRecord(reason, detail, self._clock.now_ns()))

    def recover(self) -> None:
        """Allow motion again, after the robot's own recovery, where one is configured.

        A robot without an error may refuse to recover from one; that counts only where its state stays unknown.

        Raises:
            StoppedError: it cannot be recovered; the message says why.
        """
        with self._lock:
            self._watch()
            if self._stop is None:
                return
        refusal = self._ask_for_recovery()
        self._wait_until_well()
        with self._lock:
            problem = self._find_problem()
            if problem is not None:
                raise StoppedError(f"The arm is not recovered: {problem[1]}.{refusal}")
            self._stop, self._line = None, None
            self._send(self._states.pose.newest[1])

    # --- the controller ------------------------------------------------------------------------------------------

    def _join(self) -> None:
        config, node = self._config, self._node
        self._states = ForeignStates(node, config)
        self._publisher = node.create_publisher(PoseStamped, config.target_topic, _COMMAND_QOS)
        self._stiffness = None
        if config.stiffness_topic:
            self._stiffness = node.create_publisher(Float64MultiArray, config.stiffness_topic, _COMMAND_QOS)
        self._stop_client: Client[Any, Any] | None = None
        self._asked: Future[Any] | None = None
        if config.stop_service:
            self._stop_client = node.create_client(Trigger, config.stop_service)
        self._has_arrived = False
        every(node, 1.0 / config.rate_hz, self._tick)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        self._thread = threading.Thread(target=self._spin, name="external_arm", daemon=True)
        self._thread.start()
        self._wait_until_well()
        problem = self._find_problem()
        if problem is not None:
            raise DeviceError(f"The external controller is not there: {problem[1]}.")
        self._is_open = True

    def _leave(self) -> None:
        self._is_over = True
        if self._thread is not None:
            self._thread.join()
            self._executor.shutdown()
        if self._recovery is not None:
            self._recovery.close()
        self._node.destroy_node()

    def _spin(self) -> None:
        while not self._is_over and self._executor.context.ok():
            self._executor.spin_once(timeout_sec=_LOOK_EVERY_S)

    def _tick(self) -> None:
        with self._lock:
            if self._is_open:
                self._watch()
                self._stream()

    def _stream(self) -> None:
        """Send where the target is on its way, until it has arrived."""
        if self._stop is not None or self._line is None or self._has_arrived:
            return
        now_ns = self._clock.now_ns()
        self._send(self._line.at(now_ns))
        self._has_arrived = now_ns >= self._line.end_ns

    def _send(self, pose: Pose) -> None:
        stamp_ns = self._clock.now_ns() + to_ns(self._config.clock_offset_s)
        self._publisher.publish(convert.to_pose_stamped(pose, stamp_ns, self._config.base_frame))

    def _watch(self) -> None:
        """Stop where the arm is not known, or does not obey."""
        problem = self._find_problem() if self._stop is None else None
        if problem is not None:
            self._hold(StopRecord(*problem, self._clock.now_ns()))

    def _find_problem(self) -> Problem | None:
        problem = self._states.find_problem(self._clock.now_ns())
        if problem is not None:
            return problem
        topic, node = self._publisher.topic_name, self._node
        if node.count_publishers(topic) > 1:
            found = {each.node_name for each in node.get_publishers_info_by_topic(topic)}
            others = sorted(found - {node.get_name(), _NOT_YET_KNOWN})
            who = f", also {', '.join(others)}" if others else ""
            return Reason.STALE_COMMAND, f"{topic} has several publishers{who}: only one is obeyed"
        if not self._publisher.get_subscription_count():
            return Reason.STALE_COMMAND, f"nobody listens to {topic}: is the controller active?"
        return None

    def _hold(self, stop: StopRecord) -> StopRecord:
        """Send no target but the present pose; where that is not known, the controller keeps its last target."""
        self._stop, self._line = stop, None
        if self._states.find_problem(self._clock.now_ns()) is None:
            self._send(self._states.pose.newest[1])
        if self._stop_client is not None:
            self._asked = self._stop_client.call_async(Trigger.Request())
        return stop

    def _ask_for_recovery(self) -> str:
        """What is wrong with the robot's own recovery, in words to be added; "" where nothing is."""
        if self._recovery is None:
            return ""
        try:
            self._recovery.ask()
        except DeviceError as error:
            self._node.get_logger().warning(str(error))
            return f" {error}"
        return ""

    def _wait_until_well(self) -> None:
        """Until the controller's state makes sense and it listens, or patience ends."""
        deadline_s = time.monotonic() + self._config.patience_s
        while self._find_problem() is not None and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)
