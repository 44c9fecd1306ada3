"""Resets as a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.node import Node
from robot_rl_msgs.action import Reset

from robot_rl.clock import Clock
from robot_rl.control.safety import SafetyFilter
from robot_rl.env.resets import Reset as ResetProcedure
from robot_rl.errors import RobotRLError
from robot_rl.robot.robot import Robot
from robot_rl_ros import convert


class ResetNode(Node):
    """Brings robot and scene to the start of an episode: the action `~/reset`. One at a time."""

    def __init__(
        self,
        procedure: ResetProcedure,
        robot: Robot,
        clock: Clock,
        safety: SafetyFilter,
        on_start: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        """Serve `procedure` on `robot`, whose commands pass `safety`; `on_start` and `on_end` are called around it."""
        super().__init__("reset", start_parameter_services=False)
        self._procedure, self._robot, self._time, self._safety = procedure, robot, clock, safety
        self._on_start, self._on_end = on_start, on_end
        self._is_busy = False
        self._server = ActionServer(
            self,
            Reset,
            "~/reset",
            self._execute,
            goal_callback=self._accept,
            cancel_callback=lambda handle: CancelResponse.REJECT,  # noqa: ARG005  the arm is stopped by its own service
        )

    def _accept(self, goal: Reset.Goal) -> GoalResponse:
        del goal
        if self._is_busy:
            return GoalResponse.REJECT
        self._is_busy = True
        return GoalResponse.ACCEPT

    def _execute(self, handle: ServerGoalHandle[Any, Any, Any]) -> Any:
        result = Reset.Result()
        handle.publish_feedback(Reset.Feedback(phase="moving to the start", progress=0.0))
        self._on_start()
        try:
            self._procedure.run(self._robot, self._time, self._safety, int(handle.request.seed))
            result.success = True
            handle.succeed()
        except RobotRLError as error:
            result.message = str(error)
            handle.abort()
        finally:
            self._is_busy = False
            self._on_end()
        result.stamp = convert.to_time(self._time.now_ns())
        handle.publish_feedback(Reset.Feedback(phase="at the start", progress=1.0))
        return result
