"""Tiny training runs in an environment of fakes: seconds become milliseconds, everything else is the real thing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from robot_rl.agents.agent import AgentConfig, make_agent
from robot_rl.agents.rlpd import RlpdConfig
from robot_rl.data.replay import Replay, ReplayConfig
from robot_rl.data.store_writer import StoreWriter
from robot_rl.env.robot_env import RobotEnv
from robot_rl.runtime.acting.actor import run_episodes
from robot_rl.runtime.channels.channel import ActorChannel, LearnerChannel, make_local_channels
from robot_rl.runtime.config import EnvConfig, TeleopConfig, TrainConfig
from robot_rl.runtime.learning.batches import BatchMaker
from robot_rl.runtime.learning.learner import Learner
from robot_rl.runtime.stopping import stopping
from robot_rl.types import Button, Observation, StepRecord
from tests.fakes import Act, FakeCell, make_cell

STEP_LIMIT = 6
SUCCESS = frozenset({Button.SUCCESS})
PUSH = Act(0.1, 0.25, (0.6, -0.3, 0.2, 0.0, 0.0, 0.0))
"""A person takes over for a moment."""
FINISH = Act(0.3, 0.4, buttons=SUCCESS)
"""A person says in the fourth step that the task is solved."""
_PEOPLE: Mapping[str, list[Act] | None] = {"none": None, "expert": [PUSH, FINISH], "human": [PUSH]}


def make_agent_config(**values: Any) -> AgentConfig:
    """An agent whose updates take a millisecond."""
    tiny = AgentConfig(
        hidden=(16, 16), batch_size=16, utd=2, pretrain_updates=4, warmup_steps=4, rlpd=RlpdConfig(ensemble=2)
    )
    return replace(tiny, **values)


def make_train_config(**values: Any) -> TrainConfig:
    """A run of a few episodes."""
    tiny = TrainConfig(
        agent=make_agent_config(),
        replay=ReplayConfig(capacity=500, prior_capacity=100),
        teleop=TeleopConfig(kind="human"),
        steps=20,
        demonstrations=None if "demonstrations_from" in values else 2,
        publish_every_steps=3,
        checkpoint_every_steps=1000,
        evaluate_every_steps=0,
        evaluation_episodes=1,
        final_episodes=2,
        device="cpu",
    )
    return replace(tiny, **values)


def make_people_cell(kind: str = "human") -> FakeCell:
    """A fake environment with the person of that kind."""
    return make_cell(_PEOPLE[kind], step_limit=STEP_LIMIT, takeover_hold_s=0.05)


def make_fake_env(config: EnvConfig) -> RobotEnv:
    """Stands in for `assembly.make_env`."""
    return make_people_cell(config.teleop.kind).env


def use_fake_envs(monkeypatch: Any, make: Callable[[EnvConfig], RobotEnv] = make_fake_env) -> None:
    """Let every part of a run build its environments with `make`."""
    for module in ("learning.training", "learning.demonstrations", "commands.actor"):
        monkeypatch.setattr(f"robot_rl.runtime.{module}.make_env", make)
    monkeypatch.setattr("robot_rl.runtime.assembly.make_spec", lambda config: make(config).spec)


def make_learner(
    env: RobotEnv,
    channel: LearnerChannel,
    store: StoreWriter | None = None,
    config: AgentConfig | None = None,
    replay: ReplayConfig | None = None,
    publish_every_steps: int = 10,
    seed: int = 0,
) -> Learner:
    """A learner for a fake environment."""
    config = config or make_agent_config()
    memory = Replay(env.spec, replay or ReplayConfig(capacity=500, prior_capacity=100), config.stack)
    batches = BatchMaker(memory, config, config.rlpd.gamma, seed)
    agent = make_agent(config, env.spec, seed)
    return Learner(agent, config, memory, batches, channel, store, publish_every_steps)


class ConstantRunner:
    """Acts without a network; writes down which weights were loaded."""

    def __init__(self, size: int = 6) -> None:
        self.action = np.full(size, 0.25, np.float32)
        self.version = -1
        self.seeds: list[int | None] = []
        self.loaded: list[int] = []

    @property
    def acted_version(self) -> int:
        return self.version

    def reset(self, exploration_seed: int | None = None) -> None:
        self.seeds.append(exploration_seed)

    def forget_past(self) -> None:
        pass

    def invalidate(self) -> None:
        pass

    def close(self) -> None:
        pass

    def load(self, version: int, tensors: Mapping[str, Any]) -> None:
        self.loaded.append(version)
        self.version = version

    def __call__(self, observation: Observation) -> Any:
        return self.action


class SeededRunner(ConstantRunner):
    """Acts at random, as its episode's seed says."""

    def reset(self, exploration_seed: int | None = None) -> None:
        super().reset(exploration_seed)
        self._generator = np.random.default_rng(exploration_seed)

    def __call__(self, observation: Observation) -> Any:
        return self._generator.uniform(-1.0, 1.0, 6).astype(np.float32)


def act(
    env: RobotEnv,
    channel: ActorChannel,
    episodes: int,
    runner: Any = None,
    seed: int = 0,
    first_episode: int = 0,
    observers: Iterable[Any] = (),
    pace: Callable[[], None] = lambda: None,
    probe_every: int = 0,
) -> None:
    """Let the actor run some episodes."""
    left = iter(range(episodes))
    runner = runner or SeededRunner()
    is_finished = lambda: next(left, None) is None  # noqa: E731
    with stopping(env.robot):
        run_episodes(env, runner, channel, seed, first_episode, list(observers), pace, is_finished, probe_every)


def play_records(episodes: int, kind: str = "human", first_episode: int = 0, seed: int = 0) -> list[StepRecord]:
    """What an actor sends in some episodes with random actions."""
    env = make_people_cell(kind).env
    actor, learner = make_local_channels(env.spec)
    act(env, actor, episodes, seed=seed, first_episode=first_episode)
    return learner.drain()


def send(channel: ActorChannel, records: Iterable[StepRecord]) -> None:
    """Send records."""
    for record in records:
        channel.send(record)


def numbers(record: StepRecord) -> tuple[Any, ...]:
    """Everything about a record but its stamp and the version of the weights, to be compared exactly."""
    step = record.time_step
    return (
        record.episode,
        record.step,
        record.is_success,
        int(step.step_type),
        step.reward,
        step.discount,
        int(step.source),
        step.applied_action.tobytes(),
        *(value.tobytes() for value in step.observation.proprio.values()),
        *(value.tobytes() for value in step.observation.images.values()),
    )


def flatten(state: Any, where: str = "") -> dict[str, Any]:
    """A nested state as a flat one, whose tensors are bytes: two of them can be compared."""
    if isinstance(state, Mapping):
        return {k: v for key, item in state.items() for k, v in flatten(item, f"{where}/{key}").items()}
    if isinstance(state, list | tuple):
        return {k: v for index, item in enumerate(state) for k, v in flatten(item, f"{where}/{index}").items()}
    if isinstance(state, torch.Tensor):
        return {where: (state.dtype, tuple(state.shape), state.detach().cpu().numpy().tobytes())}
    return {where: state}


def differing(a: Any, b: Any) -> list[str]:
    """Names of the entries in which two states differ."""
    one, other = flatten(a), flatten(b)
    return sorted(name for name in one.keys() | other.keys() if one.get(name, "-") != other.get(name, "-"))
