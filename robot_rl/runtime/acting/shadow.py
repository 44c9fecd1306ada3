"""A base policy in the shadow of whoever has the robot: it is asked at every time step, and its answer is kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robot_rl.agents.correctors.candidates import CandidateLayout
from robot_rl.clock import Clock
from robot_rl.errors import ConfigError, SpecError
from robot_rl.policies.base_policy import BasePolicy
from robot_rl.policies.diffusion import DiffusionPolicy
from robot_rl.runtime import action_meaning
from robot_rl.runtime.acting.base_answers import (
    ActionAnswers,
    BaseAnswers,
    CandidateAnswers,
    NoiseAnswers,
    PlanAnswers,
)
from robot_rl.runtime.acting.base_policies import find_base_policy, make_runner, open_base_policy
from robot_rl.runtime.acting.trained_policy import TrainedActions, load_policy
from robot_rl.runtime.config import TrainConfig
from robot_rl.runtime.pretraining.policy_file import find_origin
from robot_rl.runtime.run_folder import RunFolder
from robot_rl.specs import EnvironmentSpec
from robot_rl.types import Source, StepRecord, TimeStep

_OF_NOISE = ("best_of_n", "noise_steer")


class Shadow:
    """Puts a base policy's answer into every observation; see BaseActions.

    While a person has the robot its plans are void at every time step, so that whenever they hand back, what is due was
    planned from there. An end of an episode and a pause void all that it has seen.
    """

    def __init__(self, answers: BaseAnswers) -> None:
        self._answers = answers

    def extend(self, spec: EnvironmentSpec) -> EnvironmentSpec:
        """See BaseActions."""
        return self._answers.extend(spec)

    def begin(self, seed: int | None) -> None:
        """See BaseActions."""
        self._answers.reset(seed)

    def attach(self, time_step: TimeStep) -> TimeStep:
        """See BaseActions."""
        if time_step.is_resumed:
            self._answers.reset()
        elif time_step.source is Source.HUMAN:
            self._answers.invalidate()
        return dataclasses.replace(time_step, observation=self._answers.answer(time_step.observation))

    def replan(self, noise_A: NDArray[np.float32]) -> NDArray[np.float32]:
        """The chunk (K, A) that the base policy makes of this noise now.

        Raises:
            SpecError: it is not asked for plans.
        """
        if not isinstance(self._answers, NoiseAnswers):
            raise SpecError("only a base policy that is asked for plans with their noise can be steered by it.")
        return self._answers.replan(noise_A)

    def close(self) -> None:
        """The base policy will not be asked any more."""
        self._answers.close()


def make_shadow(config: TrainConfig, spec: EnvironmentSpec, clock: Clock, *, is_lock_step: bool) -> Shadow | None:
    """The base policy of a training run; None where it has none.

    Raises:
        ConfigError: there is no such policy, a corrector has none, or an agent has one that corrects nothing.
        CheckpointError: the policy is damaged, or was trained for another environment.
    """
    answers = _make_answers(config, spec, clock, is_lock_step=is_lock_step)
    return None if answers is None else Shadow(answers)


def _make_answers(
    config: TrainConfig, spec: EnvironmentSpec, clock: Clock, *, is_lock_step: bool
) -> BaseAnswers | None:
    if config.base is None:
        if config.agent.is_corrector:
            raise ConfigError("a corrector needs a base policy: base=RUN, a folder of `robot-rl pretrain`.")
        config.inference.check_unused("is for a base policy: base=RUN.")
        return None
    if not config.agent.is_corrector:
        raise ConfigError(f"base={config.base} is for a corrector; agent={config.agent.name} would not look at it.")
    file = find_base_policy(Path(config.base))
    if file is None:
        return ActionAnswers(_open_run(config, RunFolder(Path(config.base)), spec, clock, is_lock_step=is_lock_step))
    ours = action_meaning.of_config(config.task.episode)
    action_meaning.check_same(f"base={config.base}", find_origin(file).meaning, "this run", ours)
    corrector = config.agent.corrector
    layout = corrector.make_layout(spec.action_size)
    if layout is not None:
        return _ask_for_candidates(file, layout, config, spec, clock, is_lock_step=is_lock_step)
    runner = make_runner(file, spec, config.inference, clock, config.seed, is_lock_step=is_lock_step)
    return PlanAnswers(runner, corrector.plan_steps) if corrector.plan_steps else ActionAnswers(runner)


def _open_run(
    config: TrainConfig, folder: RunFolder, spec: EnvironmentSpec, clock: Clock, *, is_lock_step: bool
) -> TrainedActions:
    """The policy of another training as the base policy of this one."""
    corrector, word = config.agent.corrector, f"base={config.base}"
    if not folder.config_file.is_file():
        raise ConfigError(
            f"{word}: there is no base policy; they are folders of `robot-rl pretrain`, or of trainings that ended."
        )
    if corrector.candidates or corrector.plan_steps:
        raise ConfigError(
            f"corrector={corrector.name} looks at a base policy's plans, and the policy of the training {word} makes "
            "none: correct it with corrector=additive or corrector=chooser, and plan_steps=0."
        )
    config.inference.check_unused(f"is for a base policy of `robot-rl pretrain`, not {word}, which has its own.")
    trained = folder.load_config()
    if folder.finished_steps() < trained.steps:
        raise ConfigError(f"{word}: its training has not ended, go on with it first: robot-rl resume {config.base}")
    ours, theirs = (action_meaning.of_config(each.task.episode) for each in (config, trained))
    action_meaning.check_same(word, theirs, "this run", ours)
    rate_hz = trained.task.episode.rate_hz
    if rate_hz != spec.rate_hz:
        raise ConfigError(
            f"{word}: it was trained at {rate_hz:g} Hz, and this environment runs at {spec.rate_hz:g} Hz: set "
            f"task.episode.rate_hz={rate_hz:g}."
        )
    below = _make_answers(trained, spec, clock, is_lock_step=is_lock_step)
    seen = spec if below is None else below.extend(spec)
    return TrainedActions(load_policy(folder, seen, below if isinstance(below, NoiseAnswers) else None), below)


def _ask_for_candidates(
    file: Path, layout: CandidateLayout, config: TrainConfig, spec: EnvironmentSpec, clock: Clock, *, is_lock_step: bool
) -> CandidateAnswers | NoiseAnswers:
    """What gives a corrector several plans."""
    name, inference = config.agent.corrector.name, config.inference
    if inference.candidates > 1:
        raise ConfigError(
            f"corrector={name} chooses among plans itself: inference.candidates must be 1, got {inference.candidates}."
        )
    if not layout.has_noise:
        runner = make_runner(file, spec, inference, clock, config.seed, layout.count, is_lock_step=is_lock_step)
        _check_random(runner.policy, config)
        plans = runner.policy.spec
        last_phase = inference.executor.find_last_phase(plans.horizon - plans.past) if is_lock_step else 0
        return CandidateAnswers(runner, layout, plans, last_phase)
    policy = open_base_policy(file, spec, inference)
    _check_random(policy, config)
    if isinstance(policy, DiffusionPolicy) and inference.sampler == "relay":  # it goes on with a plan: there is none
        policy.sampler = dataclasses.replace(inference, sampler="ddim").make_sampler(None, policy.spec.past)
    if not is_lock_step and isinstance(policy, DiffusionPolicy):
        raise ConfigError(
            f"corrector={name} lets a base policy plan while a command waits: with one that takes its time, as that of "
            f"{config.base}, it needs graph=lock_step."
        )
    return NoiseAnswers(policy, layout, config.seed)


def _check_random(policy: BasePolicy, config: TrainConfig) -> None:
    name = config.agent.corrector.name
    if name in _OF_NOISE and not policy.is_random:
        raise ConfigError(
            f"corrector={name} chooses among what a base policy makes of noise, and that of {config.base} "
            "plans the same of any: pretrain one with policy=diffusion, flow or bc_gaussian."
        )


def relabel(records: Iterable[StepRecord], shadow: Shadow) -> Iterator[StepRecord]:
    """The same records, with what the base policy would have done in each of them.

    Where a person had paused it begins anew, as it did then: stored records tell it by an index that is left out.
    """
    expected = None
    for record in records:
        time_step = record.time_step
        if time_step.is_first:
            shadow.begin(record.episode)
        elif (record.episode, record.step) != expected:
            time_step = dataclasses.replace(time_step, is_resumed=True)
        expected = (record.episode, record.step + 1)
        yield dataclasses.replace(record, time_step=shadow.attach(time_step))
