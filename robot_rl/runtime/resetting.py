"""Makes the reset that a configuration asks for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from robot_rl.clock import Clock
from robot_rl.env.backward_reset import BackwardReset, StayingReset
from robot_rl.env.reset_config import ResetConfig
from robot_rl.env.resets import Procedure, RandomStart, Scene, TimedReset
from robot_rl.env.robot_env import RobotEnv
from robot_rl.env.scripted_reset import Posture, ScriptedReset
from robot_rl.errors import ConfigError
from robot_rl.robot.robot import Robot
from robot_rl.runtime.acting.trained_policy import load_policy
from robot_rl.runtime.config import EnvConfig, TrainConfig
from robot_rl.runtime.run_folder import RunFolder
from robot_rl.sim.simulation import Simulation
from robot_rl.sim.tasks import make_task
from robot_rl.sim.tasks.task import SimTask
from robot_rl.sim.teleport import TeleportReset


@dataclass(frozen=True)
class Backward:
    """A run whose policy undoes the task.

    Attributes:
        folder: of the run.
        config: of the run.
        task: of the run, to be put into the same scene.
    """

    folder: RunFolder
    config: TrainConfig
    task: SimTask


def find_backward(config: EnvConfig) -> Backward | None:
    """The run of `reset=backward_policy`, if that is chosen.

    Raises:
        ConfigError: there is no such run, or it does not go with the task.
    """
    if config.reset.policy is None:
        return None
    if not config.graph.is_lock_step:  # its environment would let simulated time run ahead of everybody else's
        raise ConfigError("reset=backward_policy in simulation needs graph=lock_step.")
    folder = RunFolder(Path(config.reset.policy))
    trained = folder.load_config()
    ours, theirs = config.task, trained.task
    if ours.name == theirs.name:
        raise ConfigError(
            f"reset.policy={config.reset.policy} was trained on {theirs.name} itself, not on its undoing."
        )
    if ours.episode.rate_hz != theirs.episode.rate_hz:
        raise ConfigError(
            f"reset.policy={config.reset.policy} acts {theirs.episode.rate_hz:g} times a second, and the task is run "
            f"at {ours.episode.rate_hz:g} Hz."
        )
    return Backward(folder, trained, make_task(theirs.name, theirs.scene))


def make_reset(
    config: EnvConfig, simulation: Simulation, task: SimTask, robot: Robot, clock: Clock, backward: Backward | None
) -> TimedReset:
    """The reset of a simulated robot.

    Raises:
        CheckpointError: the backward policy has no weights, or sees other cameras than the robot has.
    """
    reset = config.reset
    if reset.kind == "teleport":
        scene = _vary_start(reset, task)
        return TimedReset(TeleportReset(simulation, scene, task.grasp_width_m), reset.timeout_s)
    script = _make_script(reset, task, task.grasp_width_m if config.task.episode.has_gripper else None)
    procedure: Procedure = script
    if backward is not None:
        env = RobotEnv(robot, backward.task, StayingReset(backward.task), clock, backward.config.task.episode)
        procedure = BackwardReset(env, load_policy(backward.folder, env.spec), script)
    return TimedReset(procedure, reset.timeout_s)


def make_real_reset(reset: ResetConfig, scene: Scene, start_width_m: float | None) -> TimedReset:
    """The reset of a real robot: the script. `start_width_m` is the gripper's opening then, None to leave it alone."""
    return TimedReset(_make_script(reset, scene, start_width_m), reset.timeout_s)


def _make_script(reset: ResetConfig, scene: Scene, start_width_m: float | None) -> ScriptedReset:
    return ScriptedReset(
        _vary_start(reset, scene),
        lift_m=reset.lift_m,
        speed_m_s=reset.speed_m_s,
        speed_rad_s=reset.speed_rad_s,
        settle_s=reset.settle_s,
        start_width_m=start_width_m,
        posture=Posture(reset.posture_rad, reset.posture_every) if reset.posture_every else None,
    )


def _vary_start(reset: ResetConfig, scene: Scene) -> Scene:
    return RandomStart(scene, reset.start_half_m, reset.start_half_yaw_rad) if reset.has_random_start else scene
