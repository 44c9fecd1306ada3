"""A learned policy as an environment's partner: observations in, actions out, weights swapped between steps."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from robot_rl.agents.batch import Observations
from robot_rl.agents.policy_network import PolicyNetwork
from robot_rl.errors import SpecError
from robot_rl.types import Observation

_POLICY, _AVERAGE = "policy/", "average/"  # what the names of published tensors begin with


def to_tensors(policy: PolicyNetwork, average_policy: PolicyNetwork) -> dict[str, NDArray[Any]]:
    """What actors are sent: the tensors of both that acting needs, no frozen backbone. They may share memory."""
    return {
        f"{prefix}{name}": value.cpu().numpy()
        for prefix, source in ((_POLICY, policy), (_AVERAGE, average_policy))
        for name, value in source.published_state().items()
    }


class Steerable(Protocol):
    """A base policy that is asked for plans of chosen noise."""

    def replan(self, noise_A: NDArray[np.float32]) -> NDArray[np.float32]:
        """The chunk (K, A) that it makes of this noise, from what it was asked about last."""
        ...


class PolicyRunner:
    """Asks a policy network; with a seed for each episode it explores, without it takes the mode.

    Of a policy that decides on several actions at a time, they are executed one after the other.
    """

    def __init__(
        self,
        policy: PolicyNetwork,
        stack: int,
        average_policy: PolicyNetwork | None = None,
        base: Steerable | None = None,
    ) -> None:
        """Use `policy`, whose observations are the newest `stack` time steps.

        Args:
            policy: what acts.
            stack: time steps that make one observation.
            average_policy: takes over the slow average in published weights; None where nobody evaluates it.
            base: what a policy steers that steers.
        """
        self._policy, self._average_policy, self._base = policy, average_policy, base
        self._due: deque[NDArray[np.float32]] = deque()
        self._past: deque[NDArray[np.float32]] = deque(maxlen=stack)
        self._generator: torch.Generator | None = None
        self.version = -1
        """Of the weights."""
        self.acted_version = -1
        """Of those that decided on the newest action; they may have been replaced since."""

    def reset(self, exploration_seed: int | None = None) -> None:
        """Start an episode; explore if there is a seed."""
        self.forget_past()
        self._generator = None if exploration_seed is None else torch.Generator().manual_seed(exploration_seed)

    def invalidate(self) -> None:
        """See Policy."""
        self._due.clear()

    def close(self) -> None:
        """See Policy; there is nothing to end."""

    def forget_past(self) -> None:
        """See Policy."""
        self._past.clear()
        self.invalidate()

    def load(self, version: int, tensors: Mapping[str, NDArray[Any]]) -> None:
        """Take over published weights, those of `to_tensors`, all at once."""
        for prefix, target in ((_POLICY, self._policy), (_AVERAGE, self._average_policy)):
            if target is not None:
                part = {name.removeprefix(prefix): array for name, array in tensors.items() if name.startswith(prefix)}
                target.load_published({name: torch.from_numpy(array) for name, array in part.items()})
        self.version = version

    def __call__(self, observation: Observation) -> NDArray[np.float32]:
        """Action for an observation, shape (A,)."""
        proprio = np.concatenate(list(observation.proprio.values()))
        while len(self._past) < (self._past.maxlen or 1) - 1:
            self._past.append(proprio)  # an episode begins as if it had stood still before
        self._past.append(proprio)
        if not self._due:
            self._due.extend(self._decide(observation))
        return self._due.popleft()

    def _decide(self, observation: Observation) -> NDArray[np.float32]:
        """The actions of one decision, (chunk, A)."""
        self.acted_version = self.version
        device = self._policy.features.mean.device
        visual = {
            name: torch.from_numpy(image.copy())[None].to(device)
            for name, image in observation.images.items()
            if name in self._policy.spec.cameras
        }
        base = observation.base_action
        inputs = Observations(
            torch.from_numpy(np.concatenate(self._past))[None].to(device),
            visual,
            None if base is None else torch.from_numpy(base)[None].to(device),
        )
        noise = None
        if self._generator is not None:
            noise = torch.randn(1, self._policy.noise_size, generator=self._generator).to(device)
        decision: NDArray[np.float32] = self._policy.act(inputs, noise)[0].cpu().numpy()
        if not self._policy.steers:
            return decision.reshape(self._policy.chunk, -1)
        if self._base is None:
            raise SpecError("a policy that steers a base policy cannot act without one.")
        return self._base.replan(decision)
