"""An arm at the other end of the wire is an arm again."""

from __future__ import annotations

from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.client import Client
from robot_rl_msgs.msg import ArmState as ArmStateMsg
from robot_rl_msgs.srv import SetImpedance, Stop
from std_srvs.srv import Trigger

from robot_rl.errors import DeviceError, SpecError, UnknownNameError
from robot_rl.geometry import Pose
from robot_rl.types import ArmState, Reason, StopRecord, check_not_stopped
from robot_rl_ros import convert, qos
from robot_rl_ros.link import Link, Newest

CONTROLLER = "impedance_controller"
_STOP_PATIENCE_S = 3.0  # whoever does not stop by then is not there
_ASK_AFTER_S = 0.01  # within a period the simulator tells it only when asked
_MAX_SILENCE_S = 0.2  # in real time an arm speaks a hundred times a second


class RosArm:
    """The arm of an impedance controller's node.

    In lock-step a command has arrived when `set_equilibrium_pose` returns; in real time nothing is waited for, and
    what the controller made of it is in the states that follow.
    """

    def __init__(self, link: Link, lease_s: float, base_frame: str = "base", controller: str = CONTROLLER) -> None:
        """Join the node named `controller`.

        Args:
            link: whose thread uses the arm.
            lease_s: the controller stops the arm when this process has not been heard for so long.
            base_frame: frame of the commands.
            controller: name of the node.
        """
        self._link, self._frame = link, base_frame
        node = link.node
        self._state = Newest(
            link,
            ArmStateMsg,
            f"{controller}/state",
            self._take,
            qos.STREAM,
            _MAX_SILENCE_S,
            lambda state: state.stop is not None,  # that of an arm that has been lost is its last one
        )
        self._commands, self._is_another = 0, False
        self._most: int | None = None  # commands that the controller has had at most, were they ours alone
        self._publisher = node.create_publisher(
            PoseStamped, f"{controller}/equilibrium_pose", qos.make_commander_qos(lease_s)
        )
        self._set_impedance: Client[Any, Any] = node.create_client(SetImpedance, f"{controller}/set_impedance")
        self._stop: Client[Any, Any] = node.create_client(Stop, f"{controller}/stop")
        self._recover: Client[Any, Any] = node.create_client(Trigger, f"{controller}/recover")

    def _take(self, message: ArmStateMsg) -> tuple[int, ArmState]:
        state = convert.from_arm_state_msg(message)
        self._is_another = self._is_another or int(message.commands) < self._commands
        self._commands = int(message.commands)
        return state.stamp_ns, state

    def state(self) -> ArmState:
        """Newest state; in lock-step that of the present.

        Raises:
            DeviceError: the controller is silent, or was started again: what it was told before is forgotten; or
                somebody else commands it, too: what it does is not what it was told here.
        """
        state = self._state.read(_ASK_AFTER_S)[1]
        if self._is_another:
            raise DeviceError(f"The controller of {self._state.topic} was started again while it was used.")
        if self._most is not None and self._commands > self._most:
            raise DeviceError(
                f"The controller of {self._state.topic} has had {self._commands} commands, with those of this process "
                f"it would be {self._most} at most: somebody else commands the arm, too."
            )
        return state

    def set_equilibrium_pose(self, pose: Pose, stamp_ns: int) -> None:
        """Send the pose; in lock-step, wait until the controller has dealt with it."""
        if not np.isfinite(pose.to_vector()).all():
            raise SpecError(f"equilibrium pose must be finite, got {pose}.")
        check_not_stopped(self.state().stop)
        before = self._commands
        self._most = (before if self._most is None else self._most) + 1
        self._publisher.publish(convert.to_pose_stamped(pose, stamp_ns, self._frame))
        if self._link.due_ns is None:
            return
        if not self._link.wait_for(lambda: self._commands != before):
            raise DeviceError(f"The controller took no command within {self._link.patience_s:g} s.")
        check_not_stopped(self.state().stop)

    def set_impedance(self, preset: str) -> None:
        """Change to a named preset."""
        answer = self._link.call(self._set_impedance, SetImpedance.Request(preset=preset))
        if not answer.success:
            raise UnknownNameError("impedance preset", preset, answer.valid)

    def stop(self, reason: Reason = Reason.REQUESTED, detail: str = "") -> StopRecord:
        """Stop the arm; return the record of its first stop."""
        answer = self._link.call(self._stop, Stop.Request(reason=reason.value, detail=detail), _STOP_PATIENCE_S)
        record = convert.from_stop_msg(answer.stop)
        if record is None:
            raise DeviceError("The controller says that it did not stop.")
        self._wait_for(is_stopped=True)
        return record

    def recover(self) -> None:
        """Allow motion again."""
        answer = self._link.call(self._recover, Trigger.Request())
        if not answer.success:
            raise DeviceError(f"The arm did not recover: {answer.message}")
        self._wait_for(is_stopped=False)

    def _wait_for(self, *, is_stopped: bool) -> None:
        """Until the states say so, too: the answer of a service may be faster than they are."""

        def is_reached() -> bool:
            state = self._state.value
            return state is not None and (state.stop is not None) is is_stopped

        if not self._link.spin_until(is_reached, self._link.patience_s):
            raise DeviceError(f"The arm does not report that it is {'stopped' if is_stopped else 'free to move'}.")
