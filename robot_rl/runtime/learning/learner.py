"""The learner: takes in experience, makes the updates that it asks for, and offers the policy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch

from robot_rl.agents.agent import Agent, AgentConfig
from robot_rl.agents.batch import Batch
from robot_rl.data.replay import Replay, RingName
from robot_rl.data.store_writer import StoreWriter
from robot_rl.errors import DivergenceError
from robot_rl.runtime.acting.policy_runner import to_tensors
from robot_rl.runtime.channels.channel import LearnerChannel
from robot_rl.runtime.channels.weights import Weights
from robot_rl.runtime.learning.allocator import keep_freed_memory
from robot_rl.runtime.learning.arrivals import Arrivals
from robot_rl.runtime.learning.batches import BatchMaker
from robot_rl.runtime.learning.memory import Memory
from robot_rl.runtime.learning.update_budget import UpdateBudget
from robot_rl.types import StepRecord


class Learner:
    """One agent, its memory and its budget.

    One thread may call `ingest` while another makes updates: they share the memory, which is locked while a batch is
    drawn and while a record is put, but neither while the networks are updated nor while images are encoded. All other
    methods belong to the thread that makes the updates. Which of them runs when is the business of the one who paces
    the run; the same order gives the same run.

    Attributes:
        arrivals: what came from the actors.
        memory: what is learned from.
        version: of the weights that were offered last; -1 before the first.
        is_end_announced: whether the actors were told last that the run is over.
    """

    def __init__(
        self,
        agent: Agent,
        config: AgentConfig,
        replay: Replay,
        batches: BatchMaker,
        channel: LearnerChannel,
        store: StoreWriter | None = None,
        publish_every_steps: int = 10,
        goal_steps: int | None = None,
    ) -> None:
        keep_freed_memory()
        self.agent, self.config, self.batches = agent, config, batches
        self.arrivals, self.memory = Arrivals(channel, store), Memory(replay, agent.policy, config)
        self.budget = UpdateBudget(config.utd, config.warmup_steps, config.critic_first, config.frozen_from_step)
        self.version = -1
        self.is_end_announced = False
        self._channel = channel
        self._sampler = ThreadPoolExecutor(1, "sampler")
        self._publish_every_steps = publish_every_steps
        self._published_at_step, self._published_at_update = 0, -1
        self._goal_steps = goal_steps
        self._ingest_lock = threading.Lock()  # between what was drained and what is said about it
        self._metrics: dict[str, list[torch.Tensor]] = {}
        self._is_fitted = False

    def add(self, records: Iterable[StepRecord], ring: RingName) -> None:
        """Put experience from before into the memory."""
        for record in records:
            if ring != "online" or self.arrivals.note(record):
                self.memory.put(record, ring)

    def fit_features(self) -> None:
        """Fit the scales of proprioception, once: to the demonstrations, or without them to what came so far."""
        values = self.memory.read_proprio()
        for policy in (self.agent.policy, self.agent.average_policy):
            policy.fit(values)
        self._is_fitted = True

    def pretrain(
        self, on_update: Callable[[int, int], None], is_interrupted: Callable[[], bool] = lambda: False
    ) -> None:
        """Imitate the demonstrations for the configured number of updates; `on_update` hears (made, of how many)."""
        if not self.memory.replay.rings["demonstration"].has_transition:
            return
        self.fit_features()
        for number, batch in enumerate(self._draw(self.config.pretrain_updates), start=1):
            self._note(self.agent.pretrain(batch))
            on_update(number, self.config.pretrain_updates)
            if is_interrupted():
                break

    def ingest(self) -> int:
        """Take in what arrived; return how many environment steps that were."""
        with self._ingest_lock:
            records = self.arrivals.take()
            for record in records:
                self.memory.put(record, "online")
            steps = sum(not record.time_step.is_first for record in records)
            self.budget.steps += steps
            return steps

    @property
    def is_over(self) -> bool:
        """Whether the run has all its steps, was learned from, and what came of it was offered."""
        has_all = self._goal_steps is not None and self.budget.steps >= self._goal_steps and self.budget.owed == 0
        return has_all and self._published_at_update == self.budget.updates

    def announce(self) -> None:
        """Tell the actors that all that came is taken in, after what was published before, and how far the run is."""
        with self._ingest_lock:
            self.is_end_announced = self.is_over
            self._channel.announce(self.budget.steps, self.arrivals.next_episodes, is_over=self.is_end_announced)

    def catch_up(self, limit: int | None = None) -> int:
        """Make the updates that are owed now, at most `limit`; return how many."""
        count = self.budget.owed if limit is None else min(limit, self.budget.owed)
        if count and not self._is_fitted:
            self.fit_features()
        for batch in self._draw(count):
            self._note(self.agent.update(batch, is_actor_due=self.budget.is_actor_due))
            self.budget.updates += 1
        return count

    def _draw(self, count: int) -> Iterator[Batch]:
        """`count` batches, each drawn in another thread while the one before is learned from."""
        drawn = self._sampler.submit(self._draw_one) if count else None
        for remaining in reversed(range(count)):
            assert drawn is not None
            batch = drawn.result()
            drawn = self._sampler.submit(self._draw_one) if remaining else None
            yield batch

    def _draw_one(self) -> Batch:
        with self.memory.lock:
            return self.batches.draw()

    def close(self) -> None:
        """End the thread that draws batches."""
        self._sampler.shutdown(cancel_futures=True)

    def publish(self, *, is_forced: bool = False) -> None:
        """Offer the weights of the policy and of its slow average, if enough steps have passed since the last time."""
        if not is_forced and self.budget.steps - self._published_at_step < self._publish_every_steps:
            return
        self._published_at_step, self._published_at_update = self.budget.steps, self.budget.updates
        self.version += 1
        self._channel.publish(Weights(self.version, to_tensors(self.agent.policy, self.agent.average_policy)))

    def _note(self, metrics: Mapping[str, torch.Tensor]) -> None:
        for name, value in metrics.items():
            self._metrics.setdefault(name, []).append(value)

    def take_metrics(self) -> dict[str, float]:
        """Means since the last call; the only place that waits for the device.

        Raises:
            DivergenceError: one of them is not finite: the networks hold nothing of worth any more.
        """
        means = {name: float(torch.stack(values).mean()) for name, values in self._metrics.items()}
        self._metrics.clear()
        if broken := [name for name, value in means.items() if not np.isfinite(value)]:
            raise DivergenceError(
                f"after {self.budget.updates} updates {', '.join(broken)} are not finite: go on from the newest "
                "checkpoint, which is sound, or begin another run with a smaller learning rate, and look for rewards "
                "or observations that are not finite."
            )
        means |= self._measure_optimism()
        with self.memory.lock:
            sizes = {f"replay/{name}": float(size) for name, size in self.memory.replay.sizes().items()}
        return {
            **means,
            **sizes,
            "learner/updates": float(self.budget.updates),
            "learner/behind_steps": self.budget.behind_steps,
            "learner/version": float(self.version),
            "actor/weights_age_steps": float(self.budget.steps - self._published_at_step),
        }

    def _measure_optimism(self) -> dict[str, float]:
        """How much more the critics promise at the beginnings of the newest episodes than these have paid."""
        with self.memory.lock:
            rows, returns = self.memory.paid()
            if not self._is_fitted or not len(rows):
                return {}
            batch = self.batches.at(rows)
        value = self.agent.value(batch)  # of images it takes long, and records must not wait for it
        return {} if value is None else {"critic/optimism": float(value.cpu().numpy().mean() - returns.mean())}

    def state(self) -> dict[str, Any]:
        """Everything but the memory that is needed to go on bit for bit; the memory is in the store."""
        return {
            "agent": self.agent.state(),
            "batches": self.batches.state(),
            "steps": self.budget.steps,
            "updates": self.budget.updates,
            "version": self.version,
            "is_fitted": self._is_fitted,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned; experience that came after it is owed its updates."""
        self.agent.restore(state["agent"])
        self.batches.restore(state["batches"])
        self.budget.updates = int(state["updates"])
        self.version = int(state["version"])
        self._is_fitted = bool(state["is_fitted"])
