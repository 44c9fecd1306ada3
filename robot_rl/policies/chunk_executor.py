"""Chunks, executed: which action is due, when the next chunk is planned, and what makes a plan void."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robot_rl.errors import ConfigError
from robot_rl.inference.hysteresis import Hysteresis
from robot_rl.inference.plan import Plan
from robot_rl.inference.problem import Estimate
from robot_rl.policies.base_policy import BasePolicy
from robot_rl.types import Observation


@dataclass(frozen=True)
class ExecutorConfig:
    """When plans are made.

    Attributes:
        execute: control steps between two decisions; 1 decides at every one.
        delay: control steps that a decision is late: it is made from what was seen so long before its first action.
            One decision is made at a time, so that there are at least so many steps between two.
        commits: whether the actions that are executed while a decision is made are kept in its chunk.
        agreement: a chunk is executed only as far as the sampler's estimates agreed on it: up to the position where
            they moved by more than so many times what they moved on average at the first `execute` positions
            (the dynamic horizon of mixtures of horizons, arXiv 2511.19433). None executes `execute` always; then a
            larger one lets agreement prolong what is executed.
        hysteresis_ticks: consecutive steps that must ask for it before a two-valued action changes.
    """

    execute: int = 8
    delay: int = 0
    commits: bool = True
    agreement: float | None = None
    hysteresis_ticks: int = 1

    def __post_init__(self) -> None:
        if self.execute < 1 or self.delay < 0 or self.hysteresis_ticks < 1:
            raise ConfigError(
                "an executor needs execute >= 1, delay >= 0 and hysteresis_ticks >= 1, got "
                f"{self.execute}, {self.delay} and {self.hysteresis_ticks}."
            )
        if self.agreement is not None and not self.agreement > 0.0:
            raise ConfigError(f"agreement must be positive, got {self.agreement}.")

    def find_last_phase(self, ahead: int) -> int:
        """The oldest that a plan with `ahead` actions from the present on becomes before there is another."""
        return ahead - 1 if self.agreement is not None else max(self.execute, self.delay) + self.delay - 1


class Tick(NamedTuple):
    """What is due in one control step.

    Attributes:
        action: (B, A), as the environment takes it.
        remaining: (B, h, A), the rest of the plan, this action first; of two-valued
            actions what is planned, without hysteresis.
        phase: control steps since the plan's first action.
    """

    action: NDArray[np.float32]
    remaining: NDArray[np.float32]
    phase: int


class ChunkExecutor:
    """A base policy, one action at a time, without a clock: for lock-step, for training, and for whole batches.

    It must be asked in every control step, also while a person has taken over, so that it has seen what they saw.
    """

    def __init__(self, policy: BasePolicy, config: ExecutorConfig, seed: int) -> None:
        """Execute.

        Args:
            policy: plans.
            config: see there.
            seed: of the noise.

        Raises:
            ConfigError: more is to be executed, with the delay, than a chunk holds.
        """
        ahead = policy.spec.horizon - policy.spec.past
        if max(config.execute, config.delay) + config.delay > ahead:
            raise ConfigError(
                f"a chunk has {ahead} positions from the present on, which must reach for max(execute, delay) + delay, "
                f"got execute={config.execute} and delay={config.delay}."
            )
        self._policy, self._config = policy, config
        self._generator = torch.Generator().manual_seed(seed)
        self._frames: deque[Tensor] = deque(maxlen=policy.spec.observation_steps)
        self._hysteresis = Hysteresis(policy.spec.is_discrete, config.hysteresis_ticks)
        self.reset()

    def reset(self, seed: int | None = None) -> None:
        """An episode begins; with a seed, its noise is that of the seed."""
        self._frames.clear()
        if seed is not None:
            self._generator.manual_seed(seed)
        self._now = 0
        self.invalidate()

    def invalidate(self) -> None:
        """The plan is void: a person has the robot. What was seen is kept."""
        self._plan: Plan | None = None
        self._actions: NDArray[np.float32] | None = None
        self._begun: Plan | None = None
        self._next_decision = self._now
        self._hysteresis.reset()

    def tick(self, observation: Observation) -> Tick:
        """What is due after this observation; B is 1."""
        return self.tick_frames(self._policy.encode(observation))

    def tick_frames(self, frames_BF: Tensor) -> Tick:
        """What is due after these features, one row an environment; all are decided for at once."""
        self._frames.append(frames_BF)
        while len(self._frames) < self._policy.spec.observation_steps:
            self._frames.append(frames_BF)  # an episode begins as if it had stood still before
        if self._begun is not None and self._now >= self._begun.stamp_ns + self._policy.spec.past + self._config.delay:
            self._adopt(self._begun)
        if self._now >= self._next_decision:
            self._decide()
        assert self._plan is not None
        assert self._actions is not None
        position = self._plan.position_at(self._now)
        phase = position - self._policy.spec.past
        action = self._hysteresis(self._actions[:, position])
        self._now += 1
        return Tick(action, self._actions[:, position:], phase)

    def _decide(self) -> None:
        """Begin a decision; without a plan it is waited for, since the robot stands."""
        spec, config = self._policy.spec, self._config
        rows, stamp = self._frames[-1].shape[0], self._now - spec.past
        noise, tail = (torch.randn(rows, spec.horizon, spec.action_size, generator=self._generator) for _ in range(2))
        previous = None
        if self._plan is not None and self._plan.is_finite:
            previous = self._plan.advance(stamp - self._plan.stamp_ns, tail)
        committed = spec.past + config.delay if config.commits and config.delay and previous is not None else 0
        estimates = list(self._policy.think(torch.stack(list(self._frames), dim=1), noise, previous, committed))
        plan = Plan(estimates[-1].chunk, estimates[-1].noise, stamp, version=self._policy.version)
        if previous is not None:
            plan = plan.after(previous, spec.past + config.delay)
        self._next_decision = self._now + max(self._choose_length(estimates), self._config.delay)
        if self._plan is None or config.delay == 0:
            self._adopt(plan)
        else:
            self._begun = plan

    def _adopt(self, plan: Plan) -> None:
        self._plan, self._begun = plan, None
        self._actions = self._policy.to_actions(plan.chunk)

    def _choose_length(self, estimates: Sequence[Estimate]) -> int:
        """Control steps until the next decision."""
        config, spec = self._config, self._policy.spec
        if config.agreement is None or len(estimates) < 2:
            return config.execute
        chunks = torch.stack([estimate.chunk[:, spec.past :] for estimate in estimates])
        moved_H = chunks.diff(dim=0).abs().sum(0).mean((0, 2))
        limit = config.agreement * float(moved_H[: config.execute].mean())
        longest = len(moved_H) - config.delay
        beyond = (moved_H[config.execute : longest] > limit).nonzero()
        return config.execute + int(beyond[0]) if len(beyond) else longest
