"""Asks the controller of a running graph where its tool is, or to recover; commands nothing."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any

from rclpy.client import Client
from rclpy.node import Node
from rclpy.utilities import remove_ros_args
from robot_rl_msgs.msg import ArmState as ArmStateMsg
from rosgraph_msgs.msg import Clock as ClockMsg
from std_srvs.srv import Trigger

from robot_rl.errors import DeviceError
from robot_rl.runtime.place_config import to_place_words
from robot_rl.types import ArmState, StopRecord
from robot_rl_ros import convert, qos
from robot_rl_ros.devices.arm import CONTROLLER
from robot_rl_ros.link import Link, Newest
from robot_rl_ros.membership import joined

_PATIENCE_S = 10.0
_RECOVERY_S = 600.0
"""Longer than any driver needs: that of a Franka may start a process and compile the law, within 180 s."""
_SAY_EVERY_S = 10.0
_MAY_STILL = "It may still recover, and the arm may move then: keep clear."
_DIGITS = 6


class Controller:
    """The controller of a graph, for who only looks.

    `RosArm` is for who drives: the controller stops an arm whose commander is gone, and what asks is gone soon.
    """

    def __init__(self, link: Link) -> None:
        """Join the graph of the link's node."""
        self._link, node = link, link.node
        self._states = Newest(link, ArmStateMsg, f"{CONTROLLER}/state", _to_state, qos.STREAM)
        self._recover: Client[Any, Any] = node.create_client(Trigger, f"{CONTROLLER}/recover")
        # In lock-step nobody speaks while time stands still; who names a time that was reached hears the present.
        advance = node.create_publisher(ClockMsg, "simulation/advance", qos.STREAM)
        link.ask_again = lambda: advance.publish(convert.to_clock(0))

    def read(self) -> ArmState:
        """The newest state.

        Raises:
            DeviceError: nobody answers.
        """
        node = self._link.node
        try:
            return self._states.read()[1]
        except DeviceError as error:
            namespace = node.get_namespace().strip("/")
            there = f"ROS domain {node.context.get_domain_id()}" + (f", namespace {namespace}" if namespace else "")
            raise DeviceError(
                f"No graph answers in {there} ({error}) `robot-rl up` starts one; --domain and --namespace say where "
                "to look."
            ) from error

    def recover(self) -> str | None:
        """Ask a stopped arm to recover; why it has not.

        Raises:
            DeviceError: nobody answers; the arm may recover all the same, later.
        """
        before = self.read().stop
        try:
            answer = self._ask_to_recover()
        except KeyboardInterrupt:
            print(_MAY_STILL, file=sys.stderr)
            raise
        if not answer.success:
            return str(answer.message)
        if not self._link.wait_for(lambda: self.read().stop != before):
            return "it says that it has, and still reports the same stop"
        after = self.read().stop
        return None if after is None else f"it was stopped again at once: {_describe(after)}"

    def _ask_to_recover(self) -> Trigger.Response:
        """The controller's answer; DeviceError where none comes.

        Who no longer waits for it leaves an arm behind that may come free unexpectedly.
        """
        link, client = self._link, self._recover
        if not link.spin_until(client.service_is_ready, link.patience_s):
            raise DeviceError(f"The service {client.srv_name} was not there within {link.patience_s:g} s.")
        asked_s = time.monotonic()
        answer = client.call_async(Trigger.Request())
        while not link.spin_until(answer.done, _SAY_EVERY_S):
            waited_s = time.monotonic() - asked_s
            if waited_s >= _RECOVERY_S:
                raise DeviceError(f"The controller has not answered within {_RECOVERY_S:g} s. {_MAY_STILL}")
            if not client.service_is_ready():
                raise DeviceError(f"The controller has not answered and is not heard any more. {_MAY_STILL}")
            print(f"still recovering after {waited_s:.0f} s: keep clear", flush=True)
        response: Trigger.Response = answer.result()
        return response


def _to_state(message: ArmStateMsg) -> tuple[int, ArmState]:
    state = convert.from_arm_state_msg(message)
    return state.stamp_ns, state


def _describe(stop: StopRecord) -> str:
    return f"{stop.reason.value}: {stop.detail}"


def _say_where(controller: Controller, tool_length_m: float) -> int:
    state = controller.read()
    pose = state.tcp_pose
    position, quaternion = (
        [round(float(value), _DIGITS) + 0.0 for value in values] for values in (pose.position, pose.quaternion)
    )
    print(f"T_base_tcp: {{position: {position}, quaternion: {quaternion}}}")
    print(" ".join(to_place_words(pose, tool_length_m)))
    print("the arm is free to move" if state.stop is None else f"the arm is stopped: {_describe(state.stop)}")
    return 0


def _recover(controller: Controller) -> int:
    stop = controller.read().stop
    if stop is None:
        print("the arm is free to move: it was not stopped")
        return 0
    print(f"the arm was stopped: {_describe(stop)}", flush=True)
    refusal = controller.recover()
    print("it may move again" if refusal is None else f"it has not recovered: {refusal}")
    return 0 if refusal is None else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, and say the answer."""
    argv = list(sys.argv if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="robot-rl", description=__doc__)
    parser.add_argument("what", choices=("where", "recover"))
    parser.add_argument("--tool-length", type=float, default=0.0, metavar="M", help="of what the hand holds [m]")
    parsed = parser.parse_args(remove_ros_args(argv)[1:])
    with joined(parser.prog, argv):
        node = Node("ask", start_parameter_services=False, enable_rosout=False)
        link = Link(node, _PATIENCE_S)
        try:
            controller = Controller(link)
            return _say_where(controller, parsed.tool_length) if parsed.what == "where" else _recover(controller)
        finally:
            link.close()
            node.destroy_node()


if __name__ == "__main__":
    sys.exit(main())
