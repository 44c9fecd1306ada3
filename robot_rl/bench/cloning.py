"""Behaviour cloning as small as it can be: how much of a task do demonstrations alone solve?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from robot_rl.env.robot_env import RobotEnv
from robot_rl.runtime.acting.policies import Memoryless, ZeroPolicy
from robot_rl.runtime.reporting.evaluation import EpisodeResult, evaluate
from robot_rl.runtime.reporting.observers import Observer
from robot_rl.types import Observation, TimeStep

Vector = NDArray[np.float32]


def to_vector(observation: Observation) -> Vector:
    """All proprioceptive parts in their order, shape (n,)."""
    return np.concatenate(list(observation.proprio.values()))


@dataclass
class Demonstrations(Observer):
    """Collects (observation, executed action) of the successful episodes that it watches."""

    def __post_init__(self) -> None:
        self.observations: list[Vector] = []
        self.actions: list[Vector] = []
        self.episode_count = 0
        self._episode: list[tuple[Vector, Vector]] = []
        self._last = np.empty(0, np.float32)

    def on_step(self, time_step: TimeStep) -> None:
        """Pair the action that led here with the observation before it."""
        if not time_step.is_first:
            self._episode.append((self._last, time_step.applied_action))
        self._last = to_vector(time_step.observation)

    def on_episode_end(self, episode: EpisodeResult) -> None:
        """Keep successes."""
        if episode.is_success:
            self.episode_count += 1
            for observation, action in self._episode:
                self.observations.append(observation)
                self.actions.append(action)
        self._episode = []


def collect(env: RobotEnv, episodes: int, seed: int) -> Demonstrations:
    """Let the environment's scripted expert demonstrate."""
    demonstrations = Demonstrations()
    evaluate(env, ZeroPolicy(env.spec), episodes, seed, [demonstrations])
    return demonstrations


class ClonedPolicy(Memoryless):
    """An MLP of two hidden layers, fitted to demonstrations by mean squared error."""

    def __init__(self, demonstrations: Demonstrations, seed: int, steps: int = 3000) -> None:
        """Fit with Adam, batch 256, weight decay 1e-4, observation noise of 2 % of its spread.

        Args:
            demonstrations: at least one episode.
            seed: of weights and batches.
            steps: gradient steps.
        """
        torch.set_num_threads(1)  # two threads on a shared machine are slower than one
        generator = torch.Generator().manual_seed(seed)
        observations = torch.from_numpy(np.stack(demonstrations.observations))
        actions = torch.from_numpy(np.stack(demonstrations.actions))
        self._mean, self._spread = observations.mean(0), observations.std(0) + 1e-6
        torch.manual_seed(seed)
        size = observations.shape[1]
        self._net = nn.Sequential(
            nn.Linear(size, 256), nn.LayerNorm(256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(),
            nn.Linear(256, actions.shape[1]), nn.Tanh(),
        )  # fmt: skip
        optimiser = torch.optim.AdamW(self._net.parameters(), lr=1e-3, weight_decay=1e-4)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        inputs = (observations - self._mean) / self._spread
        for _ in range(steps):
            chosen = torch.randint(len(inputs), (256,), generator=generator)
            noise = 0.02 * torch.randn(256, size, generator=generator)
            loss = nn.functional.mse_loss(self._net(inputs[chosen] + noise), actions[chosen])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            scheduler.step()

    @torch.no_grad()
    def __call__(self, observation: Observation) -> Vector:
        """Action of an observation, shape (A,)."""
        vector = torch.from_numpy(to_vector(observation))
        action: Vector = self._net((vector - self._mean) / self._spread).numpy()
        return action
