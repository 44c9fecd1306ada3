"""The policy of a training run, as it is evaluated, and as the base policy of another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from robot_rl.agents.agent import make_agent
from robot_rl.errors import CheckpointError
from robot_rl.runtime.acting.base_answers import BaseAnswers
from robot_rl.runtime.acting.policy_runner import PolicyRunner, Steerable
from robot_rl.runtime.learning import checkpoint
from robot_rl.runtime.run_folder import RunFolder
from robot_rl.specs import EnvironmentSpec
from robot_rl.types import Observation


class TrainedActions:
    """A run's policy, frozen, which may itself correct a base policy: so correctors stand on each other."""

    def __init__(self, policy: PolicyRunner, below: BaseAnswers | None) -> None:
        """Ask `policy`, and for it the base policy that it corrects, if it does."""
        self._policy, self._below = policy, below

    def reset(self, seed: int | None = None) -> None:
        """See Actions."""
        self._policy.reset()
        if self._below is not None:
            self._below.reset(seed)

    def invalidate(self) -> None:
        """See Actions."""
        self._policy.invalidate()
        if self._below is not None:
            self._below.invalidate()

    def __call__(self, observation: Observation) -> NDArray[np.float32]:
        """See Actions."""
        return self._policy(observation if self._below is None else self._below.answer(observation))

    def close(self) -> None:
        """See Actions."""
        if self._below is not None:
            self._below.close()


def load_policy(folder: RunFolder, spec: EnvironmentSpec, base: Steerable | None = None) -> PolicyRunner:
    """The slow average of the weights in a run's newest checkpoint, without exploration.

    Args:
        folder: of the run.
        spec: of the environment, with the base policy's answers where it has one.
        base: what a policy steers that steers.

    Raises:
        ConfigError: the folder holds no run.
        CheckpointError: it has no checkpoint yet, or one that does not fit the environment.
    """
    config = folder.load_config()
    found = checkpoint.find(folder.checkpoints)
    if not found:
        raise CheckpointError(f"{folder.path} has no checkpoint yet; the first is written after the imitation phase.")
    of_checkpoint = replace(config.agent.encoder, weights="random")  # the checkpoint's come in their place
    agent = make_agent(replace(config.agent, encoder=of_checkpoint), spec, config.seed)
    state = checkpoint.load(found[-1])
    try:
        agent.average_policy.load_state_dict(state["agent"]["average_policy"])
    except (RuntimeError, KeyError) as error:
        raise CheckpointError(
            f"{found[-1]} does not fit this environment: was it trained with other cameras, or on another task?"
        ) from error
    return PolicyRunner(agent.average_policy, config.agent.stack, base=base)
