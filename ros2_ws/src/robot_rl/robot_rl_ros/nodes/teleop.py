"""A person's device as a node."""

from __future__ import annotations

from geometry_msgs.msg import TwistStamped
from rclpy.node import Node
from robot_rl_msgs.msg import TeleopCommand
from robot_rl_msgs.srv import StartEpisode
from sensor_msgs.msg import Joy

from robot_rl.clock import Clock
from robot_rl.robot.protocols import Teleop
from robot_rl_ros import convert, qos
from robot_rl_ros.broadcast import Broadcast
from robot_rl_ros.nodes.impedance_controller import BASE_FRAME


class TeleopNode(Node):
    """Owns a device: `~/command` out, and its parts as standard messages for those who listen.

    Who has the robot is decided by the environment, which says so on `~/takeover`. A scripted person is told of each
    episode by the service `~/start_episode`; until then nothing is read and nothing published.
    """

    def __init__(self, teleop: Teleop, clock: Clock, *, is_scripted: bool) -> None:
        super().__init__("teleop", start_parameter_services=False)
        self._teleop, self._time = teleop, clock
        self._is_watching = not is_scripted
        self.is_at_rest = True
        """Whether the newest command asks for nothing."""
        self._command = Broadcast(self, TeleopCommand, "~/command", qos.PRESSES)
        self._twist = Broadcast(self, TwistStamped, "~/twist", qos.STREAM)
        self._buttons = Broadcast(self, Joy, "~/buttons", qos.PRESSES)
        self.create_service(StartEpisode, "~/start_episode", self._serve)

    def publish(self) -> None:
        """Tell what the person does now."""
        if not self._is_watching:
            return
        command = self._teleop.read()
        self.is_at_rest = command is None or not (command.twist_base.any() or command.gripper or command.buttons)
        now_ns = self._time.now_ns()
        self._command.send(convert.to_teleop_command(command, now_ns, BASE_FRAME))
        if self._twist.is_heard or self._buttons.is_heard:
            twist, buttons = convert.to_teleop_msgs(command, now_ns, BASE_FRAME)
            self._twist.send(twist)
            self._buttons.send(buttons)

    def repeat(self) -> None:
        """Tell it once more."""
        self._command.repeat()

    def look_away(self) -> None:
        """The episode is over."""
        self._is_watching = False

    def _serve(self, request: StartEpisode.Request, response: StartEpisode.Response) -> StartEpisode.Response:
        self._teleop.reset(int(request.seed))
        self._is_watching = True
        self.publish()
        return response
