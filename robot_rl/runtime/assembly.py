"""Builds an environment of its configuration: the one place that knows simulation and environment both."""

from __future__ import annotations

from dataclasses import dataclass

from robot_rl.env.observation import make_observation_spec
from robot_rl.env.resets import Reset, ScriptedReset
from robot_rl.env.robot_env import RobotEnv
from robot_rl.robot.protocols import Teleop
from robot_rl.robot.robot import Robot
from robot_rl.runtime.config import EnvConfig, TeleopConfig
from robot_rl.sim import franka
from robot_rl.sim.devices import SimArm, SimCamera, SimClock, SimGripper
from robot_rl.sim.expert import Deflection, ScriptedExpert
from robot_rl.sim.human import ScriptedHuman
from robot_rl.sim.simulation import Simulation
from robot_rl.sim.tasks import make_task
from robot_rl.sim.tasks.task import SimTask, View
from robot_rl.sim.teleport import TeleportReset
from robot_rl.sim.visuals import use_visual_meshes
from robot_rl.sim.workcell import make_workcell_spec
from robot_rl.specs import EnvironmentSpec

_ARM_ELEMENTS = 6  # of an action: translation and rotation; a gripper adds one


@dataclass(frozen=True)
class SimWorkcell:
    """A simulated environment, and what is behind it for those who watch."""

    env: RobotEnv
    simulation: Simulation
    task: SimTask
    reset: Reset
    teleop: Teleop | None

    def make_camera(self, name: str, height: int, width: int) -> SimCamera:
        """One more camera, for watching: it is no part of the observation."""
        return SimCamera(self.simulation, name, height, width)


def make_sim_workcell(config: EnvConfig) -> SimWorkcell:
    """The simulated environment of a configuration.

    Raises:
        UnknownNameError: no such task or camera.
    """
    task = make_task(config.task.name, config.task.scene)
    spec = make_workcell_spec()
    if config.robot.has_visual_meshes:
        use_visual_meshes(spec)
    task.add_to(spec)
    simulation = Simulation(spec, config.task.episode.impedance)
    task.attach(simulation)
    task.arrange(seed=0)  # there is something to see and to judge before the first episode
    simulation.place_robot(franka.HOME_JOINTS, task.grasp_width_m)  # the fingers on the part that is in the hand
    size = config.robot.image_size
    robot = Robot(
        SimArm(simulation, 1.0 / config.task.episode.rate_hz),
        SimGripper(simulation),
        {name: SimCamera(simulation, name, size, size) for name in config.robot.cameras},
    )
    reset: Reset
    if config.robot.reset == "teleport":
        reset = TeleportReset(simulation, task, task.grasp_width_m)
    else:
        reset = ScriptedReset(task, start_width_m=task.grasp_width_m if config.task.episode.has_gripper else None)
    teleop = _make_teleop(config.teleop, task, config)
    env = RobotEnv(robot, task, reset, SimClock(simulation), config.task.episode, teleop)
    return SimWorkcell(env, simulation, task, reset, teleop)


def make_env(config: EnvConfig) -> RobotEnv:
    """The environment of a configuration."""
    return make_sim_workcell(config).env


def make_spec(config: EnvConfig) -> EnvironmentSpec:
    """The spec of a configuration's environment, which is not built for it.

    Raises:
        UnknownNameError: no such task.
    """
    episode, size = config.task.episode, config.robot.image_size
    task = make_task(config.task.name, config.task.scene)
    images = dict.fromkeys(config.robot.cameras, (size, size))
    action_size = _ARM_ELEMENTS + episode.has_gripper
    return EnvironmentSpec(
        make_observation_spec(task.estimate_size, images), action_size, episode.step_limit, episode.rate_hz
    )


def _make_teleop(teleop: TeleopConfig, task: SimTask, config: EnvConfig) -> Teleop | None:
    episode = config.task.episode
    deflection = Deflection(episode.translation_scale_m, episode.rotation_scale_rad)
    if teleop.kind == "expert":
        return ScriptedExpert(task, deflection, View.TRUTH)
    if teleop.kind == "blind":
        return ScriptedExpert(task, deflection, View.ESTIMATE)
    if teleop.kind == "human":
        return ScriptedHuman(task, deflection, teleop.human, episode.teleop_rate_hz)
    return None
