"""A gripper as a node."""

from __future__ import annotations

from rclpy.node import Node
from robot_rl_msgs.srv import SetWidth
from sensor_msgs.msg import JointState

from robot_rl.clock import Clock
from robot_rl.errors import DeviceError, SpecError, StoppedError
from robot_rl.robot.protocols import Gripper
from robot_rl_ros import convert, qos
from robot_rl_ros.broadcast import Broadcast

FINGER_NAMES = ("fr3_finger_joint1", "fr3_finger_joint2")


class GripperNode(Node):
    """Owns a gripper: `~/joint_states` out, service `~/set_width` in. Whoever makes time pass calls `publish`."""

    def __init__(self, gripper: Gripper, clock: Clock) -> None:
        super().__init__("gripper", start_parameter_services=False)
        self._gripper, self._time = gripper, clock
        self._state = Broadcast(self, JointState, "~/joint_states", qos.STREAM)
        self.create_service(SetWidth, "~/set_width", self._serve)

    def publish(self) -> None:
        """Tell the present opening."""
        self._state.send(convert.to_finger_state(self._gripper.width(), self._time.now_ns(), FINGER_NAMES))

    def repeat(self) -> None:
        """Tell it once more."""
        self._state.repeat()

    def _serve(self, request: SetWidth.Request, response: SetWidth.Response) -> SetWidth.Response:
        try:
            self._gripper.set_width(request.width_m)
            response.success = True
        except (SpecError, StoppedError, DeviceError) as error:
            response.message = str(error)
        return response
