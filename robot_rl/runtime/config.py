"""The configuration of an environment, and of what is done with it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from robot_rl.agents.agent import AgentConfig
from robot_rl.control.hand import ButtonMap
from robot_rl.data.replay import ReplayConfig
from robot_rl.env.reset_config import ResetConfig
from robot_rl.env.task import EpisodeConfig
from robot_rl.errors import ConfigError
from robot_rl.rewards.config import RewardConfig
from robot_rl.runtime.acting.inference_config import InferenceConfig
from robot_rl.runtime.camera_config import CameraConfig
from robot_rl.runtime.channels.channel_config import ChannelConfig
from robot_rl.runtime.device_config import (
    GamepadConfig,
    JoyConfig,
    KeyboardConfig,
    SpaceMouseConfig,
    TwistConfig,
    check_grasp,
    check_judge,
)
from robot_rl.runtime.external_config import ExternalConfig, check_external
from robot_rl.runtime.franka_config import FrankaConfig
from robot_rl.runtime.place_config import PlaceConfig, check_reach
from robot_rl.runtime.torch_device import check_threads
from robot_rl.sim.human import HumanConfig
from robot_rl.sim.tasks.scene import SceneConfig

_LEAST_LEASE_S, _LONGEST_LEASE_S = 0.01, 3600.0


@dataclass(frozen=True)
class RobotConfig:
    """Which robot.

    Attributes:
        kind: "sim", the Franka in MuJoCo; or "fci_sim", the same behind the network interface of the real one, driven
            by the real driver, in the graph and in lock-step. In the graph and in real time: "franka", a real one, or
            "external", an arm that somebody else's ROS 2 controller drives.
        cameras: names of the cameras that the policy sees; the simulated ones are wrist and side.
        image_size: height and width of their pictures [pixels].
        has_visual_meshes: draw the manufacturer's meshes where the mujoco-menagerie package has them cached.
        franka: what is told to the real driver.
        external: where the other controller is to be found.
    """

    kind: Literal["sim", "fci_sim", "franka", "external"] = "sim"
    cameras: tuple[str, ...] = ()
    image_size: int = 128
    has_visual_meshes: bool = False
    franka: FrankaConfig = field(default_factory=FrankaConfig)
    external: ExternalConfig = field(default_factory=ExternalConfig)

    def __post_init__(self) -> None:
        if self.image_size < 1:
            raise ConfigError(f"image_size must be at least 1 pixel, got {self.image_size}.")

    @property
    def is_real(self) -> bool:
        """Whether it is made of metal."""
        return self.kind in ("franka", "external")


@dataclass(frozen=True)
class TaskConfig:
    """Which task, how it is run, and (simulated) how hard it is.

    Attributes:
        name: of the task.
        level: what this difficulty is called in results.
        episode: how it is run.
        scene: how hard it is.
        place: where it is, on a real robot.
    """

    name: str = "peg"
    level: str = "standard"
    episode: EpisodeConfig = field(default_factory=EpisodeConfig)
    scene: SceneConfig = field(default_factory=SceneConfig)
    place: PlaceConfig = field(default_factory=PlaceConfig)


@dataclass(frozen=True)
class TeleopConfig:
    """Who may correct the robot.

    Attributes:
        kind: "none"; "expert" or "blind" (the task's script, seeing the truth or only the estimate, acts all the
            time); "human" (a scripted person helps now and then); or a real person, in the graph and in real time,
            with "spacemouse", "gamepad", "joy", "twist" or "keyboard".
        human: how the scripted person is.
        spacemouse, gamepad, joy, twist, keyboard: the devices.
    """

    kind: Literal["none", "expert", "blind", "human", "spacemouse", "gamepad", "joy", "twist", "keyboard"] = "none"
    human: HumanConfig = field(default_factory=HumanConfig)
    spacemouse: SpaceMouseConfig = field(default_factory=SpaceMouseConfig)
    gamepad: GamepadConfig = field(default_factory=GamepadConfig)
    joy: JoyConfig = field(default_factory=JoyConfig)
    twist: TwistConfig = field(default_factory=TwistConfig)
    keyboard: KeyboardConfig = field(default_factory=KeyboardConfig)

    @property
    def is_device(self) -> bool:
        """Whether it is a real person's."""
        return self.kind in ("spacemouse", "gamepad", "joy", "twist", "keyboard")

    @property
    def buttons(self) -> ButtonMap | None:
        """What the device's buttons mean; None without a device, and for a keyboard, which has a key for everything."""
        of_twist = self.twist.buttons if self.twist.buttons_topic else ButtonMap(None, None)
        pads = {"spacemouse": self.spacemouse.buttons, "gamepad": self.gamepad.buttons, "joy": self.joy.buttons}
        return {**pads, "twist": of_twist}.get(self.kind)


@dataclass(frozen=True)
class GraphConfig:
    """How the nodes of a graph go together.

    Attributes:
        mode: "lock_step" (simulation: time passes when the actor has made up its mind) or "real_time".
        lease_s: the arm is stopped when whoever commands it has not been heard for so long [s], from 0.01 to 3600: for
            less than a nanosecond the middleware would never stop it.
        patience_s: a node that has not answered for so long counts as dead [s].
        recovers: whether an actor that starts recovers a stopped arm; on a robot a person does that.
    """

    mode: Literal["lock_step", "real_time"] = "lock_step"
    recovers: bool = True
    lease_s: float = 2.0
    patience_s: float = 20.0

    def __post_init__(self) -> None:
        if not _LEAST_LEASE_S <= self.lease_s <= _LONGEST_LEASE_S:
            raise ConfigError(
                f"graph.lease_s must lie in [{_LEAST_LEASE_S}, {_LONGEST_LEASE_S:g}], got {self.lease_s} s."
            )
        if not self.patience_s > 0.0:
            raise ConfigError(f"graph.patience_s must be positive, got {self.patience_s} s.")

    @property
    def is_lock_step(self) -> bool:
        """Whether time waits for the actor."""
        return self.mode == "lock_step"


@dataclass(frozen=True)
class EnvConfig:
    """An environment: robot, task, person and judge.

    Attributes:
        robot: which robot.
        camera: who makes the pictures of its cameras.
        task: which task.
        teleop: who may correct the robot.
        reward: who judges whether the task is solved.
        reset: how robot and scene come to the start of an episode.
        graph: how nodes go together, where these are processes of their own.
    """

    robot: RobotConfig = field(default_factory=RobotConfig)
    camera: CameraConfig = field(default_factory=CameraConfig)
    task: TaskConfig = field(default_factory=TaskConfig)
    teleop: TeleopConfig = field(default_factory=TeleopConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    reset: ResetConfig = field(default_factory=ResetConfig)
    graph: GraphConfig = field(default_factory=GraphConfig)

    def check_device(self) -> None:
        """Raise ConfigError for devices that do not go together, or not with the passing of time."""
        if self.robot.kind == "fci_sim":
            if not self.graph.is_lock_step:
                raise ConfigError("robot=fci_sim has a time that waits for the actor: it needs graph=lock_step.")
            if self.robot.franka.robot != "fr3":
                raise ConfigError(f"robot=fci_sim is an FR3, not robot.franka.robot={self.robot.franka.robot}.")
            if self.reset.kind == "teleport":
                raise ConfigError("robot=fci_sim moves as the real robot does: it needs reset=scripted.")
        if self.robot.is_real:
            self._check_real()
        if self.teleop.is_device and self.graph.is_lock_step:
            raise ConfigError(f"teleop={self.teleop.kind} is a real person's device: it needs graph=real_time.")
        if self.reward.kind == "button" and (self.robot.is_real or self.teleop.is_device):
            check_judge(self.teleop.kind, self.teleop.buttons)
        if self.camera.is_device:
            self.camera.find(self.robot.cameras)
            if self.graph.is_lock_step:
                raise ConfigError(f"camera={self.camera.kind} are real cameras: they need graph=real_time.")

    def _check_real(self) -> None:
        """Raise ConfigError where a real robot would need something that only a simulator has."""
        place = self.task.place.make_place()
        if self.graph.is_lock_step:
            raise ConfigError("a real robot needs graph=real_time: its time does not wait.")
        if self.reset.kind != "scripted":
            raise ConfigError("a real robot needs reset=scripted: it is not simply there.")
        if self.robot.kind == "external":
            check_external(self.task.name, self.task.episode, self.reset)
        if self.teleop.kind in ("expert", "blind", "human"):
            raise ConfigError(f"teleop={self.teleop.kind} is a simulated person, who sees no real robot.")
        if self.robot.cameras and not self.camera.is_device:
            raise ConfigError("a real robot has real cameras: robot.cameras needs camera=realsense.")
        if self.reward.kind == "task" and not math.isfinite(place.success_depth_m):
            raise ConfigError(
                "reward=task needs task.place.success_depth_m on a real robot, whose pose alone is known; otherwise "
                "choose reward=button or reward=classifier."
            )
        check_reach(place, self.task.episode, self.reset)


@dataclass(frozen=True)
class RecordConfig(EnvConfig):
    """A recording of demonstrations.

    Attributes:
        store: folder of the recording; made, or continued.
        episodes: how many to keep, beside those that it holds already.
        seed: of the first episode's scene; the others follow from it.
        is_success_only: whether failed episodes are left out.
        teleop: who demonstrates: the scripted expert, or a person's device.
    """

    store: str = "demonstrations"
    episodes: int = 20
    seed: int = 0
    is_success_only: bool = True
    teleop: TeleopConfig = field(default_factory=lambda: TeleopConfig(kind="expert"))

    def _check_real(self) -> None:
        super()._check_real()
        if self.task.episode.has_gripper:
            check_grasp(self.teleop.kind, self.teleop.buttons, self.task.name)

    def __post_init__(self) -> None:
        check_episodes(self.episodes, self.seed)
        if self.teleop.kind == "none":
            raise ConfigError("teleop=none demonstrates nothing; choose one of: expert, blind, human.")


@dataclass(frozen=True)
class TrainConfig(EnvConfig):
    """A training run.

    Attributes:
        agent: what learns, and how.
        replay: the learner's memory.
        seed: of everything.
        steps: environment steps of the run.
        run_dir: folder of the run; None is runs/TASK-AGENT-SEED, with a number where that exists.
        demonstrations: how many to begin with: the first of `demonstrations_from`, or as many as the scripted expert
            records for the run. None: all of `demonstrations_from`, or 20 of the expert.
        demonstrations_from: folder of a recording, of which the episodes that succeeded are taken; None: the scripted
            expert demonstrates.
        base: folder of the frozen base policy that is corrected, where `agent` is a corrector: of a
            `robot-rl pretrain`, or of a training that has ended, whose policy may itself correct another.
        inference: how the base policy's chunks are made and executed.
        publish_every_steps: environment steps between two versions of the actor's weights.
        checkpoint_every_steps: environment steps between two checkpoints.
        log_every_steps: environment steps between two lines of metrics.
        evaluate_every_steps: environment steps between two evaluations; 0 for none.
        evaluation_episodes: of each of them.
        final_episodes: of the evaluation at the end.
        device: "cpu", "cuda", or "auto", a GPU where there is one.
        threads: that one update may use; more than one makes its duration less even.
        channel: between `robot-rl learner` and its actors; `robot-rl train` needs none.
    """

    agent: AgentConfig = field(default_factory=AgentConfig)
    replay: ReplayConfig = field(default_factory=ReplayConfig)
    teleop: TeleopConfig = field(default_factory=lambda: TeleopConfig(kind="human"))
    seed: int = 0
    steps: int = 10_000
    run_dir: str | None = None
    demonstrations: int | None = None
    demonstrations_from: str | None = None
    base: str | None = None
    inference: InferenceConfig = field(default_factory=InferenceConfig)
    publish_every_steps: int = 10
    checkpoint_every_steps: int = 1000
    log_every_steps: int = 100
    evaluate_every_steps: int = 1000
    evaluation_episodes: int = 20
    final_episodes: int = 100
    device: str = "auto"
    threads: int = 1
    channel: ChannelConfig = field(default_factory=ChannelConfig)

    def _check_real(self) -> None:
        super()._check_real()
        if self.demonstrations != 0 and self.demonstrations_from is None:
            raise ConfigError(
                "nobody demonstrates on a real robot by themselves: record some with `robot-rl up record_demos`, and "
                "say demonstrations_from=FOLDER; or demonstrations=0."
            )

    def check_words(self) -> None:
        """See Said."""
        self.agent.check_words()
        if self.agent.pretrain_updates and self.demonstrations != 0 and not self.replay.shares.get("demonstration"):
            raise ConfigError(
                "nothing of a batch is of demonstrations, as replay.shares say, and these are imitated first: say "
                "agent.pretrain_updates=0, or give them a share."
            )

    @property
    def waits_for_learner(self) -> bool:
        """Whether the actor does, after each time step."""
        return self.channel.is_synchronous and self.graph.is_lock_step

    def __post_init__(self) -> None:
        for name in ("publish_every_steps", "checkpoint_every_steps", "log_every_steps"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}.")
        check_threads(self.threads)
        counts = ("steps", "demonstrations", "evaluate_every_steps", "evaluation_episodes", "final_episodes")
        for name in ("seed", *counts):
            if (getattr(self, name) or 0) < 0:
                raise ConfigError(f"{name} must not be negative, got {getattr(self, name)}.")


def check_episodes(episodes: int, seed: int) -> None:
    """Raise ConfigError for a number of episodes, or a seed, that makes no sense."""
    if episodes < 1:
        raise ConfigError(f"episodes must be at least 1, got {episodes}.")
    if seed < 0:
        raise ConfigError(f"seed must not be negative, got {seed}.")
