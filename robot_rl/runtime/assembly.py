"""Builds an environment of its configuration: the one place that knows simulation and environment both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from robot_rl.env.judged_task import JudgedReset, JudgedTask
from robot_rl.env.observation import make_observation_spec
from robot_rl.env.resets import TimedReset
from robot_rl.env.robot_env import RobotEnv
from robot_rl.errors import ConfigError
from robot_rl.robot.protocols import Arm, Gripper, Teleop
from robot_rl.robot.robot import Robot
from robot_rl.runtime.config import EnvConfig, TeleopConfig, TrainConfig
from robot_rl.runtime.judging import make_judge
from robot_rl.runtime.resetting import find_backward, make_reset
from robot_rl.sim import franka
from robot_rl.sim.devices import SimArm, SimCamera, SimClock, SimGripper
from robot_rl.sim.expert import Deflection, ScriptedExpert
from robot_rl.sim.human import ScriptedHuman
from robot_rl.sim.simulation import Simulation
from robot_rl.sim.tasks import make_task
from robot_rl.sim.tasks.task import SimTask, View
from robot_rl.sim.visuals import use_visual_meshes
from robot_rl.sim.watcher import Watcher
from robot_rl.sim.workcell import make_workcell_spec
from robot_rl.specs import EnvironmentSpec

_ARM_ELEMENTS = 6  # of an action: translation and rotation; a gripper adds one
_NO_GRAPH = ", and there is none within one process: use robot-rl up."


@dataclass(frozen=True)
class SimWorkcell:
    """A simulated environment, and what is behind it for those who watch.

    Attributes:
        env: the environment, judged by whom the configuration says.
        simulation: physics and law.
        task: as it is, with its own test.
        reset: without the judge, who has to be told of it.
        teleop: the person.
    """

    env: RobotEnv
    simulation: Simulation
    task: SimTask
    reset: TimedReset
    teleop: Teleop | None

    def make_camera(self, name: str, height: int, width: int) -> SimCamera:
        """One more camera, for watching: it is no part of the observation."""
        return SimCamera(self.simulation, name, height, width)


def make_own_devices(simulation: Simulation, config: EnvConfig) -> tuple[Arm, Gripper]:
    """Arm and hand of the simulation itself, under its own law."""
    return SimArm(simulation, 1.0 / config.task.episode.rate_hz), SimGripper(simulation)


def make_sim_workcell(config: EnvConfig) -> SimWorkcell:
    """The simulated environment of a configuration, within this process.

    Raises:
        UnknownNameError: no such task or camera.
        ConfigError: something of it is a node of the graph: a real person's device, a real camera, a robot that nodes
            move, or time that passes by itself.
    """
    if config.robot.kind != "sim":
        raise ConfigError(f"robot={config.robot.kind} is moved by nodes of the graph{_NO_GRAPH}")
    if config.camera.is_device and config.robot.cameras:
        raise ConfigError(f"camera={config.camera.kind} is a node of the graph{_NO_GRAPH}")
    if config.teleop.is_device:
        raise ConfigError(f"teleop={config.teleop.kind} is a node of the graph{_NO_GRAPH}")
    if not config.graph.is_lock_step:
        raise ConfigError(f"graph={config.graph.mode} is how time passes in the graph{_NO_GRAPH}")
    return make_served_workcell(config)


def make_served_workcell(
    config: EnvConfig, make_devices: Callable[[Simulation, EnvConfig], tuple[Arm, Gripper]] = make_own_devices
) -> SimWorkcell:
    """The simulated environment that a node of the graph serves to others.

    Args:
        config: of the environment.
        make_devices: arm and hand on top of the physics, when everything is in its place.

    Raises:
        UnknownNameError: no such task or camera.
    """
    task, backward = make_task(config.task.name, config.task.scene), find_backward(config)
    spec = make_workcell_spec()
    if config.robot.has_visual_meshes:
        use_visual_meshes(spec)
    tasks = [task] if backward is None else [task, backward.task]
    for each in tasks:
        each.add_to(spec)
    simulation = Simulation(spec, config.task.episode.impedance)
    for each in tasks:
        each.attach(simulation)
        each.arrange(seed=0)  # there is something to see and to judge before the first episode
    simulation.place_robot(franka.HOME_JOINTS, task.grasp_width_m)  # the fingers on the part that is in the hand
    size = config.robot.image_size
    arm, gripper = make_devices(simulation, config)
    robot = Robot(
        arm,
        gripper,
        {name: SimCamera(simulation, name, size, size) for name in config.robot.cameras},
    )
    clock = SimClock(simulation)
    reset = make_reset(config, simulation, task, robot, clock, backward)
    teleop = _make_teleop(config.teleop, task, config)
    judge = make_judge(config)
    judged, procedure = (task, reset) if judge is None else (JudgedTask(task, judge), JudgedReset(reset, judge))
    env = RobotEnv(robot, judged, procedure, clock, config.task.episode, teleop)
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


def make_run_spec(config: TrainConfig) -> EnvironmentSpec:
    """The spec of a training run's environment, with a base policy's answers where it has one.

    Raises:
        UnknownNameError: no such task.
    """
    return config.agent.corrector.extend(make_spec(config))


def _make_teleop(teleop: TeleopConfig, task: SimTask, config: EnvConfig) -> Teleop | None:
    """Who is at the device; where a person's button is the reward, somebody watches at least."""
    hands = _make_hands(teleop, task, config)
    return Watcher(task, hands) if config.reward.kind == "button" else hands


def _make_hands(teleop: TeleopConfig, task: SimTask, config: EnvConfig) -> Teleop | None:
    episode = config.task.episode
    deflection = Deflection(episode.translation_scale_m, episode.rotation_scale_rad)
    if teleop.kind == "expert":
        return ScriptedExpert(task, deflection, View.TRUTH)
    if teleop.kind == "blind":
        return ScriptedExpert(task, deflection, View.ESTIMATE)
    if teleop.kind == "human":
        return ScriptedHuman(task, deflection, teleop.human, episode.teleop_rate_hz)
    return None
