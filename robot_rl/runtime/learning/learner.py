"""The learner: takes in experience, makes the updates that it asks for, and offers the policy."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from robot_rl.agents.agent import Agent, AgentConfig
from robot_rl.agents.batch import Batch
from robot_rl.agents.encoders.augmentation import encode_copies
from robot_rl.data.replay import Replay, RingName
from robot_rl.data.store_writer import StoreWriter
from robot_rl.errors import DivergenceError, StoreError
from robot_rl.runtime.acting.policy_runner import to_tensors
from robot_rl.runtime.channels.channel import LearnerChannel
from robot_rl.runtime.channels.mailbox import EPISODES_PER_ACTOR
from robot_rl.runtime.channels.weights import Weights
from robot_rl.runtime.learning.allocator import keep_freed_memory
from robot_rl.runtime.learning.batches import BatchMaker
from robot_rl.runtime.learning.return_check import ReturnCheck
from robot_rl.runtime.learning.update_budget import UpdateBudget
from robot_rl.types import Source, StepRecord

_DISK_TIMEOUT_S = 30.0


class Learner:
    """One agent, its memory and its budget.

    One thread may call `ingest` while another makes updates: they share the memory, which is locked while a batch is
    drawn and while a record is put, but neither while the networks are updated nor while images are encoded. All other
    methods belong to the thread that makes the updates. Which of them runs when is the business of the one who paces
    the run; the same order gives the same run.

    Attributes:
        memory_lock: held by whoever reads or writes `replay` while another thread may.
        version: of the weights that were offered last; -1 before the first.
        ended_episodes: how many episodes of the run have ended since this learner was made.
        drained: how many records have come since then, also those that came again.
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
        self.agent, self.config, self.replay, self.batches = agent, config, replay, batches
        self.memory_lock: AbstractContextManager[Any] = threading.Lock()
        self._sampler = ThreadPoolExecutor(1, "sampler")
        self._channel, self._store = channel, store
        self.budget = UpdateBudget(config.utd, config.warmup_steps, config.critic_first, config.frozen_from_step)
        self.version = -1
        self._publish_every_steps = publish_every_steps
        self._published_at_step, self._published_at_update = 0, -1
        self._goal_steps = goal_steps
        self._ingest_lock = threading.Lock()  # between what was drained and what is said about it
        self._unsafe: deque[int] = deque()  # rows of the store, of what was drained and is not on the disk yet
        self._safe_count = 0
        self._metrics: dict[str, list[torch.Tensor]] = {}
        self._returns = ReturnCheck(config.gamma, config.takeover_discount)
        self._is_fitted = False
        self._newest_steps: dict[int, int] = {}  # episode -> its newest step
        self._next_episodes: dict[int, int] = {}  # actor -> its first episode that is free
        self.ended_episodes = self.drained = 0
        self.is_end_announced = False

    def add(self, records: Iterable[StepRecord], ring: RingName) -> None:
        """Put experience from before into the memory."""
        for record in records:
            if ring != "online" or self._is_new(record):
                self._remember(record, ring)

    def fit_features(self) -> None:
        """Fit the scales of proprioception, once: to the demonstrations, or without them to what came so far."""
        rings = self.replay.rings
        ring = rings["demonstration"] if len(rings["demonstration"]) else rings["online"]
        with self.memory_lock:
            values = np.tile(ring.proprio[: len(ring)], (1, self.replay.stack))
        for policy in (self.agent.policy, self.agent.average_policy):
            policy.fit(values)
        self._is_fitted = True

    def pretrain(
        self, on_update: Callable[[int, int], None], is_interrupted: Callable[[], bool] = lambda: False
    ) -> None:
        """Imitate the demonstrations for the configured number of updates; `on_update` hears (made, of how many)."""
        if not self.replay.rings["demonstration"].has_transition:
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
            return self._ingest()

    def _ingest(self) -> int:
        drained = self._channel.drain()
        self.drained += len(drained)
        records = [record for record in drained if self._is_new(record)]
        if self._store is not None:
            for record in drained:  # one that came before is ignored there, and safe no later than its row
                self._unsafe.append(_append(self._store, record))
        self._acknowledge(len(drained))
        for record in records:
            self._remember(record, "online")
            self.ended_episodes += record.time_step.is_last
        steps = sum(not record.time_step.is_first for record in records)
        self.budget.steps += steps
        return steps

    def _is_new(self, record: StepRecord) -> bool:
        """Whether a record of the run comes for the first time: actors send again what was not acknowledged."""
        is_new = record.step > self._newest_steps.get(record.episode, -1)
        if is_new:
            self._newest_steps[record.episode] = record.step
            actor = record.episode // EPISODES_PER_ACTOR
            self._next_episodes[actor] = max(self._next_episodes.get(actor, 0), record.episode + 1)
        return is_new

    def first_episode(self, actor: int = 0) -> int:
        """Number of an actor's first episode that is free."""
        return self._next_episodes.get(actor, actor * EPISODES_PER_ACTOR)

    @property
    def is_over(self) -> bool:
        """Whether the run has all its steps, was learned from, and what came of it was offered."""
        has_all = self._goal_steps is not None and self.budget.steps >= self._goal_steps and self.budget.owed == 0
        return has_all and self._published_at_update == self.budget.updates

    def announce(self) -> None:
        """Tell the actors that all that came is taken in, after what was published before, and how far the run is."""
        with self._ingest_lock:
            self.is_end_announced = self.is_over
            self._channel.announce(self.budget.steps, self._next_episodes, is_over=self.is_end_announced)

    def _acknowledge(self, count: int) -> None:
        """Tell the actors what is safe: what is on the disk, or in memory where nothing is stored."""
        if self._store is None:
            self._safe_count += count
        else:
            while self._unsafe and self._unsafe[0] < self._store.acknowledged:
                self._unsafe.popleft()
                self._safe_count += 1
        self._channel.acknowledge(self._safe_count)

    def _remember(self, record: StepRecord, ring: RingName) -> None:
        """Put a record into the memory together with the features of its images."""
        features = self._encode(record, ring)
        with self.memory_lock:
            row = self._put(record, ring, features)
            if ring == "online":
                self._returns.note(record, row, self.config.reward_bias)
                is_base = row < self.config.warmup_steps and record.time_step.source is not Source.HUMAN
                if is_base and "anchor" in self.replay.rings:  # nothing was corrected yet, by nobody
                    self._put(record, "anchor", features)

    def _put(self, record: StepRecord, ring: RingName, features: Mapping[str, NDArray[np.float16]]) -> int:
        row = self.replay.append(record, ring)
        for camera, values in features.items():
            self.replay.features[ring][camera].put(np.array([row]), values)
        return row

    def _encode(self, record: StepRecord, ring: RingName) -> dict[str, NDArray[np.float16]]:
        """Features of a record's images by camera; empty where no frozen encoder is used.

        Their crops follow from the record's place in the run: a resumed run sees what it saw before.
        """
        encoder = self.agent.policy.encoder
        if not self.replay.features[ring] or encoder is None:
            return {}
        device = self.agent.policy.features.mean.device
        features = {}
        for number, camera in enumerate(self.replay.features[ring]):
            seed = np.random.SeedSequence([record.episode, record.step, number]).generate_state(1)
            generator = torch.Generator().manual_seed(int(seed[0]))
            image = torch.from_numpy(record.time_step.observation.images[camera].copy())[None].to(device)
            features[camera] = (
                encode_copies(encoder.backbone, image, self.config.encoder.copies, generator).cpu().numpy()
            )
        return features

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
        with self.memory_lock:
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
        with self.memory_lock:
            means |= self._measure_optimism()
            sizes = {f"replay/{name}": float(size) for name, size in self.replay.sizes().items()}
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
        rows, returns = self._returns.ended()
        is_held = self.replay.rings["online"].has_successor(rows)
        if not self._is_fitted or not is_held.any():
            return {}
        value = self.agent.value(self.batches.at(rows[is_held]))
        return {} if value is None else {"critic/optimism": float(value.cpu().numpy().mean() - returns[is_held].mean())}

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


def _append(store: StoreWriter, record: StepRecord) -> int:
    """Append to the store; should the disk be too slow, wait for it rather than lose a time step."""
    try:
        return store.append(record)
    except StoreError:
        store.flush(_DISK_TIMEOUT_S)  # raises what is really wrong, if it is more than a full queue
        return store.append(record)
