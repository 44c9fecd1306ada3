"""Where samplers are compared: batches of scenes of Push-T, and of the simulated arm's tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from robot_rl import config as configuration
from robot_rl.geometry import Array
from robot_rl.runtime.assembly import SimWorkcell, make_sim_workcell
from robot_rl.runtime.config import EnvConfig
from robot_rl.sim.push_t.push_t import PushT, to_proprio, to_target
from robot_rl.sim.push_t.shapes import SUCCESS_COVERAGE
from robot_rl.specs import EnvironmentSpec

PUSH_T: Final = "push_t"

_BLOCK_PUSH: Final = (30.0, -30.0, 0.3)  # x [px], y [px], angle [rad]
_TARGET_PUSH_M: Final = (0.01, -0.01)
_TARGET_PUSH_RAD: Final = 0.1


class Scenes(Protocol):
    """Episodes that run beside each other. What becomes of one that is over does not matter.

    Attributes:
        is_over: of each scene.
        is_solved: of each scene.
        scores: how far each scene has come at best, 1 at most.
    """

    is_over: NDArray[np.bool_]
    is_solved: NDArray[np.bool_]
    scores: Array

    def observe(self) -> NDArray[np.float32]:
        """Proprioception in the order of the spec, (N, P)."""
        ...

    def step(self, actions_NA: NDArray[np.float32]) -> None:
        """One control step."""
        ...

    def push(self) -> None:
        """Move what is worked on as if somebody had bumped into it; it is seen after the next step."""
        ...


class Arena(Protocol):
    """A task as samplers are compared in it.

    Attributes:
        spec: of its environment.
        length_unit: of paths and jumps.
        at_once: scenes that fit into one batch.
        push_tick: control step before which the scenes are pushed: the robot has set out, and is not there yet.
    """

    spec: EnvironmentSpec
    length_unit: str
    at_once: int
    push_tick: int

    def begin(self, seeds: Sequence[int]) -> Scenes:
        """An episode of each seed. Only the newest scenes can be used."""
        ...

    def to_path(self, actions_TNA: NDArray[np.float32]) -> Array:
        """Positions that a sequence of actions asks for, (T, N, D); its beginning is arbitrary."""
        ...

    def measure_jumps(self, actions_NA: NDArray[np.float32], others_NA: NDArray[np.float32]) -> Array:
        """How far from each other the positions are that two actions ask for in the same control step, (N,)."""
        ...


def make_arena(task: str) -> Arena:
    """The arena of a task.

    Raises:
        UnknownNameError: no such task.
    """
    return PushTArena() if task == PUSH_T else ArmArena(task)


class PushTArena:
    """Push-T: actions are positions [px]."""

    spec, length_unit, at_once, push_tick = PushT.spec, "px", 1000, 20

    def begin(self, seeds: Sequence[int]) -> PushTScenes:
        """See Arena."""
        return PushTScenes(seeds)

    def to_path(self, actions_TNA: NDArray[np.float32]) -> Array:
        """See Arena."""
        return to_target(actions_TNA)

    def measure_jumps(self, actions_NA: NDArray[np.float32], others_NA: NDArray[np.float32]) -> Array:
        """See Arena."""
        norms: Array = np.linalg.norm(to_target(actions_NA) - to_target(others_NA), axis=-1)
        return norms


class PushTScenes:
    """Scenes of Push-T; the score is the coverage, and a scene is over when it is solved."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self.env = PushT(len(seeds))
        self._observations = self.env.reset(seeds)
        self.is_over = self.is_solved = np.zeros(len(seeds), bool)
        self.scores = self.env.coverages()

    def observe(self) -> NDArray[np.float32]:
        """See Scenes."""
        return to_proprio(self._observations)

    def step(self, actions_NA: NDArray[np.float32]) -> None:
        """See Scenes."""
        self._observations, _, covered = self.env.step(actions_NA)
        self.scores = np.where(self.is_over, self.scores, np.maximum(self.scores, covered))
        self.is_over = self.is_solved = self.is_solved | (covered > SUCCESS_COVERAGE)

    def push(self) -> None:
        """See Scenes."""
        self.env.displace(range(self.env.scenes), np.tile(_BLOCK_PUSH, (self.env.scenes, 1)))


class ArmArena:
    """A task of the simulated arm, from proprioception: actions are displacements of the tool, in its own frame.

    Of the actions only the translations are judged.
    """

    length_unit, at_once = "mm", 40

    def __init__(self, task: str) -> None:
        self._config = configuration.load(EnvConfig, "env", [f"task={task}"])
        self._workcells = [make_sim_workcell(self._config)]
        self._scale_mm = 1e3 * self._config.task.episode.translation_scale_m
        self.spec = self._workcells[0].env.spec
        self.push_tick = 4

    def begin(self, seeds: Sequence[int]) -> ArmScenes:
        """See Arena."""
        while len(self._workcells) < len(seeds):
            self._workcells.append(make_sim_workcell(self._config))
        return ArmScenes(self._workcells[: len(seeds)], seeds)

    def to_path(self, actions_TNA: NDArray[np.float32]) -> Array:
        """See Arena; the tool's turning is neglected."""
        path: Array = np.cumsum(self._scale_mm * actions_TNA[..., :3].astype(np.float64), axis=0)
        return path

    def measure_jumps(self, actions_NA: NDArray[np.float32], others_NA: NDArray[np.float32]) -> Array:
        """See Arena."""
        norms: Array = self._scale_mm * np.linalg.norm((actions_NA - others_NA)[:, :3].astype(np.float64), axis=-1)
        return norms


class ArmScenes:
    """Workcells, one a scene; the score is 1 when the task is solved."""

    def __init__(self, workcells: Sequence[SimWorkcell], seeds: Sequence[int]) -> None:
        self._workcells = workcells
        self._names = list(workcells[0].env.spec.observation.proprio)
        self._newest = [cell.env.reset(seed) for cell, seed in zip(workcells, seeds, strict=True)]
        self.is_over, self.is_solved = (np.zeros(len(seeds), bool) for _ in range(2))
        self.scores = np.zeros(len(seeds))

    def observe(self) -> NDArray[np.float32]:
        """See Scenes."""
        parts = [time_step.observation.proprio for time_step in self._newest]
        return np.stack([np.concatenate([part[name] for name in self._names]) for part in parts])

    def step(self, actions_NA: NDArray[np.float32]) -> None:
        """See Scenes."""
        for index in self._running:
            env = self._workcells[index].env
            time_step = self._newest[index] = env.step(actions_NA[index])
            if time_step.is_last:
                self.is_over[index], self.is_solved[index] = True, env.outcome.is_success
        self.scores = self.is_solved.astype(np.float64)

    @property
    def _running(self) -> list[int]:
        running: list[int] = np.flatnonzero(~self.is_over).tolist()
        return running

    def push(self) -> None:
        """See Scenes."""
        for index in self._running:
            self._workcells[index].task.displace(_TARGET_PUSH_M, _TARGET_PUSH_RAD)
