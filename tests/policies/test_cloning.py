"""Cloning policies learn a toy, and with a Gaussian its spread."""

import functools

import numpy as np
import pytest
import torch

from robot_rl.inference.plan import Plan
from robot_rl.policies.chunk_network import ChunkBatch
from robot_rl.policies.cloning import MAX_LOG_STD, MIN_LOG_STD, CloningNetwork, CloningPolicy
from robot_rl.policies.networks.mlp import ChunkMLP, ChunkMLPSpec
from robot_rl.policies.networks.transformer import ChunkTransformer, ChunkTransformerSpec
from robot_rl.policies.spec import BasePolicySpec

torch.set_num_threads(1)

H = 4
SPEC = BasePolicySpec((("place", 1),), action_size=2, observation_steps=2, horizon=H, past=1)


def make_mlp(condition_size, outputs, horizon):
    return ChunkMLP(ChunkMLPSpec(outputs, horizon, condition_size, (32,)))


def make_transformer(condition_size, outputs, horizon):
    return ChunkTransformer(ChunkTransformerSpec(outputs, horizon, condition_size, 2, width=16, layers=1, heads=2))


NETWORKS = pytest.mark.parametrize("make", [make_mlp, make_transformer])


def mean_actions(places_BT1):
    """Where it goes, (B, H, A): on from where it is, and to where it came from."""
    before, now = places_BT1.unbind(1)
    return torch.stack([0.8 * now * torch.linspace(0.25, 1.0, H), 0.6 * before + torch.zeros(H)], dim=-1)


def spread(places_BT1):
    """Standard deviation of the actions (B, 1, 1): the farther to the right, the wider."""
    return 0.08 + 0.06 * places_BT1[:, 1:]


@functools.cache
def train_once(make, is_gaussian, noisy=False):
    torch.manual_seed(0)
    network = CloningNetwork(SPEC, make, is_gaussian=is_gaussian)
    generator = torch.Generator().manual_seed(0)

    def draw(rows):
        places = 2.0 * torch.rand(rows, 2, 1, generator=generator) - 1.0
        noise = torch.randn(rows, H, 2, generator=generator) * (spread(places) if noisy else 0.0)
        return places, mean_actions(places) + noise

    places, actions = draw(1000)
    network.fit_inputs(places[:, 1].numpy(), actions.flatten(0, 1).numpy())
    optimiser = torch.optim.AdamW(network.parameters(), 1e-2, fused=True)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=200)
    for _ in range(200):
        places, actions = draw(192)
        loss = network.loss(ChunkBatch(places, {}, actions), generator)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        plan.step()
    return network


def noise(rows, seed=1):
    return torch.randn(rows, H, 2, generator=torch.Generator().manual_seed(seed))


def see(policy, places_BT1):
    return policy.encode_proprio(places_BT1.flatten(0, 1)).reshape(*places_BT1.shape[:2], -1)


def draw_places(rows):
    return 1.6 * torch.rand(rows, 2, 1, generator=torch.Generator().manual_seed(5)) - 0.8


@NETWORKS
def test_the_toy_is_learned(make):
    policy = CloningPolicy(train_once(make, False))
    places = draw_places(50)
    actions = policy.to_actions(policy.plan(see(policy, places), noise(50)).chunk)
    assert np.abs(actions - mean_actions(places).numpy()).mean() < 0.05


@NETWORKS
def test_without_a_gaussian_the_noise_moves_nothing(make):
    policy = CloningPolicy(train_once(make, False))
    frames = see(policy, draw_places(1))
    plan = policy.plan(frames, noise(5))
    assert plan.chunk.shape == (5, H, 2)
    assert torch.equal(plan.noise, noise(5))
    assert torch.equal(plan.chunk, policy.plan(frames, noise(5, 2)).chunk)
    assert torch.equal(plan.chunk[0], plan.chunk[4])
    assert not torch.equal(plan.chunk[:1], policy.plan(see(policy, -draw_places(1)), noise(1)).chunk)


@NETWORKS
@pytest.mark.parametrize("place", [-0.7, 0.0, 0.7])
def test_a_gaussian_learns_where_the_data_spreads_and_how_far(make, place):
    policy = CloningPolicy(train_once(make, True, noisy=True))
    places = torch.tensor([[[0.2], [place]]])
    actions = policy.to_actions(policy.plan(see(policy, places), noise(400)).chunk)
    assert np.abs(actions.mean(0) - mean_actions(places)[0].numpy()).mean() < 0.05
    assert actions.std(0).mean() == pytest.approx(float(spread(places)), abs=0.02)


def test_the_spread_stays_within_its_limits():
    network = train_once(make_mlp, True)  # the data has none
    with torch.no_grad():
        _, learned = network.predict(torch.randn(20, network.condition_size))
        network_of_nothing = CloningNetwork(SPEC, make_mlp, is_gaussian=True)
        _, wild = network_of_nothing.predict(1e6 * torch.randn(20, network.condition_size))
    lowest, highest = np.exp([MIN_LOG_STD, MAX_LOG_STD])
    assert learned.median() < 3.0 * lowest
    for std in (learned, wild):
        assert float(std.min()) >= lowest * 0.999
        assert float(std.max()) <= highest * 1.001


def test_samples_stay_where_normalised_actions_lie():
    policy = CloningPolicy(train_once(make_mlp, True, noisy=True))
    assert policy.plan(see(policy, draw_places(1)), 100.0 * noise(4)).chunk.abs().max() == 1.0


@pytest.mark.parametrize("is_gaussian", [False, True])
def test_committed_actions_are_kept_and_nothing_else_is(is_gaussian):
    policy = CloningPolicy(train_once(make_mlp, is_gaussian))
    frames, previous = see(policy, draw_places(1)), Plan(0.3 * noise(3, 4), noise(3, 5))
    free = policy.plan(frames, noise(3)).chunk
    bound = policy.plan(frames, noise(3), previous, 2).chunk
    assert torch.equal(bound[:, :2], previous.chunk[:, :2])
    assert torch.equal(bound[:, 2:], free[:, 2:])
    assert torch.equal(policy.plan(frames, noise(3), previous).chunk, free)
    assert torch.equal(policy.plan(frames, noise(3), None, 2).chunk, free)


def test_there_is_one_estimate():
    policy = CloningPolicy(train_once(make_mlp, False), version=3)
    frames = see(policy, draw_places(1))
    (estimate,) = policy.think(frames, noise(1))
    plan = policy.plan(frames, noise(1))
    assert torch.equal(estimate.chunk, plan.chunk)
    assert plan.version == 3


def test_a_frozen_policy_has_no_gradients():
    network = train_once(make_mlp, False)
    policy = CloningPolicy(network)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not policy.plan(see(policy, draw_places(1)), noise(1)).chunk.requires_grad
