"""The configuration of an environment, and of what is done with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from robot_rl.env.task import EpisodeConfig
from robot_rl.errors import ConfigError
from robot_rl.sim.human import HumanConfig
from robot_rl.sim.tasks.scene import SceneConfig


@dataclass(frozen=True)
class RobotConfig:
    """Which robot.

    Attributes:
        kind: "sim", the Franka in MuJoCo.
        cameras: names of the cameras that the policy sees; the simulated ones are wrist and side.
        image_size: height and width of their pictures [pixels].
        reset: "teleport" (simulation only, takes no simulated time) or "scripted" (moves as a real robot does).
        has_visual_meshes: draw the manufacturer's meshes where the mujoco-menagerie package has them cached.
    """

    kind: Literal["sim"] = "sim"
    cameras: tuple[str, ...] = ()
    image_size: int = 128
    reset: Literal["teleport", "scripted"] = "teleport"
    has_visual_meshes: bool = False

    def __post_init__(self) -> None:
        if self.image_size < 1:
            raise ConfigError(f"image_size must be at least 1 pixel, got {self.image_size}.")


@dataclass(frozen=True)
class TaskConfig:
    """Which task, how it is run, and (simulated) how hard it is.

    Attributes:
        name: of the task.
        level: what this difficulty is called in results.
        episode: how it is run.
        scene: how hard it is.
    """

    name: str = "peg"
    level: str = "standard"
    episode: EpisodeConfig = field(default_factory=EpisodeConfig)
    scene: SceneConfig = field(default_factory=SceneConfig)


@dataclass(frozen=True)
class TeleopConfig:
    """Who may correct the robot.

    Attributes:
        kind: "none"; "expert" or "blind" (the task's script, seeing the truth or only the estimate, acts all the
            time); "human" (a scripted person helps now and then).
        human: how that person is.
    """

    kind: Literal["none", "expert", "blind", "human"] = "none"
    human: HumanConfig = field(default_factory=HumanConfig)


@dataclass(frozen=True)
class EnvConfig:
    """An environment: robot, task and person."""

    robot: RobotConfig = field(default_factory=RobotConfig)
    task: TaskConfig = field(default_factory=TaskConfig)
    teleop: TeleopConfig = field(default_factory=TeleopConfig)


@dataclass(frozen=True)
class EvalConfig(EnvConfig):
    """An evaluation.

    Attributes:
        policy: expert, blind, zero or random.
        episodes: how many.
        seed: of the first episode's scene; the others follow from it.
        video: MP4 file to write, or None.
        sheet: PNG contact sheet to write; by default beside the video.
    """

    policy: str = "expert"
    episodes: int = 50
    seed: int = 0
    video: str | None = None
    sheet: str | None = None
