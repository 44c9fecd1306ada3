"""Base policies as partners of an environment: without a clock in lock-step, against a deadline in real time."""

from __future__ import annotations

import logging
from collections import Counter, deque
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robot_rl.clock import Clock
from robot_rl.errors import ConfigError
from robot_rl.inference.engine import Engine
from robot_rl.inference.hysteresis import Hysteresis
from robot_rl.inference.ladder import Rung
from robot_rl.inference.plan import Plan
from robot_rl.inference.problem import Problem
from robot_rl.policies.base_policy import BasePolicy
from robot_rl.policies.chunk_executor import ChunkExecutor, Tick
from robot_rl.policies.cloning import CloningNetwork, CloningPolicy
from robot_rl.policies.composed import ComposedPolicy
from robot_rl.policies.diffusion import DiffusionNetwork, DiffusionPolicy
from robot_rl.policies.networks.product import Precision
from robot_rl.runtime.acting.inference_config import InferenceConfig
from robot_rl.runtime.pretraining.policy_file import FILE_NAME, load_policy_file
from robot_rl.specs import EnvironmentSpec
from robot_rl.types import Observation

_log = logging.getLogger(__name__)

_BEHIND = 0.2  # of an episode's commands; some are, while its first plan is made
_NOISE = 1
"""Beside an episode's seed: which of its streams of random numbers."""


def to_noise_seed(episode_seed: int) -> int:
    """Of a base policy's noise in an episode, whose own seed is that of the exploration: so they are not the same."""
    return int(np.random.SeedSequence([episode_seed, _NOISE]).generate_state(1)[0])


def find_base_policy(path: Path) -> Path | None:
    """The file of the base policy that a path names: itself, or in the folder of its training; None without one."""
    if path.is_dir():
        path = path / FILE_NAME
    return path if path.is_file() and path.suffix == Path(FILE_NAME).suffix else None


def load_base_policy(path: Path, config: InferenceConfig) -> BasePolicy:
    """The frozen policy in a file, with the sampler of the configuration where it is sampled.

    Raises:
        CheckpointError: the file is none, or damaged.
        UnknownNameError, ConfigError: the sampler does not exist, or does not take its settings; or there is no such
            policy to compose it with, or they do not go together.
    """
    stored = load_policy_file(path)
    if isinstance(stored.network, DiffusionNetwork):
        levels = len(stored.network.schedule)
        if config.steps > levels:
            raise ConfigError(f"inference.steps={config.steps}: {path} has {levels} levels, and no more steps.")
        sampler = config.make_sampler(stored.noise_level, stored.network.spec.past)
        precision = Precision(config.precision)
        if config.compose is None:
            return DiffusionPolicy(stored.network, sampler, precision=precision)
        try:
            other = _load_other(config.compose)
            return ComposedPolicy(stored.network, other, config.compose_weight, sampler, precision)
        except ConfigError as error:
            raise ConfigError(f"inference.compose={config.compose} does not go with {path}: {error}") from error
    assert isinstance(stored.network, CloningNetwork)
    config.check_unused(f"does not go with {path}: it does not denoise.", ("executor", "engine"))
    return CloningPolicy(stored.network)


def _load_other(word: str) -> DiffusionNetwork:
    """What was trained of the policy that another is composed with."""
    file = find_base_policy(Path(word))
    if file is None:
        raise ConfigError("there is no base policy; they are folders of `robot-rl pretrain`.")
    network = load_policy_file(file).network
    if not isinstance(network, DiffusionNetwork):
        raise ConfigError("it does not denoise; policy=diffusion does, for example.")
    return network


def open_base_policy(path: Path, spec: EnvironmentSpec, config: InferenceConfig) -> BasePolicy:
    """The frozen policy in a file, for an environment, and for this process to ask.

    Raises:
        CheckpointError: the file is damaged, or the policy was trained for another environment.
    """
    torch.set_num_threads(1)  # a second thread on a busy machine brings tails of hundreds of milliseconds
    policy = load_base_policy(path, config)
    policy.spec.check_environment(spec)
    return policy


def make_runner(
    path: Path,
    spec: EnvironmentSpec,
    config: InferenceConfig,
    clock: Clock,
    seed: int,
    count: int = 1,
    *,
    is_lock_step: bool,
) -> ExecutorRunner | EngineRunner:
    """A base policy for an environment.

    Args:
        path: of the policy's file.
        spec: of the environment.
        config: see there.
        clock: of the environment.
        seed: of the noise.
        count: plans, each of noise of its own, that it makes of every observation and goes on with.
        is_lock_step: whether time waits for the policy.

    Raises:
        CheckpointError: the file is damaged, or the policy was trained for another environment.
    """
    policy = open_base_policy(path, spec, config)
    if is_lock_step or not isinstance(policy, DiffusionPolicy):
        return ExecutorRunner(policy, ChunkExecutor(policy, config.executor, seed), count)
    rates = np.isin(np.arange(spec.action_size), policy.spec.rates)
    engine = Engine(_Mind(policy), policy.sampler, rates, 1.0 / spec.rate_hz, config.engine, clock, seed, count)
    return EngineRunner(policy, engine, config.executor.hysteresis_ticks)


class ExecutorRunner:
    """Decides in the calling thread, however long that takes."""

    def __init__(self, policy: BasePolicy, executor: ChunkExecutor, count: int) -> None:
        self.policy, self._executor, self._count = policy, executor, count

    def reset(self, seed: int | None = None) -> None:
        """See Policy; with a seed, the noise of what comes is that of the seed."""
        self._executor.reset(None if seed is None else to_noise_seed(seed))

    def forget_past(self) -> None:
        """See Policy."""
        self.reset()

    def invalidate(self) -> None:
        """See Policy."""
        self._executor.invalidate()

    def __call__(self, observation: Observation) -> NDArray[np.float32]:
        """See Policy."""
        action: NDArray[np.float32] = self.tick(observation).action[0]
        return action

    def tick(self, observation: Observation) -> Tick:
        """What is due of all plans, with what is left of them; instead of a call."""
        return self._executor.tick_frames(self.policy.encode(observation).expand(self._count, -1))

    def close(self) -> None:
        """See Policy."""


class EngineRunner:
    """Decides in a thread of its own; the calling one waits for it no longer than it may."""

    def __init__(self, policy: DiffusionPolicy, engine: Engine, hysteresis_ticks: int) -> None:
        self.policy, self.engine = policy, engine
        self._newest: deque[Observation] = deque(maxlen=policy.spec.observation_steps)
        self._hysteresis = Hysteresis(policy.spec.is_discrete, hysteresis_ticks)
        self._is_started = False
        self._is_void = self._was_void = False
        self._rungs = Counter[Rung]()

    def reset(self, seed: int | None = None) -> None:
        """See Policy; in real time no episode can be played again, and the seed says nothing."""
        del seed
        self._tell_pace()
        self._newest.clear()
        self._was_void = False
        self.invalidate()

    def forget_past(self) -> None:
        """See Policy."""
        self.reset()

    def invalidate(self) -> None:
        """See Policy; while a person keeps the robot, it decides on from what it sees, or it would have no plan."""
        if not self._was_void:
            self.engine.reset()
            self._hysteresis.reset()
        self._is_void = True

    def __call__(self, observation: Observation) -> NDArray[np.float32]:
        """See Policy."""
        action: NDArray[np.float32] = self.tick(observation).action[0]
        return action

    def tick(self, observation: Observation) -> Tick:
        """What is due of the first plan, with the rests of all of them; instead of a call."""
        self._was_void, self._is_void = self._is_void, False
        self._newest.append(observation)
        while len(self._newest) < (self._newest.maxlen or 1):
            self._newest.append(observation)  # an episode begins as if it had stood still before
        if not self._is_started:
            self.engine.warm_up(tuple(self._newest))
            self.engine.start()
            self._is_started = True
        self.engine.offer(tuple(self._newest), observation.stamp_ns)
        self.engine.wait()
        served = self.engine.serve(observation.stamp_ns)
        self._rungs[served.rung] += 1
        return Tick(self._hysteresis(served.action[None]), served.remaining, served.phase)

    def close(self) -> None:
        """See Policy."""
        self.engine.close()
        self._tell_pace()

    def _tell_pace(self) -> None:
        """Warn of an episode in which the robot waited for its plans: it would look like a bad policy."""
        count, behind = self._rungs.total(), self._rungs.total() - self._rungs[Rung.FRESH]
        if behind > _BEHIND * count:
            _log.warning(
                "of %d commands of the episode %d were not of a plan in time (%s): a decision takes %.0f ms, 95 %%; "
                "choose fewer inference.steps, a smaller network, or a lower task.episode.rate_hz",
                count,
                behind,
                ", ".join(f"{rung.name.lower()} {self._rungs[rung]}" for rung in Rung if rung is not Rung.FRESH),
                1e-6 * max(each.quantile_ns(0.95) for each in (self.engine.decisions, self.engine.cold_decisions)),
            )
        self._rungs.clear()


class _Mind:
    """A diffusion policy whose thread encodes; a time step that is seen in several decisions is encoded once."""

    def __init__(self, policy: DiffusionPolicy) -> None:
        self._policy = policy
        self.shape, self.now = policy.shape, policy.now
        self._encoded: dict[int, Tensor] = {}

    def to_problem(
        self, observation: tuple[Observation, ...], noise_BHA: Tensor, previous: Plan | None, committed: int
    ) -> Problem:
        """See Mind; the newest time steps, oldest first."""
        self._encoded = {
            id(each): self._encoded[id(each)] if id(each) in self._encoded else self._policy.encode(each)
            for each in observation
        }
        frames = torch.stack([self._encoded[id(each)] for each in observation], dim=1)
        return self._policy.to_problem(frames, noise_BHA, previous, committed)

    def to_actions(self, chunk_BHA: Tensor) -> NDArray[np.float32]:
        """See Mind."""
        return self._policy.to_actions(chunk_BHA)
