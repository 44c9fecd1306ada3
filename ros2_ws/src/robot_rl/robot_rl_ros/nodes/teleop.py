"""A person's device as a node."""

from __future__ import annotations

from geometry_msgs.msg import TwistStamped
from rclpy.node import Node
from robot_rl_msgs.srv import StartEpisode
from sensor_msgs.msg import Joy

from robot_rl.clock import Clock
from robot_rl.robot.protocols import Teleop
from robot_rl_ros import convert, qos
from robot_rl_ros.broadcast import Broadcast
from robot_rl_ros.nodes.impedance_controller import BASE_FRAME


class TeleopNode(Node):
    """Owns a device: `~/twist` (normalised deflection) and `~/buttons` out.

    Who has the robot is decided by the environment, which says so on `~/takeover`. A scripted person is told of each
    episode by the service `~/start_episode`; until then nothing is read and nothing published.
    """

    def __init__(self, teleop: Teleop, clock: Clock, *, is_scripted: bool) -> None:
        super().__init__("teleop")
        self._teleop, self._time = teleop, clock
        self._is_watching = not is_scripted
        self._twist = Broadcast(self, TwistStamped, "~/twist", qos.STREAM)
        self._buttons = Broadcast(self, Joy, "~/buttons", qos.PRESSES)
        self.create_service(StartEpisode, "~/start_episode", self._serve)

    def publish(self) -> None:
        """Tell what the person does now."""
        if not self._is_watching:
            return
        command = self._teleop.read()
        twist, buttons = convert.to_teleop_msgs(command, self._time.now_ns(), BASE_FRAME)
        self._buttons.send(buttons)
        self._twist.send(twist)

    def repeat(self) -> None:
        """Tell it once more."""
        self._buttons.repeat()
        self._twist.repeat()

    def look_away(self) -> None:
        """The episode is over."""
        self._is_watching = False

    def _serve(self, request: StartEpisode.Request, response: StartEpisode.Response) -> StartEpisode.Response:
        self._teleop.reset(int(request.seed))
        self._is_watching = True
        self.publish()
        return response
