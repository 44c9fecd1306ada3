"""A learner with a filled memory, to be measured: synthetic episodes of the size of the real ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from robot_rl.agents.agent import Agent, AgentConfig, EncoderConfig, make_agent
from robot_rl.agents.correctors.config import CorrectorConfig
from robot_rl.agents.rlpd import RlpdConfig
from robot_rl.data.replay import FeatureShape, Replay, ReplayConfig, RingName
from robot_rl.runtime.channels.channel import ActorChannel, make_local_channels
from robot_rl.runtime.learning.batches import BatchMaker
from robot_rl.runtime.learning.learner import Learner
from robot_rl.specs import ArraySpec, EnvironmentSpec, ObservationSpec
from robot_rl.types import Observation, Source, StepRecord, StepType, TimeStep

CAMERAS = ("wrist", "side")
IMAGE_SIZE_PX = 128
PROPRIO_SIZE = 19
ACTION_SIZE = 7
BATCH_SIZE = 256
HIDDEN = (256, 256)
CORRECTOR_HIDDEN = (128, 128)
STEP_LIMIT = 100

_IMAGES = 32
_HUMAN_EVERY = 4


@dataclass(frozen=True)
class Rig:
    """What is measured.

    Attributes:
        actor: the other end of the learner's channel.
        records: time steps without end, the next ones to be sent.
    """

    agent: Agent
    batches: BatchMaker
    learner: Learner
    actor: ActorChannel
    records: Iterator[StepRecord]

    def update_critic(self) -> None:
        """Draw a batch; one step of the critics and their targets."""
        self.agent.update(self.batches.draw(), is_actor_due=False)

    def update_all(self) -> None:
        """The same, and one of actor, temperature and slow average."""
        self.agent.update(self.batches.draw(), is_actor_due=True)

    def update_step(self) -> None:
        """All updates that one environment step asks for."""
        for remaining in reversed(range(self.learner.config.utd)):
            self.agent.update(self.batches.draw(), is_actor_due=remaining == 0)


def make_spec(cameras: tuple[str, ...]) -> EnvironmentSpec:
    """19 proprioceptive values, the gripper's opening among them, seven elements of the action, and these cameras."""
    parts = {"arm": PROPRIO_SIZE - 1, "gripper": 1}
    shape = (IMAGE_SIZE_PX, IMAGE_SIZE_PX, 3)
    observation = ObservationSpec(
        {name: ArraySpec(name, (size,), np.float32) for name, size in parts.items()},
        {name: ArraySpec(name, shape, np.uint8) for name in cameras},
    )
    return EnvironmentSpec(observation, ACTION_SIZE, STEP_LIMIT, 10.0)


def make_rig(ensemble: int, encoder: EncoderConfig | None, device: str, rows: int) -> Rig:
    """A learner whose memory holds `rows` time steps of a run, a quarter of them a person's, and as many before it.

    Args:
        ensemble: number of critics.
        encoder: of two cameras; None for proprioception alone.
        device: where the agent lives.
        rows: of each ring.
    """
    rlpd = RlpdConfig(ensemble=ensemble, subsample=2)
    config = AgentConfig(
        hidden=HIDDEN, batch_size=BATCH_SIZE, warmup_steps=0, rlpd=rlpd, encoder=encoder or EncoderConfig()
    )
    return _make_rig(config, make_spec(() if encoder is None else CAMERAS), device, rows)


def make_corrector_rig(corrector: CorrectorConfig, device: str, rows: int) -> Rig:
    """The same for a corrector from proprioception, of the sizes of `agent=residual`; without a base policy."""
    config = AgentConfig(
        name="corrected", hidden=CORRECTOR_HIDDEN, batch_size=BATCH_SIZE, warmup_steps=0, utd=4, corrector=corrector
    )
    return _make_rig(config, corrector.extend(make_spec(())), device, rows)


def _make_rig(config: AgentConfig, spec: EnvironmentSpec, device: str, rows: int) -> Rig:
    agent = make_agent(config, spec, seed=0, device=device)
    features = None
    if agent.policy.encoder is not None and agent.policy.encoder.is_frozen:
        backbone = agent.policy.encoder.backbone
        features = FeatureShape(config.encoder.copies, backbone.places, backbone.channels)
    sizes = ReplayConfig(capacity=rows, prior_capacity=rows)
    replay = Replay(spec, sizes, features=features, has_base=config.is_corrector)
    records = make_records(spec, seed=0)
    fill(replay, "online", rows, records)
    fill(replay, "demonstration", rows, make_records(spec, seed=1))
    batches = BatchMaker(replay, config, config.gamma, seed=0, device=device)
    actor, channel = make_local_channels(spec)
    return Rig(agent, batches, Learner(agent, config, replay, batches, channel), actor, records)


def make_records(spec: EnvironmentSpec, seed: int) -> Iterator[StepRecord]:
    """Time steps of episodes of `STEP_LIMIT` random steps each, without end; every fourth action is a person's.

    What a base policy would have done is as random.
    """
    generator = np.random.default_rng(seed)
    pictures = make_pictures(generator)
    episode = step = 0
    while True:
        kind = StepType.FIRST if step == 0 else StepType.LAST if step == STEP_LIMIT else StepType.MID
        proprio = {
            name: generator.normal(size=part.shape).astype(np.float32)
            for name, part in spec.observation.proprio.items()
        }
        images = {name: pictures[generator.integers(_IMAGES)] for name in spec.observation.images}
        action = generator.uniform(-1.0, 1.0, spec.action_size).astype(np.float32)
        action[-1] = np.rint(action[-1])
        base_action = generator.uniform(-1.0, 1.0, spec.action_size).astype(np.float32)
        source = Source.HUMAN if step % _HUMAN_EVERY == 1 else Source.POLICY
        reward = float(kind is StepType.LAST)
        observation = Observation(proprio, images, 0, base_action)
        time_step = TimeStep(kind, observation, reward, 1.0 - reward, action, source)
        yield StepRecord(time_step, episode, step)
        episode, step = (episode + 1, 0) if kind is StepType.LAST else (episode, step + 1)


def make_pictures(generator: np.random.Generator) -> NDArray[np.uint8]:
    """Smooth pictures with noise of one grey level, as a camera's, that compress neither well nor badly."""
    down, right = np.mgrid[:IMAGE_SIZE_PX, :IMAGE_SIZE_PX][..., np.newaxis] / IMAGE_SIZE_PX
    phase = generator.uniform(0.0, 2.0 * np.pi, (_IMAGES, 1, 1, 3))
    noise = generator.normal(size=(_IMAGES, IMAGE_SIZE_PX, IMAGE_SIZE_PX, 3))
    waves = 128.0 + 60.0 * np.sin(6.0 * down + phase) + 50.0 * np.cos(9.0 * right - phase)
    pictures: NDArray[np.uint8] = np.clip(waves + noise, 0.0, 255.0).astype(np.uint8)
    return pictures


def fill(replay: Replay, ring: RingName, rows: int, records: Iterator[StepRecord]) -> None:
    """Append `rows` time steps, with random features in place of an encoder's, which would take minutes."""
    numbers = np.array([replay.append(next(records), ring) for _ in range(rows)], np.int64)
    for cache in replay.features[ring].values():
        values = torch.rand(rows, *cache.shape, generator=torch.Generator().manual_seed(0))
        cache.put(numbers, values.half().numpy())
