"""HG-DAgger as `agent=hg_dagger` configures it: people are imitated wherever they showed what to do, nobody else is."""

import numpy as np
import pytest
import torch

from robot_rl import config as configuration
from robot_rl.agents.agent import make_agent
from robot_rl.data.replay import Replay
from robot_rl.runtime.acting.policy_runner import PolicyRunner
from robot_rl.runtime.config import TrainConfig
from robot_rl.runtime.learning.batches import BatchMaker
from robot_rl.specs import ArraySpec, EnvironmentSpec, ObservationSpec
from robot_rl.types import Observation, Source, StepRecord, restart, running, truncation

SPEC = EnvironmentSpec(ObservationSpec({"here": ArraySpec("here", (1,), np.float32)}, {}), 6, 100, 10.0)
LENGTH = 20


def observe(value):
    return Observation({"here": np.array([value], np.float32)}, {}, 0)


def show(replay, generator, low, high, source, wanted, ring, episode):
    """An episode of places drawn from a range, at each of which `source` did what `wanted` says."""
    places = generator.uniform(low, high, LENGTH + 1).astype(np.float32)
    replay.append(StepRecord(restart(observe(places[0]), 6), episode, 0), ring)
    for step in range(1, LENGTH + 1):
        build = truncation if step == LENGTH else running
        action = np.full(6, wanted(places[step - 1]), np.float32)
        replay.append(StepRecord(build(observe(places[step]), 0.0, action, source), episode, step), ring)


def learn(agent_name):
    """Demonstrations left of zero, interventions right of it, and a policy that does the contrary everywhere."""
    torch.set_num_threads(1)
    words = [f"agent={agent_name}", "agent.hidden=[32,32]", "agent.batch_size=64", "agent.rlpd.learning_rate=0.003"]
    config = configuration.load(TrainConfig, "train", words)
    replay, generator = Replay(SPEC, config.replay), np.random.default_rng(0)
    for episode in range(5):
        show(replay, generator, -1.0, 0.0, Source.DEMO, lambda x: 0.5 * x, "demonstration", episode)
        show(replay, generator, 0.0, 1.0, Source.HUMAN, lambda x: -0.5 * x, "online", episode)
        show(replay, generator, -1.0, 1.0, Source.POLICY, lambda x: 0.9, "online", 100 + episode)
    agent = make_agent(config.agent, SPEC, seed=0)
    batches = BatchMaker(replay, config.agent, config.agent.rlpd.gamma, seed=0)
    for _ in range(600):
        agent.pretrain(batches.draw())
    return PolicyRunner(agent.average_policy, 1)


@pytest.mark.parametrize("place", [-0.8, -0.4, 0.4, 0.8])
def test_both_demonstrations_and_interventions_are_followed(place, runners):
    assert runners["hg_dagger"](observe(place)) == pytest.approx(np.full(6, -0.5 * abs(place)), abs=0.08)


def test_cloning_knows_the_demonstrations_only(runners):
    assert runners["bc"](observe(-0.6)) == pytest.approx(np.full(6, -0.3), abs=0.08)
    assert np.abs(runners["bc"](observe(0.9)) - -0.45).max() > 0.2


@pytest.fixture(scope="module")
def runners():
    return {name: learn(name) for name in ("bc", "hg_dagger")}
