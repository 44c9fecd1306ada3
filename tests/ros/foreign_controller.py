"""Somebody else's controller and broadcasters, as crisp_controllers and franka_ros2 speak: a first-order arm."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import rclpy
from geometry_msgs.msg import PoseStamped, WrenchStamped
from rclpy.action import ActionServer
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from robot_rl_msgs.action import Reset
from robot_rl_ros import convert
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

from robot_rl.clock import FakeClock, to_ns
from robot_rl.geometry import Pose
from robot_rl.robot.fake import TOOL_DOWN

_STEP_S, _LAG_S = 0.01, 0.03
_PACE_S = 0.012  # of the steps in wall time: the arm's thread streams meanwhile


class ForeignController:
    """Time is that of `clock`, and passes in `advance`. What is said may be spoiled by the tests."""

    def __init__(self, clock: FakeClock, name: str = "franka") -> None:
        self.clock, self.pose, self.target = clock, TOOL_DOWN, TOOL_DOWN
        self.heard: list[tuple[int, Pose]] = []
        self.stiffness: list[float] = []
        self.stops = self.recoveries = 0
        self.frame, self.stamp_offset_ns, self.is_silent = "fr3_link0", 0, False
        self.names = [f"fr3_joint{number}" for number in range(1, 8)]
        self.velocities = [0.5] * 7
        self.force = np.zeros(6)
        self.refuses = False
        self.on_recovery: Callable[[], None] = lambda: None
        self._context = Context()
        rclpy.init(args=[], context=self._context)
        self.node = node = Node(name, context=self._context)
        broadcast = "franka_robot_state_broadcaster"
        self._pose = node.create_publisher(PoseStamped, "current_pose", qos_profile_sensor_data)
        self._wrench = node.create_publisher(
            WrenchStamped, f"{broadcast}/external_wrench_in_stiffness_frame", qos_profile_sensor_data
        )
        self._joints = node.create_publisher(JointState, f"{broadcast}/measured_joint_states", qos_profile_sensor_data)
        self.listener = node.create_subscription(PoseStamped, "target_pose", self._take, QoSProfile(depth=1))
        node.create_subscription(Float64MultiArray, "target_stiffness", self._take_stiffness, QoSProfile(depth=1))
        node.create_service(Trigger, "halt", self._halt)
        node.create_service(Trigger, "clear", self._clear)
        self._action = ActionServer(node, Reset, "action_server/error_recovery", self._execute)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        self._is_over = False
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        while not self._is_over:
            self._executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        self._is_over = True
        self._thread.join()
        self._executor.shutdown()
        self._action.destroy()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def _take(self, message: PoseStamped) -> None:
        assert message.header.frame_id == "fr3_link0"
        if self.node.count_publishers("target_pose") == 1:
            self.heard.append(convert.from_pose_stamped(message))
            self.target = self.heard[-1][1]

    def _take_stiffness(self, message: Float64MultiArray) -> None:
        self.stiffness = list(message.data)

    def _halt(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.stops += 1
        response.success = True
        return response

    def _clear(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.recoveries += 1
        self.on_recovery()
        response.success, response.message = not self.refuses, "the user stop is pressed" if self.refuses else ""
        return response

    def _execute(self, goal) -> Reset.Result:
        self.recoveries += 1
        self.on_recovery()
        if self.refuses:
            goal.abort()
        else:
            goal.succeed()
        return Reset.Result()

    def say(self, pose: Pose | None = None) -> None:
        """Publish the present state."""
        stamp_ns = self.clock.now_ns() + self.stamp_offset_ns
        message = convert.to_pose_stamped(self.pose, stamp_ns, self.frame)
        wrench = convert.to_wrench_stamped(self.force, stamp_ns, "fr3_hand_tcp")
        self._wrench.publish(wrench)
        self._joints.publish(
            JointState(
                header=convert.to_header(stamp_ns),
                name=self.names,
                position=np.linspace(0.1, 0.7, len(self.names)).tolist(),
                velocity=self.velocities,
                effort=[20.0] * len(self.names),
            )
        )
        self._pose.publish(message)

    def advance(self, seconds: float) -> None:
        """Let time pass; the arm moves to its target, and says so."""
        for _ in range(max(1, round(seconds / _STEP_S))):
            self.clock.sleep_until_ns(self.clock.now_ns() + to_ns(_STEP_S))
            self.pose = self.pose.interpolate(self.target, 1.0 - np.exp(-_STEP_S / _LAG_S))
            if not self.is_silent:
                self.say()
            time.sleep(_PACE_S)
