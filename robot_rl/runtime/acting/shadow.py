"""A base policy in the shadow of whoever has the robot: it is asked at every time step, and its answer is kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

from robot_rl.clock import Clock
from robot_rl.errors import ConfigError
from robot_rl.runtime.acting.base_policies import EngineRunner, ExecutorRunner, find_base_policy, make_runner
from robot_rl.runtime.config import TrainConfig
from robot_rl.specs import EnvironmentSpec
from robot_rl.types import Source, StepRecord, TimeStep

_PEOPLE = (Source.HUMAN, Source.DEMO)


class Shadow:
    """Puts a base policy's action into every observation; see BaseActions.

    A takeover and a hand-back void the base policy's plan, an end of an episode and a pause all that it has seen.
    """

    def __init__(self, runner: ExecutorRunner | EngineRunner) -> None:
        self._runner = runner
        self._was_person = False

    def begin(self, seed: int | None) -> None:
        """See BaseActions."""
        self._runner.reset(seed)
        self._was_person = False

    def attach(self, time_step: TimeStep) -> TimeStep:
        """See BaseActions."""
        is_person = time_step.source in _PEOPLE
        if time_step.is_resumed:
            self._runner.reset()
        elif is_person != self._was_person:
            self._runner.invalidate()
        self._was_person = is_person
        base_action = self._runner(time_step.observation)
        return dataclasses.replace(
            time_step, observation=dataclasses.replace(time_step.observation, base_action=base_action)
        )

    def close(self) -> None:
        """The base policy will not be asked any more."""
        self._runner.close()


def make_shadow(config: TrainConfig, spec: EnvironmentSpec, clock: Clock, *, is_lock_step: bool) -> Shadow | None:
    """The base policy of a training run; None where it has none.

    Raises:
        ConfigError: there is no such policy, a corrector has none, or an agent has one that corrects nothing.
        CheckpointError: the policy is damaged, or was trained for another environment.
    """
    if config.base is None:
        if config.agent.is_corrector:
            raise ConfigError("a corrector needs a base policy: base=RUN, a folder of `robot-rl pretrain`.")
        return None
    if not config.agent.is_corrector:
        raise ConfigError(f"base={config.base} is for a corrector; agent={config.agent.name} would not look at it.")
    file = find_base_policy(Path(config.base))
    if file is None:
        raise ConfigError(f"base={config.base}: there is no base policy; they are folders of `robot-rl pretrain`.")
    return Shadow(make_runner(file, spec, config.inference, clock, config.seed, is_lock_step=is_lock_step))


def relabel(records: Iterable[StepRecord], shadow: Shadow) -> Iterator[StepRecord]:
    """The same records, with what the base policy would have done in each of them."""
    for record in records:
        if record.time_step.is_first:
            shadow.begin(record.episode)
        yield dataclasses.replace(record, time_step=shadow.attach(record.time_step))
