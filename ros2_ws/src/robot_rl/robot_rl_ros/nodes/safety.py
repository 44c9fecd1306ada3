"""The last word on every command, and the public record of every stop."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from robot_rl_msgs.msg import Stop

from robot_rl.control.guard import Guard, Violation
from robot_rl.control.safety import FilteredCommand, SafetyFilter
from robot_rl.errors import StoppedError
from robot_rl.geometry import Pose
from robot_rl.robot.protocols import Arm
from robot_rl.types import ArmState, Reason, RobotCommand, StopRecord
from robot_rl_ros import convert, qos
from robot_rl_ros.clock import every, now_ns
from robot_rl_ros.limits import declare_limits

_DIAGNOSTICS_PERIOD_S = 1.0


class Safety(Node):
    """Judges what the controller of the same process is about to do.

    It lives beside the controller, so that no command can go round it and no wire lies between a judgement and the
    arm. Publishes `~/stopped` (latched) whenever that changes, and `/diagnostics` once a second. Its parameters are the
    limits, which may be tightened while the robot runs.
    """

    def __init__(self, guard: Guard) -> None:
        super().__init__("safety")
        self._guard = guard
        declare_limits(self, guard)
        self._stopped = self.create_publisher(Stop, "~/stopped", qos.LATCHED)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", qos.STREAM)
        self._stop: StopRecord | None = None
        self._refused = 0
        self._stopped.publish(convert.to_stop_msg(None))
        every(self, _DIAGNOSTICS_PERIOD_S, self._diagnose)

    def check_command(self, pose: Pose, stamp_ns: int, state: ArmState, now_ns: int) -> Violation | None:
        """What forbids a command, if anything."""
        violation = self._guard.check_command(pose, stamp_ns, state, now_ns)
        self._refused += violation is not None
        return violation

    def check_state(self, state: ArmState) -> Violation | None:
        """What is wrong with how the arm is, if anything."""
        return self._guard.check_state(state)

    def show(self, state: ArmState) -> None:
        """Publish a stop, or the end of one."""
        if state.stop == self._stop:
            return
        self._stop = state.stop
        self._stopped.publish(convert.to_stop_msg(state.stop))
        log = self.get_logger()
        if state.stop is None:
            log.info("the robot may move again")
        elif state.stop.reason is Reason.REQUESTED:
            log.info(f"the robot is stopped: {state.stop.detail}")
        else:
            log.error(f"the robot is stopped: {state.stop.reason.value}: {state.stop.detail}")

    def _diagnose(self) -> None:
        stop = self._stop
        status = DiagnosticStatus(
            level=DiagnosticStatus.OK if stop is None else DiagnosticStatus.ERROR,
            name=f"{self.get_fully_qualified_name()}: arm",
            message="free to move" if stop is None else f"stopped: {stop.reason.value}: {stop.detail}",
            values=[KeyValue(key="refused commands", value=str(self._refused))],
        )
        header = convert.to_header(now_ns(self))
        self._diagnostics.publish(DiagnosticArray(header=header, status=[status]))


class GuardedFilter(SafetyFilter):
    """The filter of a procedure that moves the arm from within its process, where no wire leads past the guard."""

    def __init__(self, filtered: SafetyFilter, safety: Safety, arm: Arm) -> None:
        """Filter as `filtered` does; what `safety` then forbids stops `arm`."""
        super().__init__(filtered.limits, filtered.period_s)
        self._safety, self._arm = safety, arm

    def filter(self, command: RobotCommand, state: ArmState, now_ns: int) -> FilteredCommand:
        """See SafetyFilter.

        Raises:
            StoppedError: the command is forbidden, and the arm was stopped.
        """
        filtered = super().filter(command, state, now_ns)
        violation = self._safety.check_command(filtered.command.pose, filtered.command.stamp_ns, state, now_ns)
        if violation is not None and state.stop is None:
            self._arm.stop(violation.reason, violation.detail)
            raise StoppedError(f"The arm was stopped: {violation.reason.value}: {violation.detail}.")
        return filtered
