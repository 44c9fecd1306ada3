"""Resets as a node."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.node import Node
from robot_rl_msgs.action import Reset

from robot_rl.clock import NS_PER_S, Clock
from robot_rl.control.safety import SafetyFilter
from robot_rl.env.resets import Procedure, hold
from robot_rl.errors import RobotRLError
from robot_rl.robot.robot import Robot
from robot_rl_ros import convert
from robot_rl_ros.clock import every

_TURN_EVERY_S = 0.02
_BEAT_S = 0.01


class ResetNode(Node):
    """Brings robot and scene to the start of an episode: the action `~/reset`, one at a time, which may be cancelled.

    Between two steps of the procedure everybody else in the process has a turn; where time passes by itself, until the
    next step is due.
    """

    def __init__(
        self,
        procedure: Procedure,
        robot: Robot,
        clock: Clock,
        safety: SafetyFilter,
        on_start: Callable[[], None],
        on_step: Callable[[], None],
        on_end: Callable[[], None],
        *,
        is_lock_step: bool,
    ) -> None:
        """Serve a procedure.

        Args:
            procedure: to serve.
            robot: that it moves.
            clock: of its time; in lock-step sleeping on it makes time pass.
            safety: that its commands pass.
            on_start, on_step, on_end: called before it, after the time that each of its steps takes, and after it.
            is_lock_step: whether time passes only when somebody makes it.
        """
        super().__init__("reset", start_parameter_services=False)
        self._procedure, self._robot, self._time, self._safety = procedure, robot, clock, safety
        self._on_start, self._on_step, self._on_end = on_start, on_step, on_end
        self._is_lock_step = is_lock_step
        self._is_busy = False
        self._turn_s = 0.0
        self._server = ActionServer(
            self,
            Reset,
            "~/reset",
            self._execute,
            goal_callback=self._accept,
            cancel_callback=lambda handle: CancelResponse.ACCEPT,  # noqa: ARG005  any goal at any time
        )
        if not is_lock_step:  # it ends the executor's wait for messages, so that it looks at us again
            every(self, _BEAT_S, lambda: None)

    def _accept(self, goal: Reset.Goal) -> GoalResponse:
        del goal
        if self._is_busy:
            return GoalResponse.REJECT
        self._is_busy = True
        return GoalResponse.ACCEPT

    async def _execute(self, handle: ServerGoalHandle[Any, Any, Any]) -> Any:
        result = Reset.Result()
        self._on_start()
        try:
            cancelled_while = await self._play(handle)
            if cancelled_while is None:
                result.success = True
                handle.succeed()
            else:
                hold(self._robot.arm, self._time)
                result.message = f"The reset was cancelled while {cancelled_while}; the arm holds."
                handle.canceled()
        except RobotRLError as error:
            result.message = str(error)
            handle.abort()
        finally:
            self._is_busy = False
            self._on_end()
        result.stamp = convert.to_time(self._time.now_ns())
        return result

    async def _play(self, handle: ServerGoalHandle[Any, Any, Any]) -> str | None:
        """Ask for step after step; what was going on when the goal was cancelled, or None."""
        for progress in self._procedure.steps(self._robot, self._time, self._safety, int(handle.request.seed)):
            handle.publish_feedback(Reset.Feedback(phase=progress.phase, progress=progress.share))
            if self._is_lock_step:
                self._time.sleep_until_ns(progress.until_ns)
                if time.monotonic() - self._turn_s > _TURN_EVERY_S:
                    if self.executor is not None:
                        self.executor.wake()  # it would wait for a message before it looks at us again
                    await _Turn()
                    self._turn_s = time.monotonic()
            due_s = time.monotonic() + (progress.until_ns - self._time.now_ns()) / NS_PER_S  # should it be set back
            while self._time.now_ns() < progress.until_ns and time.monotonic() < due_s:
                if handle.is_cancel_requested:
                    return progress.phase
                await _Turn()
            self._on_step()
            if handle.is_cancel_requested:
                return progress.phase
        return None


class _Turn:
    """Lets the executor do what else there is, and come back."""

    def __await__(self) -> Generator[None, None, None]:
        yield
