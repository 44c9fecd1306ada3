"""The learner: takes in experience, makes the updates that it asks for, and offers the policy."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch

from robot_rl.agents.agent import Agent, AgentConfig
from robot_rl.agents.encoders.augmentation import encode_copies
from robot_rl.data.replay import Replay, RingName
from robot_rl.data.store_writer import StoreWriter
from robot_rl.errors import StoreError
from robot_rl.runtime.batches import BatchMaker
from robot_rl.runtime.channel import LearnerChannel, Weights
from robot_rl.runtime.update_budget import UpdateBudget
from robot_rl.types import StepRecord

_DISK_TIMEOUT_S = 30.0
_ENCODE_AT_ONCE = 32
"""Time steps whose images pass the frozen encoder together."""


class Learner:
    """One agent, its memory and its budget.

    `ingest` and `catch_up` must not run at the same time; which of them runs when is the business of the one who
    paces the run.
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
    ) -> None:
        self.agent, self.config, self.replay, self.batches = agent, config, replay, batches
        self._channel, self._store = channel, store
        self.budget = UpdateBudget(config.utd, config.warmup_steps)
        self.version = -1
        self._publish_every_steps = publish_every_steps
        self._published_at_step = 0
        self._unsafe: deque[int] = deque()  # rows of the store, of what was drained and is not on the disk yet
        self._safe_count = 0
        self._metrics: dict[str, list[torch.Tensor]] = {}
        self._is_fitted = False

    def add(self, records: Iterable[StepRecord], ring: RingName) -> None:
        """Put experience from before into the memory."""
        rows = [self.replay.append(record, ring) for record in records]
        self._encode(ring, np.array(rows, np.int64))

    def fit_features(self) -> None:
        """Fit the scales of proprioception, once: to the demonstrations, or without them to what came so far."""
        rings = self.replay.rings
        ring = rings["demonstration"] if len(rings["demonstration"]) else rings["online"]
        values = np.tile(ring.proprio[: len(ring)], (1, self.replay.stack))
        for policy in (self.agent.policy, self.agent.average_policy):
            policy.features.fit(values)
        self._is_fitted = True

    def pretrain(self, on_update: Callable[[int, int], None]) -> None:
        """Imitate the demonstrations for the configured number of updates; `on_update` hears (made, of how many)."""
        if not self.replay.rings["demonstration"].has_transition:
            return
        self.fit_features()
        for number in range(self.config.pretrain_updates):
            self._note(self.agent.pretrain(self.batches.draw()))
            on_update(number + 1, self.config.pretrain_updates)

    def ingest(self) -> int:
        """Take in what arrived; return how many environment steps that were."""
        records = self._channel.drain()
        rows = []
        for record in records:
            rows.append(self.replay.append(record))
            if self._store is not None:
                self._unsafe.append(_append(self._store, record))
        self._acknowledge(len(records))
        self._encode("online", np.array(rows, np.int64))
        steps = sum(not record.time_step.is_first for record in records)
        self.budget.steps += steps
        return steps

    def _acknowledge(self, count: int) -> None:
        """Tell the actors what is safe: what is on the disk, or in memory where nothing is stored."""
        if self._store is None:
            self._safe_count += count
        else:
            while self._unsafe and self._unsafe[0] < self._store.acknowledged:
                self._unsafe.popleft()
                self._safe_count += 1
        self._channel.acknowledge(self._safe_count)

    def _encode(self, ring: RingName, rows: np.ndarray[Any, np.dtype[np.int64]]) -> None:
        """Compute and keep the features of new images, where a frozen encoder is used."""
        caches, encoder = self.replay.features[ring], self.agent.policy.encoder
        if not caches or encoder is None:
            return
        config = self.config.encoder
        device = self.agent.policy.features.mean.device
        for start in range(0, len(rows), _ENCODE_AT_ONCE):
            some = rows[start : start + _ENCODE_AT_ONCE]
            for camera, images in self.replay.rings[ring].images(some).items():
                tensor = torch.from_numpy(images).to(device)
                features = encode_copies(encoder.backbone, tensor, config.copies, self.batches.crop_generator)
                caches[camera].put(some, features.cpu().numpy())

    def catch_up(self, limit: int | None = None) -> int:
        """Make the updates that are owed, at most `limit`; return how many."""
        made = 0
        while self.budget.owed > 0 and (limit is None or made < limit):
            if not self._is_fitted:
                self.fit_features()
            self._note(self.agent.update(self.batches.draw(), is_actor_due=self.budget.is_actor_due))
            self.budget.updates += 1
            made += 1
        return made

    def publish(self, *, is_forced: bool = False) -> None:
        """Offer the policy's weights, if enough steps have passed since the last time."""
        if not is_forced and self.budget.steps - self._published_at_step < self._publish_every_steps:
            return
        self._published_at_step = self.budget.steps
        self.version += 1
        tensors = {name: value.cpu().numpy() for name, value in self.agent.policy.published_state().items()}
        self._channel.publish(Weights(self.version, tensors))

    def _note(self, metrics: Mapping[str, torch.Tensor]) -> None:
        for name, value in metrics.items():
            self._metrics.setdefault(name, []).append(value)

    def take_metrics(self) -> dict[str, float]:
        """Means since the last call; the only place that waits for the device."""
        means = {name: float(torch.stack(values).mean()) for name, values in self._metrics.items()}
        self._metrics.clear()
        sizes = {f"replay/{name}": float(size) for name, size in self.replay.sizes().items()}
        return {
            **means,
            **sizes,
            "learner/updates": float(self.budget.updates),
            "learner/behind_steps": self.budget.behind_steps,
            "learner/version": float(self.version),
        }

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
