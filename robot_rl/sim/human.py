"""The scripted human: watches, and helps briefly and imperfectly when the policy gets nowhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot_rl.control.action_map import shrink_into_box
from robot_rl.sim.expert import Deflection
from robot_rl.sim.tasks.task import SimTask, View
from robot_rl.types import Command


@dataclass(frozen=True)
class HumanConfig:
    """How a person helps.

    Attributes:
        patience_s: without progress for this long, the person decides to help.
        progress_m: remaining path must shrink by this much to count as progress.
        reaction_s: from the decision to the first motion.
        correction_s: (shortest, longest) correction.
        pause_s: after a correction the person watches at least this long.
        gain: how hard the device is pushed; 1 would reach the goal in one policy period.
        noise: standard deviation of the hand's tremor, in deflections.
        noise_correlation_s: how fast the tremor changes.
        bias: standard deviation of a constant error of direction in each correction, in deflections.
        budget_s: seconds of help, after which the person is tired and leaves; counted anew where a run is gone on with.
        seed: which person; what they do in an episode depends on the episode's seed too.
    """

    patience_s: float = 2.0
    progress_m: float = 0.003
    reaction_s: float = 0.3
    correction_s: tuple[float, float] = (0.6, 1.2)
    pause_s: float = 1.0
    gain: float = 0.7
    noise: float = 0.15
    noise_correlation_s: float = 0.1
    bias: float = 0.08
    budget_s: float = float("inf")
    seed: int = 0


class ScriptedHuman:
    """A person with a SpaceMouse, looking at the scene as it is.

    States: watching -> (no progress for `patience_s`) -> reacting -> correcting -> pausing -> watching.
    """

    def __init__(
        self, task: SimTask, deflection: Deflection, config: HumanConfig, sample_rate_hz: float = 100.0
    ) -> None:
        """A person; their time passes with the samples of their device, `sample_rate_hz` a second."""
        self._task, self._deflection, self._config = task, deflection, config
        self._generator = np.random.default_rng(config.seed)
        self.helped_s = 0.0
        self._dt_s = 1.0 / sample_rate_hz
        self._start_watching()

    def _start_watching(self) -> None:
        self._best_remaining_m = np.inf
        self._waited_s = 0.0
        self._begin_in_s: float | None = None
        self._correct_for_s = 0.0
        self._pause_s = 0.0
        self._tremor = np.zeros(6)
        self._bias = np.zeros(6)

    @property
    def is_tired(self) -> bool:
        """Whether the budget is spent."""
        return self.helped_s >= self._config.budget_s

    def reset(self, seed: int | None = None) -> None:
        """A new episode: watch from the beginning."""
        if seed is not None:
            self._generator = np.random.default_rng([self._config.seed, seed])
        self._start_watching()

    def read(self) -> Command | None:
        """One sample of the device; None while the hand is off it. Call it `sample_rate_hz` times a second."""
        if self.is_tired:
            return None
        if self._correct_for_s > 0.0:
            return self._correct()
        if self._begin_in_s is not None:
            self._begin_in_s -= self._dt_s
            if self._begin_in_s <= 0.0:
                self._begin_correction()
            return None
        if self._pause_s > 0.0:
            self._pause_s -= self._dt_s
            return None
        self._watch()
        return None

    def _watch(self) -> None:
        remaining_m = self._task.find_goal(View.TRUTH).remaining_m
        if remaining_m < self._best_remaining_m - self._config.progress_m:
            self._best_remaining_m = remaining_m
            self._waited_s = 0.0
            return
        self._waited_s += self._dt_s
        if self._waited_s >= self._config.patience_s:
            self._begin_in_s = self._config.reaction_s

    def _begin_correction(self) -> None:
        self._begin_in_s = None
        self._correct_for_s = float(self._generator.uniform(*self._config.correction_s))
        self._bias = self._generator.normal(0.0, self._config.bias, 6)
        self._tremor = np.zeros(6)

    def _correct(self) -> Command:
        config = self._config
        goal = self._task.find_goal(View.TRUTH)
        simulation = self._task.simulation
        twist = self._deflection.towards(goal.tcp_pose, simulation.tcp_pose(), config.gain)
        # Ornstein-Uhlenbeck tremor: stationary standard deviation `noise`.
        keep = np.exp(-self._dt_s / config.noise_correlation_s)
        self._tremor = keep * self._tremor + np.sqrt(1.0 - keep**2) * self._generator.normal(0.0, config.noise, 6)
        twist = twist + self._tremor + self._bias
        twist = np.concatenate([shrink_into_box(twist[:3]), shrink_into_box(twist[3:])])
        self.helped_s += self._dt_s
        self._correct_for_s -= self._dt_s
        if self._correct_for_s <= 0.0:
            self._best_remaining_m = goal.remaining_m
            self._waited_s = 0.0
            self._pause_s = config.pause_s
        return Command(twist, simulation.now_ns(), goal.gripper)
