"""The replay memory as a learner fills it: with features of images, anchors and what episodes have paid."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from robot_rl.agents.agent import AgentConfig
from robot_rl.agents.encoders.augmentation import encode_copies
from robot_rl.agents.policy_network import PolicyNetwork
from robot_rl.data.replay import Replay, RingName
from robot_rl.runtime.learning.return_check import ReturnCheck
from robot_rl.types import Source, StepRecord


class Memory:
    """A replay memory, and the lock between the thread that fills it and the one that draws batches.

    Attributes:
        replay: held by nobody else while `lock` is.
        lock: neither held while networks are updated nor while images are encoded.
    """

    def __init__(self, replay: Replay, policy: PolicyNetwork, config: AgentConfig) -> None:
        """Fill `replay`, with the features of the encoder of `policy` where that is frozen."""
        self.replay, self._policy, self._config = replay, policy, config
        self.lock: AbstractContextManager[Any] = threading.Lock()
        self._returns = ReturnCheck(config.gamma, config.takeover_discount)

    def put(self, record: StepRecord, ring: RingName) -> None:
        """Put a record into a ring together with the features of its images."""
        features = self._encode(record, ring)
        with self.lock:
            row = self._put(record, ring, features)
            if ring == "online":
                self._returns.note(record, row, self._config.reward_bias)
                self._anchor(record, row, features)

    def _anchor(self, record: StepRecord, row: int, features: Mapping[str, NDArray[np.float16]]) -> None:
        """Keep what the base policy has done alone: nothing was corrected yet, by nobody."""
        if "anchor" not in self.replay.rings:
            return
        if record.time_step.source is Source.HUMAN:
            share = self._config.takeover_discount
            self.replay.rings["anchor"].end_at_takeover(record.episode, record.step, share)
        elif row < self._config.warmup_steps:
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
        encoder = self._policy.encoder
        if not self.replay.features[ring] or encoder is None:
            return {}
        device, config = self._policy.features.mean.device, self._config.encoder
        features = {}
        for number, camera in enumerate(self.replay.features[ring]):
            seed = np.random.SeedSequence([record.episode, record.step, number]).generate_state(1)
            generator = torch.Generator().manual_seed(int(seed[0]))
            image = torch.from_numpy(record.time_step.observation.images[camera].copy())[None].to(device)
            tokens = encode_copies(encoder.backbone, image, config.copies, generator, config.crop_pad_px)
            features[camera] = tokens.cpu().numpy()
        return features

    def read_proprio(self) -> NDArray[np.float32]:
        """The proprioception of the demonstrations, or without them of what came so far; a row for each time step."""
        rings = self.replay.rings
        ring = rings["demonstration"] if len(rings["demonstration"]) else rings["online"]
        with self.lock:
            return np.tile(ring.proprio[: len(ring)], (1, self.replay.stack))

    def paid(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """(rows, returns) of the beginnings of the newest episodes, where they are still held. With the lock held."""
        rows, returns = self._returns.ended()
        is_held = self.replay.rings["online"].has_successor(rows)
        return rows[is_held], returns[is_held]
