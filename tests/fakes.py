"""An environment of fakes, and devices that write down what was asked of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from robot_rl.clock import Clock, FakeClock, to_ns
from robot_rl.env.robot_env import RobotEnv
from robot_rl.env.task import EpisodeConfig
from robot_rl.geometry import Array, Pose
from robot_rl.robot.fake import TOOL_DOWN, FakeArm, FakeCamera, FakeGripper
from robot_rl.robot.protocols import Teleop
from robot_rl.robot.robot import Robot, RobotReading
from robot_rl.runtime.reporting.evaluation import EpisodeResult
from robot_rl.runtime.reporting.observers import Observer
from robot_rl.types import Button, Command, Outcome, TimeStep


class NotedArm(FakeArm):
    """Remembers every command; covers `share` of the way to it at once, like a soft arm."""

    def __init__(self, clock: Clock, pose: Pose = TOOL_DOWN, share: float = 1.0) -> None:
        super().__init__(clock, pose)
        self.share = share
        self.commands: list[tuple[Pose, int]] = []
        self.sent_at_ns: list[int] = []

    def set_equilibrium_pose(self, pose: Pose, stamp_ns: int) -> None:
        before = self._pose
        super().set_equilibrium_pose(pose, stamp_ns)
        self.commands.append((pose, stamp_ns))
        self.sent_at_ns.append(self._clock.now_ns())
        turn = (before.inverse() @ pose).rotation_vector
        position = before.position + self.share * (pose.position - before.position)
        self._pose = Pose(position, (before @ Pose.from_rotation_vector(self.share * turn)).quaternion)

    def place(self, pose: Pose) -> None:
        """Stand elsewhere, as if pushed."""
        self._pose = pose


class NotedGripper(FakeGripper):
    """Remembers every width asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float] = []

    def set_width(self, width_m: float) -> None:
        super().set_width(width_m)
        self.asked.append(width_m)


@dataclass
class FakeTask:
    """Starts near TOOL_DOWN; ends as its `outcome` says."""

    base: Pose = field(default_factory=Pose)
    outcome: Outcome = field(default_factory=Outcome)
    name: str = "fake"
    estimate_size: int = 6
    target: Pose = TOOL_DOWN

    def arrange(self, seed: int) -> Pose:
        draw = np.random.default_rng(seed).uniform(-1.0, 1.0, 6)
        self.target = self.base @ TOOL_DOWN
        return self.target @ Pose.from_rotation_vector(0.05 * draw[3:], 0.02 * draw[:3])

    def estimate(self, reading: RobotReading) -> Array:
        return (self.target.inverse() @ reading.state.tcp_pose).to_vector()

    def evaluate(self, reading: RobotReading) -> Outcome:
        return self.outcome


class PlaceReset:
    """Puts a `NotedArm` at the start pose."""

    def __init__(self, scene: FakeTask) -> None:
        self._scene = scene

    def run(self, robot: Robot, clock: Clock, safety: object, seed: int) -> None:
        robot.arm.place(self._scene.arrange(seed))


@dataclass(frozen=True)
class Act:
    """What a person does from `start_s` (inclusive) to `end_s` after the reset; times on the fake clock."""

    start_s: float
    end_s: float
    twist: Sequence[float] = (0.0,) * 6
    gripper: float = 0.0
    buttons: frozenset[Button] = frozenset()


class TimedTeleop:
    """A device whose person follows a plan."""

    def __init__(self, clock: Clock, acts: Sequence[Act] = (), age_s: float = 0.0) -> None:
        self._clock, self._age_ns = clock, to_ns(age_s)
        self.acts = list(acts)
        self._start_ns = 0
        self.read_at_ns: list[int] = []

    def reset(self, seed: int | None = None) -> None:
        self._start_ns = self._clock.now_ns()

    def read(self) -> Command | None:
        now_ns = self._clock.now_ns()
        self.read_at_ns.append(now_ns)
        since_ns = now_ns - self._start_ns
        for act in self.acts:
            if to_ns(act.start_s) <= since_ns < to_ns(act.end_s):
                return Command(np.array(act.twist, float), now_ns - self._age_ns, act.gripper, act.buttons)
        return None


@dataclass
class FakeCell:
    """A fake environment and its parts."""

    env: RobotEnv
    arm: NotedArm
    gripper: NotedGripper
    clock: FakeClock
    task: FakeTask
    reset: PlaceReset
    teleop: TimedTeleop | None

    def waste(self, seconds: float) -> None:
        """Time passes outside the environment: a slow policy."""
        self.clock.sleep_until_ns(self.clock.now_ns() + to_ns(seconds))


def make_cell(
    acts: Sequence[Act] | None = None,
    base: Pose | None = None,
    share: float = 1.0,
    has_camera: bool = False,
    **episode: object,
) -> FakeCell:
    """A fake environment; `acts` connect a teleop device, `episode` overrides EpisodeConfig."""
    clock = FakeClock(1_000_000_000)
    task = FakeTask(base or Pose())
    arm, gripper, reset = NotedArm(clock, task.base @ TOOL_DOWN, share), NotedGripper(), PlaceReset(task)
    teleop = None if acts is None else TimedTeleop(clock, acts)
    given: Teleop | None = teleop
    cameras = {"wrist": FakeCamera(clock, 8, 10)} if has_camera else {}
    config = EpisodeConfig(**episode)  # type: ignore[arg-type]
    env = RobotEnv(Robot(arm, gripper, cameras), task, reset, clock, config, given)
    return FakeCell(env, arm, gripper, clock, task, reset, teleop)


class Notes(Observer):
    """Remembers the time steps and the episodes that it was told of."""

    def __init__(self) -> None:
        self.steps: list[TimeStep] = []
        self.results: list[EpisodeResult] = []

    def on_step(self, time_step: TimeStep) -> None:
        self.steps.append(time_step)

    def on_episode_end(self, episode: EpisodeResult) -> None:
        self.results.append(episode)
