"""A base policy's answers as parts of observations."""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robot_rl.agents.correctors import plan_input
from robot_rl.agents.correctors.candidates import CandidateLayout
from robot_rl.errors import ConfigError
from robot_rl.policies.base_policy import BasePolicy
from robot_rl.policies.chunk_executor import Tick
from robot_rl.policies.spec import BasePolicySpec
from robot_rl.runtime.acting.base_policies import to_noise_seed
from robot_rl.specs import EnvironmentSpec
from robot_rl.types import Observation


class BaseAnswers(Protocol):
    """What a base policy in the shadow is asked."""

    def extend(self, spec: EnvironmentSpec) -> EnvironmentSpec:
        """The spec of an environment whose observations have the answers in them."""
        ...

    def reset(self, seed: int | None = None) -> None:
        """An episode begins, or goes on after a pause; with a seed, the noise of what comes is that of the seed."""
        ...

    def invalidate(self) -> None:
        """What is planned is void; what was seen is not."""
        ...

    def answer(self, observation: Observation) -> Observation:
        """The observation with the base policy's answer; asked once for each."""
        ...

    def close(self) -> None:
        """Nobody will ask any more."""
        ...


class Actions(Protocol):
    """A base policy that executes its own plans."""

    def reset(self, seed: int | None = None) -> None:
        """See BaseAnswers."""
        ...

    def invalidate(self) -> None:
        """See BaseAnswers."""
        ...

    def __call__(self, observation: Observation) -> NDArray[np.float32]:
        """What is due now, (A,)."""
        ...

    def close(self) -> None:
        """See BaseAnswers."""
        ...


class Plans(Actions, Protocol):
    """One that shows what it plans."""

    def tick(self, observation: Observation) -> Tick:
        """What is due now, with the rest of the plan, or of several; instead of a call."""
        ...


class ActionAnswers:
    """The action that is due in the plan which the base policy executes."""

    def __init__(self, actions: Actions) -> None:
        self._actions = actions
        self.reset, self.invalidate, self.close = actions.reset, actions.invalidate, actions.close

    def extend(self, spec: EnvironmentSpec) -> EnvironmentSpec:
        """See BaseAnswers: nothing, the action has a place of its own."""
        return spec

    def answer(self, observation: Observation) -> Observation:
        """See BaseAnswers."""
        return dataclasses.replace(observation, base_action=self._actions(observation))


class PlanAnswers:
    """The action that is due, and the rest of the plan that it is from."""

    def __init__(self, executed: Plans, steps: int) -> None:
        """Answer with the next `steps` actions of what `executed` plans."""
        self._executed, self._steps = executed, steps
        self.reset, self.invalidate, self.close = executed.reset, executed.invalidate, executed.close

    def extend(self, spec: EnvironmentSpec) -> EnvironmentSpec:
        """See BaseAnswers."""
        return plan_input.extend(spec, self._steps)

    def answer(self, observation: Observation) -> Observation:
        """See BaseAnswers."""
        tick = self._executed.tick(observation)
        parts = plan_input.pack(tick.remaining[0], tick.phase, self._steps)
        proprio = {**observation.proprio, **parts}
        return dataclasses.replace(observation, proprio=proprio, base_action=tick.action[0])


class CandidateAnswers:
    """Several plans, which the base policy goes on with from one time step to the next.

    So each of them is as good as the plan that the base policy alone would execute: one that is made anew at every time
    step is not, where a policy knows several ways and takes another each time.
    """

    def __init__(self, planned: Plans, layout: CandidateLayout, spec: BasePolicySpec, last_phase: int) -> None:
        """Ask.

        Args:
            planned: makes as many plans as the layout has.
            layout: how many, and how much of each.
            spec: of the policy that plans.
            last_phase: the oldest that a plan becomes before there is another [control steps].

        Raises:
            ConfigError: what is left of a plan is shorter than the chunk that is to be executed.
        """
        _check_chunk(layout, spec.horizon - spec.past - last_phase)
        self._planned, self._layout = planned, layout
        self._is_discrete_A = spec.is_discrete
        self.reset, self.invalidate, self.close = planned.reset, planned.invalidate, planned.close

    def extend(self, spec: EnvironmentSpec) -> EnvironmentSpec:
        """See BaseAnswers."""
        return self._layout.extend(spec)

    def answer(self, observation: Observation) -> Observation:
        """See BaseAnswers: what all plans have next; where one has ended, since it is late, its last action again."""
        tick = self._planned.tick(observation)
        plans = tick.remaining[:, np.minimum(np.arange(self._layout.chunk), tick.remaining.shape[1] - 1)]
        plans = _to_signs(plans, self._is_discrete_A)
        plans[: len(tick.action), 0] = tick.action  # with its hysteresis, as the base policy alone would act
        proprio = {**observation.proprio, **self._layout.pack(plans)}
        return dataclasses.replace(observation, proprio=proprio, base_action=plans[0, 0].copy())


class NoiseAnswers:
    """Several plans with the noise that they were made of, anew at every time step, and plans of any other noise.

    The first is of no noise, the middle of what the policy knows, with which who steers begins: of other noise at every
    step it would dither. The others show what noise does.
    """

    def __init__(self, policy: BasePolicy, layout: CandidateLayout, seed: int) -> None:
        """Ask.

        Args:
            policy: plans.
            layout: how many, and how much of each; all positions of a plan have the same noise.
            seed: of the noise.

        Raises:
            ConfigError: a plan is shorter than the chunk that is to be executed.
        """
        _check_chunk(layout, policy.spec.horizon - policy.spec.past)
        self._policy, self._layout = policy, layout
        self._is_discrete_A = policy.spec.is_discrete
        self._generator = torch.Generator().manual_seed(seed)
        self._frames: deque[Tensor] = deque(maxlen=policy.spec.observation_steps)

    def extend(self, spec: EnvironmentSpec) -> EnvironmentSpec:
        """See BaseAnswers."""
        return self._layout.extend(spec)

    def reset(self, seed: int | None = None) -> None:
        """See BaseAnswers."""
        self._frames.clear()
        if seed is not None:
            self._generator.manual_seed(to_noise_seed(seed))

    def invalidate(self) -> None:
        """See BaseAnswers; there is no plan."""

    def close(self) -> None:
        """See BaseAnswers; there is nothing to end."""

    def answer(self, observation: Observation) -> Observation:
        """See BaseAnswers: the first plan's action, and all plans with their noise."""
        frames = self._policy.encode(observation)
        self._frames.append(frames)
        while len(self._frames) < (self._frames.maxlen or 1):
            self._frames.append(frames)  # an episode begins as if it had stood still before
        noise_NA = torch.randn(self._layout.count, self._policy.spec.action_size, generator=self._generator)
        noise_NA[0] = 0.0
        plans = self._plan(noise_NA)
        proprio = {**observation.proprio, **self._layout.pack(plans, noise_NA.numpy())}
        return dataclasses.replace(observation, proprio=proprio, base_action=plans[0, 0].copy())

    def replan(self, noise_A: NDArray[np.float32]) -> NDArray[np.float32]:
        """The chunk (K, A) that the base policy makes of this noise, from what was answered last."""
        chunk: NDArray[np.float32] = self._plan(torch.from_numpy(noise_A)[None])[0]
        return chunk

    def _plan(self, noise_NA: Tensor) -> NDArray[np.float32]:
        """Shape (N, K, A)."""
        spec = self._policy.spec
        noise_NHA = noise_NA[:, None].expand(-1, spec.horizon, -1).contiguous()
        plan = self._policy.plan(torch.stack(list(self._frames), dim=1), noise_NHA)
        due = slice(spec.past, spec.past + self._layout.chunk)
        return _to_signs(self._policy.to_actions(plan.chunk)[:, due], self._is_discrete_A)


def _to_signs(plans_NKA: NDArray[np.float32], is_discrete_A: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The same plans, with their two-valued elements at -1 or 1, as they would be executed; 0 asks for nothing."""
    return np.where(is_discrete_A, np.sign(plans_NKA), plans_NKA)


def _check_chunk(layout: CandidateLayout, most: int) -> None:
    if layout.chunk > most:
        raise ConfigError(
            f"agent.corrector.chunk must be from 1 to {most}, what is left of the base policy's plans until it makes "
            f"another, got {layout.chunk}."
        )
