"""The real robot as a process: controller with safety, hand, the task at a measured place, resets."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rclpy.node import Node

from robot_rl.clock import Clock
from robot_rl.control.guard import Guard
from robot_rl.env.placed_task import PlacedTask
from robot_rl.env.robot_env import make_safety_filter
from robot_rl.errors import DeviceError
from robot_rl.robot.fixed_gripper import FixedGripper
from robot_rl.robot.protocols import Arm, Gripper, SustainedArm
from robot_rl.robot.robot import Robot, RobotReading
from robot_rl.runtime.config import EnvConfig
from robot_rl.runtime.resetting import make_real_reset
from robot_rl.types import Reason
from robot_rl_ros import franka_devices, process
from robot_rl_ros.clock import NodeClock, every
from robot_rl_ros.devices.external_arm import ExternalArm
from robot_rl_ros.nodes.gripper import GripperNode
from robot_rl_ros.nodes.impedance_controller import ImpedanceController
from robot_rl_ros.nodes.reset import ResetNode
from robot_rl_ros.nodes.safety import GuardedFilter, Safety
from robot_rl_ros.nodes.task import TaskNode


class RobotNode(Node):
    """Has the devices of a real robot speak, `task.episode.teleop_rate_hz` times a second."""

    def __init__(self, timekeeper: Node, arm: Arm, gripper: Gripper, config: EnvConfig) -> None:
        """Own arm and gripper; the stamps are of `timekeeper`'s clock."""
        super().__init__("robot", start_parameter_services=False)
        clock: Clock = NodeClock(timekeeper)
        episode, place = config.task.episode, config.task.place
        filtered = make_safety_filter(episode)
        task = PlacedTask(config.task.name, place.make_place())
        self._arm, self._hand = arm, gripper
        self._has_hand = True
        self._safety = Safety(Guard(filtered.limits))
        self.controller = ImpedanceController(arm, self._safety, clock, config.graph.lease_s)
        self._gripper = GripperNode(gripper, clock)
        self._task = TaskNode(task)
        self._reset = ResetNode(
            make_real_reset(config.reset, task, place.start_width_m if episode.has_gripper else None),
            Robot(arm, gripper),
            clock,
            GuardedFilter(filtered, self._safety, arm),
            on_start=self.controller.begin_reset,
            on_step=self.controller.publish,  # which has the guard look at the arm
            on_end=self._end_reset,
            is_lock_step=False,
        )
        every(self, 1.0 / episode.teleop_rate_hz, self._speak)

    @property
    def nodes(self) -> list[Node]:
        """All nodes of the process."""
        return [self, self._safety, self.controller, self._gripper, self._task, self._reset]

    def _end_reset(self) -> None:
        self.controller.end_reset()
        self._speak()

    def _speak(self) -> None:
        """Tell the present. Whoever commands the arm is watched by the controller's node: the driver watches us."""
        if isinstance(self._arm, SustainedArm):
            self._arm.sustain()
        self.controller.publish()
        try:
            self._gripper.publish()
            width_m = self._hand.width()
        except DeviceError as error:
            self._lose_hand(error)
            return
        self._has_hand = True
        self._task.publish(RobotReading(self._arm.state(), width_m, {}))

    def _lose_hand(self, error: DeviceError) -> None:
        """Nobody may go on without it: what it holds is not known any more. The log says it once for each loss."""
        if self._has_hand:
            self.get_logger().error(str(error))
        self._has_hand = False
        self._arm.stop(Reason.STALE_STATE, str(error))


@contextmanager
def opened(config: EnvConfig, clock: Clock) -> Iterator[tuple[Arm, Gripper]]:
    """Arm and gripper of a real robot.

    Raises:
        ConfigError: a value that a driver refuses.
        SetupError: a library is missing.
        DeviceError: no robot answers.
    """
    if config.robot.kind == "franka":
        with franka_devices.opened(config, clock) as devices:
            yield devices
    else:
        with ExternalArm(config.robot.external, clock, 1.0 / config.task.episode.rate_hz) as arm:
            yield arm, FixedGripper()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the robot until told to end."""
    with process.started(__doc__, arguments) as config:
        config.check_device()
        timekeeper = Node("timekeeper", start_parameter_services=False)
        with process.robot_claimed(), opened(config, NodeClock(timekeeper)) as (arm, gripper):
            node = RobotNode(timekeeper, arm, gripper, config)
            process.serve([timekeeper, *node.nodes], is_needed=node.controller.has_commander)
    return 0


if __name__ == "__main__":
    sys.exit(main())
