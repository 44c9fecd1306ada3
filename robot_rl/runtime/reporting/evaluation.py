"""Runs a policy for some episodes and says how often it succeeded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from robot_rl.env.robot_env import RobotEnv
from robot_rl.runtime.acting.episode import play_episode
from robot_rl.runtime.acting.policies import Policy
from robot_rl.runtime.reporting.observers import Observer
from robot_rl.runtime.reporting.statistics import wilson_interval
from robot_rl.runtime.stopping import stopping_on_error
from robot_rl.types import Source, TimeStep


@dataclass(frozen=True)
class EpisodeResult:
    """One episode.

    Attributes:
        steps: control steps.
        human_steps: those in which a person had the robot.
        duration_s: robot's time.
        interventions: how often a person took the robot over.
        is_probe: whether a base policy acted alone, where otherwise it is corrected.
    """

    index: int
    is_success: bool
    steps: int
    human_steps: int
    duration_s: float
    interventions: int = 0
    is_probe: bool = False


class EpisodeTally:
    """Counts what an `EpisodeResult` tells, time step by time step.

    Attributes:
        index: of the newest time step in its episode, as it is stored; see `StepRecord.step`.
    """

    def __init__(self) -> None:
        self.index = -1
        self._steps = self._human_steps = self._interventions = 0
        self._is_human = False

    def note(self, time_step: TimeStep) -> None:
        """The next time step, the first included."""
        self.index += 2 if time_step.is_resumed else 1
        is_human = not time_step.is_first and time_step.source is Source.HUMAN
        self._steps += not time_step.is_first
        self._human_steps += is_human
        self._interventions += is_human and not self._is_human
        self._is_human = is_human

    def to_result(self, index: int, env: RobotEnv, *, is_probe: bool = False) -> EpisodeResult:
        """The result, where the episode of `env` has ended."""
        return EpisodeResult(
            index,
            env.outcome.is_success,
            self._steps,
            self._human_steps,
            self._steps / env.config.rate_hz,
            self._interventions,
            is_probe,
        )


@dataclass
class Evaluation:
    """Episodes, and what they amount to."""

    episodes: list[EpisodeResult] = field(default_factory=list)

    @property
    def successes(self) -> int:
        """Number of episodes that succeeded."""
        return sum(episode.is_success for episode in self.episodes)

    @property
    def success_rate(self) -> float:
        """Share of episodes that succeeded; 0 without episodes."""
        return self.successes / len(self.episodes) if self.episodes else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the success rate."""
        return wilson_interval(self.successes, len(self.episodes))

    @property
    def cycle_time_s(self) -> float | None:
        """Mean duration of the successful episodes [s]; None without one."""
        durations = [episode.duration_s for episode in self.episodes if episode.is_success]
        return float(np.mean(durations)) if durations else None

    def to_json(self) -> dict[str, object]:
        """The numbers that a script wants."""
        return {
            "success_rate": self.success_rate if self.episodes else None,
            "ci95": [round(bound, 4) for bound in self.interval],
            "episodes": len(self.episodes),
            "cycle_time_s": None if self.cycle_time_s is None else round(self.cycle_time_s, 3),
        }


def evaluate(
    env: RobotEnv,
    policy: Policy,
    episodes: int,
    seed: int,
    observers: Sequence[Observer] = (),
    is_interrupted: Callable[[], bool] = lambda: False,
) -> Evaluation:
    """Run `episodes` episodes; should anything go wrong in one, the robot is stopped.

    Args:
        env: ended by nobody but the caller.
        policy: asked once a step.
        episodes: how many.
        seed: of the first reset.
        observers: told everything.
        is_interrupted: asked after every episode; True ends the evaluation with what there is.
    """
    evaluation = Evaluation()
    with stopping_on_error(env.robot, "the evaluation"):
        for index in range(episodes):
            result = _run_episode(env, policy, index, seed if index == 0 else None, observers)
            evaluation.episodes.append(result)
            for observer in observers:
                observer.on_episode_end(result)
            if is_interrupted():
                break
    return evaluation


def _run_episode(
    env: RobotEnv, policy: Policy, index: int, seed: int | None, observers: Sequence[Observer]
) -> EpisodeResult:
    tally = EpisodeTally()

    def note(time_step: TimeStep) -> None:
        tally.note(time_step)
        for observer in observers:
            observer.on_step(time_step)

    play_episode(env, policy, seed, note)
    return tally.to_result(index, env)
