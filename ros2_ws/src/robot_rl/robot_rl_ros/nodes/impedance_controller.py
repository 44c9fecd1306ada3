"""An arm as a node: commands in, state out."""

from __future__ import annotations

from contextlib import suppress

from geometry_msgs.msg import PoseStamped, TwistStamped, WrenchStamped
from rclpy.event_handler import QoSLivelinessChangedInfo, SubscriptionEventCallbacks
from rclpy.node import Node
from robot_rl_msgs.msg import ArmState as ArmStateMsg
from robot_rl_msgs.srv import SetImpedance, Stop
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from robot_rl.clock import Clock
from robot_rl.errors import RobotRLError, SpecError, StoppedError, UnknownNameError
from robot_rl.robot.protocols import Arm
from robot_rl.types import ArmState, Reason
from robot_rl_ros import convert, qos
from robot_rl_ros.broadcast import Broadcast
from robot_rl_ros.nodes.safety import Safety

JOINT_NAMES = tuple(f"fr3_joint{number}" for number in range(1, 8))
BASE_FRAME, TCP_FRAME = "base", "fr3_hand_tcp"


class ImpedanceController(Node):
    """Owns an arm. Whoever makes time pass calls `publish`.

    Topics: `~/equilibrium_pose` in; `~/state` out, and its parts as standard messages for those who listen.
    Services: `~/stop`, `~/recover`, `~/set_impedance`.
    """

    def __init__(self, arm: Arm, safety: Safety, clock: Clock, lease_s: float) -> None:
        """Own `arm`, whose commands `safety` judges; a commander not heard for `lease_s` counts as dead."""
        super().__init__("impedance_controller", start_parameter_services=False)
        self._arm, self._safety, self._time = arm, safety, clock
        self._commands, self._is_used = 0, False
        self._reset_from_ns: int | None = None  # while one moves the arm
        self._state = Broadcast(self, ArmStateMsg, "~/state", qos.STREAM)
        self._joints = Broadcast(self, JointState, "joint_states", qos.STREAM)
        self._pose = Broadcast(self, PoseStamped, "~/tcp_pose", qos.STREAM)
        self._twist = Broadcast(self, TwistStamped, "~/tcp_twist", qos.STREAM)
        self._wrench = Broadcast(self, WrenchStamped, "~/wrench", qos.STREAM)
        self.commands = self.create_subscription(
            PoseStamped,
            "~/equilibrium_pose",
            self._command,
            qos.make_command_qos(lease_s),
            event_callbacks=SubscriptionEventCallbacks(liveliness=self._watch),
        )
        self.create_service(Stop, "~/stop", self._serve_stop)
        self.create_service(Trigger, "~/recover", self._serve_recover)
        self.create_service(SetImpedance, "~/set_impedance", self._serve_impedance)

    def has_commander(self) -> bool:
        """Whether anybody may command the arm."""
        return self.count_publishers(self.commands.topic_name) > 0

    def begin_reset(self) -> None:
        """Whoever may command the arm has it moved, if not by commands: until `end_reset`, nobody may send any."""
        self._is_used = True
        self._reset_from_ns = self._time.now_ns()

    def end_reset(self) -> None:
        """The arm obeys commands again."""
        self._reset_from_ns = None

    def publish(self) -> None:
        """Judge the present state, and tell it."""
        self._tell(self._judge())

    def watch(self) -> None:
        """Judge the present state, and tell it where the arm has to be stopped."""
        state = self._judge()
        if state.stop is not None:
            self._tell(state)

    def _judge(self) -> ArmState:
        state = self._arm.state()
        violation = self._safety.check_state(state) if state.stop is None else None
        if violation is not None:
            self._arm.stop(violation.reason, violation.detail)
            state = self._arm.state()
        self._safety.show(state)
        return state

    def _tell(self, state: ArmState) -> None:
        self._state.send(convert.to_arm_state_msg(state, BASE_FRAME, self._commands))
        self._publish_parts(state)

    def _publish_parts(self, state: ArmState) -> None:
        stamp_ns = state.stamp_ns
        if self._joints.is_heard:
            self._joints.send(convert.to_joint_state(state, JOINT_NAMES))
        if self._pose.is_heard:
            self._pose.send(convert.to_pose_stamped(state.tcp_pose, stamp_ns, BASE_FRAME))
        if self._twist.is_heard:
            self._twist.send(convert.to_twist_stamped(state.tcp_twist_base, stamp_ns, BASE_FRAME))
        if self._wrench.is_heard:
            self._wrench.send(convert.to_wrench_stamped(state.tcp_wrench, stamp_ns, TCP_FRAME))

    def _command(self, message: PoseStamped) -> None:
        """Let a command through, or stop the arm because of it."""
        self._commands += 1
        self._is_used = True
        state = self._arm.state()
        if state.stop is None:
            self._obey(message, state)
        self.publish()

    def _obey(self, message: PoseStamped, state: ArmState) -> None:
        if message.header.frame_id not in ("", BASE_FRAME):
            detail = f"commands must be in the frame {BASE_FRAME!r}, got {message.header.frame_id!r}"
            self._arm.stop(Reason.NOT_FINITE, detail)
            return
        try:
            stamp_ns, pose = convert.from_pose_stamped(message)
        except SpecError as error:
            self._arm.stop(Reason.NOT_FINITE, str(error))
            return
        if self._reset_from_ns is not None:
            if stamp_ns > self._reset_from_ns:  # an older one is the last of whoever asked for the reset
                self._arm.stop(Reason.RIVAL, "a command came while a reset moved the arm: two drive it")
            return
        violation = self._safety.check_command(pose, stamp_ns, state, self._time.now_ns())
        if violation is not None:
            self._arm.stop(violation.reason, violation.detail)
            return
        with suppress(StoppedError):  # an arm with a loop of its own may have stopped since; its state says so
            self._arm.set_equilibrium_pose(pose, stamp_ns)

    def _watch(self, event: QoSLivelinessChangedInfo) -> None:
        """Stop when a commander is gone: it may be the one for whom the arm moves."""
        if event.alive_count_change < 0 and self._is_used:
            self._arm.stop(Reason.WATCHDOG, "whoever commanded the arm is gone")
            self.publish()

    def _serve_stop(self, request: Stop.Request, response: Stop.Response) -> Stop.Response:
        try:
            reason = convert.to_reason(request.reason) if request.reason else Reason.REQUESTED
            detail = request.detail
        except RobotRLError as error:  # whoever wants a stop gets one
            reason, detail = Reason.REQUESTED, f"{request.detail} ({error})"
        response.stop = convert.to_stop_msg(self._arm.stop(reason, detail))
        self.publish()
        return response

    def _serve_recover(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        del request
        violation = self._safety.check_state(self._arm.state())
        response.success, response.message = violation is None, violation.detail if violation else ""
        if response.success:
            try:
                self._arm.recover()
            except RobotRLError as error:  # a real arm may refuse, and the node goes on
                response.success, response.message = False, str(error)
        self.publish()
        return response

    def _serve_impedance(self, request: SetImpedance.Request, response: SetImpedance.Response) -> SetImpedance.Response:
        try:
            self._arm.set_impedance(request.preset)
            response.success = True
        except UnknownNameError as error:
            response.message, response.valid = str(error), error.valid
        return response
