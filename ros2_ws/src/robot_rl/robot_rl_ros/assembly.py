"""The environment of a configuration, over the wire."""

from __future__ import annotations

from robot_rl.env.judged_task import JudgedReset, JudgedTask, PersonsJudge
from robot_rl.env.robot_env import RobotEnv
from robot_rl.robot.only_buttons import OnlyButtons
from robot_rl.robot.robot import Robot
from robot_rl.runtime.assembly import make_spec
from robot_rl.runtime.config import EnvConfig
from robot_rl.sim.franka import MAX_GRIPPER_WIDTH_M
from robot_rl.types import Button
from robot_rl_ros.clock import make_clock
from robot_rl_ros.devices.arm import RosArm
from robot_rl_ros.devices.camera import RosCamera
from robot_rl_ros.devices.gripper import RosGripper
from robot_rl_ros.devices.reset import HOLDING, RosReset
from robot_rl_ros.devices.task import CLASSIFIER, TASK, RosTask
from robot_rl_ros.devices.teleop import RosTeleop
from robot_rl_ros.link import Link


class RosWorkcell:
    """The robot of a graph, and the environments that use it.

    Attributes:
        robot: the devices, joined.
        teleop: the person's device; None where nobody helps.
        env: with the person.
        lonely_env: the same without anybody, to evaluate in; a person who is the judge only judges, and one at a
            device may pause and abort.
    """

    def __init__(self, link: Link, config: EnvConfig) -> None:
        """Join the graph.

        Raises:
            DeviceError: nobody is there.
            ConfigError: a real person's device in a graph whose time waits for the actor.
        """
        config.check_device()
        clock = make_clock(link, config.graph.is_lock_step)
        self.robot = Robot(
            RosArm(link, config.graph.lease_s),
            RosGripper(link, MAX_GRIPPER_WIDTH_M),
            {name: RosCamera(link, f"camera_{name}/color/image_raw") for name in config.robot.cameras},
        )
        by_person = config.reward.kind == "button"
        estimate_size = make_spec(config).observation.proprio["task"].shape[0]
        judge = CLASSIFIER if config.reward.kind == "classifier" else TASK
        at_wire = RosTask(link, config.task.name, estimate_size, judge)
        task = JudgedTask(at_wire, PersonsJudge()) if by_person else at_wire
        has_teleop = config.teleop.kind != "none" or by_person
        self.teleop = RosTeleop(link, is_scripted=not config.teleop.is_device) if has_teleop else None
        reset = JudgedReset(RosReset(link, self.teleop), at_wire)
        episode = config.task.episode
        self.env = RobotEnv(self.robot, task, reset, clock, episode, self.teleop)
        watching = None
        if self.teleop is not None and (by_person or config.teleop.is_device):
            watching = OnlyButtons(self.teleop, frozenset(Button) if by_person else HOLDING)
        self.lonely_env = RobotEnv(self.robot, task, reset, clock, episode, watching)
