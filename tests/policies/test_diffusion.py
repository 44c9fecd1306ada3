"""Diffusion and flow policies learn toys of two modes; what a chunk depends on, and what it does not."""

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from robot_rl.inference.plan import Plan
from robot_rl.inference.samplers import DDIM, Euler, Relay
from robot_rl.inference.schedule import ScheduleSpec
from robot_rl.policies.chunk_network import ChunkBatch
from robot_rl.policies.diffusion import DiffusionNetwork, DiffusionPolicy
from robot_rl.policies.networks.dit import DiT, DiTSpec
from robot_rl.policies.networks.unet import ConditionalUNet, UNetSpec
from robot_rl.policies.spec import BasePolicySpec
from robot_rl.types import Observation

torch.set_num_threads(1)

H, PAST = 4, 1
SPEC = BasePolicySpec((("place", 1),), action_size=2, observation_steps=2, horizon=H, past=PAST)
COSINE, VELOCITY = ScheduleSpec(levels=20), ScheduleSpec(levels=20, prediction="velocity")
SCHEDULES = {
    "cosine_epsilon": COSINE,
    "cosine_sample": ScheduleSpec(levels=20, prediction="sample"),
    "cosine_velocity": VELOCITY,
    "flow": ScheduleSpec(kind="flow", levels=20, prediction="flow"),
    "exponential": ScheduleSpec(
        kind="exponential", levels=20, prediction="sample", sigma_min=0.02, sigma_max=20.0, data_std=0.6
    ),
}


def make_dit(inputs, outputs, horizon, condition_size):
    return DiT(DiTSpec(inputs, outputs, horizon, condition_size, width=32, layers=1, heads=2))


def make_unet(inputs, outputs, horizon, condition_size):
    return ConditionalUNet(UNetSpec(inputs, outputs, horizon, condition_size, widths=(32,), step_size=16, kernel=3))


def draw_two_modes(rows, generator):
    """Left or right for the whole chunk, and a little to where the newest observation says."""
    places = 2.0 * torch.rand(rows, 2, 1, generator=generator) - 1.0
    sides = torch.randint(0, 2, (rows, 1), generator=generator) * 2.0 - 1.0
    return places, centres(places[:, 1], sides)


def centres(place_B1, side):
    """Where the actions (B, H, A) of a side are."""
    first = 0.5 * side + 0.3 * place_B1 + torch.zeros(1, H)
    second = 0.5 * side - 0.3 * place_B1 + torch.linspace(-0.1, 0.1, H)
    return torch.stack([first, second], dim=-1)


def train(network, steps, draw=draw_two_modes, rate=1e-2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    places, actions = draw(1000, generator)
    network.fit_inputs(places[:, 1].numpy(), actions.flatten(0, 1).numpy())
    optimiser = torch.optim.AdamW(network.parameters(), rate, fused=True)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    for _ in range(steps):
        places, actions = draw(128, generator)
        loss = network.loss(ChunkBatch(places, {}, actions), generator)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        plan.step()
    return network


def make_network(schedule=COSINE, make=make_dit, spec=SPEC, **more):
    torch.manual_seed(0)
    return DiffusionNetwork(spec, schedule, make, **more)


@functools.cache
def train_once(make, schedule):
    return train(make_network(schedule, make), 100 if schedule.kind == "exponential" else 150)


def noise(rows, seed=1, horizon=H, size=2):
    return torch.randn(rows, horizon, size, generator=torch.Generator().manual_seed(seed))


def to_chunk(policy, actions_NHA):
    """The inverse of `to_actions`."""
    return policy._trained.normaliser.normalise(torch.from_numpy(actions_NHA))


def see(policy, places_BT):
    """Features (B, T, F) of places."""
    places = torch.as_tensor(places_BT, dtype=torch.float32)
    return policy.encode_proprio(places.reshape(-1, 1)).reshape(*places.shape, -1)


def make_policy(make=make_dit):
    return DiffusionPolicy(train_once(make, VELOCITY), DDIM(10))


POLICIES = pytest.mark.parametrize("make", [make_dit, make_unet])


# ------------------------------------------------------------------------------------ learning


@pytest.mark.parametrize(
    ("make", "name"),
    [(make_dit, name) for name in SCHEDULES] + [(make_unet, name) for name in ("cosine_velocity", "exponential")],
)
def test_samples_land_at_the_two_modes_of_the_data(make, name):
    policy = DiffusionPolicy(train_once(make, SCHEDULES[name]), DDIM(10))
    places = torch.linspace(-0.8, 0.8, 64)
    frames = see(policy, torch.stack([torch.zeros(64), places], dim=1))
    actions = torch.from_numpy(policy.to_actions(policy.plan(frames, noise(64)).chunk))
    distances = torch.stack([(actions - centres(places[:, None], side)).abs().amax((1, 2)) for side in (-1.0, 1.0)])
    nearest, side = distances.min(0)
    assert float(nearest.quantile(0.75)) < 0.35, "the modes are 1.0 apart"
    assert float(nearest.median()) < 0.2
    assert 0.2 < float(side.float().mean()) < 0.8


def test_a_policy_that_learned_to_continue_actions_stays_on_their_side():
    network = make_network(SCHEDULES["flow"], max_prefix=2)
    assert network.network.inputs == 3, "actions, and whether they are given"
    policy = DiffusionPolicy(train(network, 150), Euler(10))
    frames = see(policy, torch.tensor([[0.2, 0.2]]))
    free = torch.from_numpy(policy.to_actions(policy.plan(frames, noise(40)).chunk))
    assert 0.2 < float((free.mean((1, 2)) > 0.0).float().mean()) < 0.8, "both sides, as long as nothing is given"
    for side in (-1.0, 1.0):
        given = to_chunk(policy, centres(torch.full((40, 1), 0.2), side).numpy())
        for committed in (PAST + 1, PAST + 2):
            hidden = torch.cat([given[:, :committed], torch.zeros(40, H - committed, 2)], dim=1)
            chunk = policy.plan(frames, noise(40), Plan(hidden, noise(40, 2)), committed).chunk
            assert torch.equal(chunk[:, :committed], given[:, :committed])
            errors = (policy.to_actions(chunk) - policy.to_actions(given))[:, committed:]
            assert np.median(np.abs(errors)) < 0.15
            assert np.mean(np.abs(errors) < 0.4) > 0.9


# ------------------------------------------------------------------------------------ what a chunk depends on


@POLICIES
def test_the_same_noise_leads_to_the_same_chunk_and_another_to_another(make):
    policy = make_policy(make)
    frames = see(policy, [[0.1, 0.4]])
    first = policy.plan(frames, noise(3))
    assert torch.equal(first.chunk, policy.plan(frames, noise(3)).chunk)
    assert torch.equal(first.noise, noise(3))
    assert (first.chunk - policy.plan(frames, noise(3, seed=2)).chunk).abs().max() > 0.1


@POLICIES
def test_several_noises_under_one_condition_are_so_many_single_plans(make):
    policy = make_policy(make)
    frames, draws = see(policy, [[-0.3, 0.6]]), noise(5)
    together = policy.plan(frames, draws).chunk
    alone = torch.cat([policy.plan(frames, draw[None]).chunk for draw in draws])
    torch.testing.assert_close(together, alone, rtol=0.0, atol=1e-5)
    several = torch.cat([frames, see(policy, [[0.0, 0.9], [0.5, 0.1], [0.0, 0.0], [1.0, 0.6]])])
    each = policy.plan(several, draws).chunk
    torch.testing.assert_close(each[:1], alone[:1], rtol=0.0, atol=1e-5)
    assert (each[1:] - alone[1:]).abs().amax((1, 2)).min() > 1e-3


@POLICIES
def test_what_is_seen_moves_the_chunk_as_in_the_data(make):
    policy = make_policy(make)
    left, right = (
        torch.from_numpy(policy.to_actions(policy.plan(see(policy, [[0.0, place]]), noise(40)).chunk))
        for place in (-0.8, 0.8)
    )
    moved = (right - left).median(0).values.mean(0)
    assert moved.tolist() == pytest.approx([0.48, -0.48], abs=0.2)


def test_the_previous_plan_matters_to_a_warm_start_alone():
    cold, warm = make_policy(), DiffusionPolicy(train_once(make_dit, VELOCITY), Relay(0.3, 2))
    frames, draws = see(cold, [[0.0, 0.0]]), noise(4)
    sides = [Plan(to_chunk(cold, centres(torch.zeros(4, 1), side).numpy()), noise(4, 3)) for side in (-1.0, 1.0)]
    assert torch.equal(cold.plan(frames, draws).chunk, cold.plan(frames, draws, sides[0]).chunk)
    left, right = (warm.to_actions(warm.plan(frames, draws, side).chunk).mean((1, 2)) for side in sides)
    assert (left < -0.3).all()
    assert (right > 0.3).all()


@pytest.mark.parametrize("sampler", [DDIM(5), Euler(5), Relay(0.3, 2)], ids=["ddim", "euler", "relay"])
@pytest.mark.parametrize("committed", [1, 3])
@POLICIES
def test_committed_actions_are_kept_bit_for_bit(make, sampler, committed):
    policy = DiffusionPolicy(train_once(make, VELOCITY), sampler)
    previous = Plan(0.3 * noise(2, 5).clamp(-3.0, 3.0), noise(2, 6))
    frames = see(policy, [[0.0, 0.5]])
    for estimate in policy.think(frames, noise(2), previous, committed):
        assert torch.equal(estimate.chunk[:, :committed], previous.chunk[:, :committed])
        assert not torch.isclose(estimate.chunk[:, committed:], previous.chunk[:, committed:]).all()


def test_nothing_is_committed_without_a_plan():
    policy = make_policy()
    frames = see(policy, [[0.0, 0.5]])
    assert torch.equal(policy.plan(frames, noise(2), None, 2).chunk, policy.plan(frames, noise(2)).chunk)


def test_a_plan_is_the_last_estimate_at_stamp_0_with_the_version_of_the_weights():
    policy = DiffusionPolicy(train_once(make_dit, VELOCITY), DDIM(4), version=7)
    frames = see(policy, [[0.0, 0.5]])
    estimates = list(policy.think(frames, noise(2)))
    plan = policy.plan(frames, noise(2))
    assert len(estimates) == 4
    assert torch.equal(plan.chunk, estimates[-1].chunk)
    assert not torch.equal(plan.chunk, estimates[0].chunk)
    assert (plan.stamp_ns, plan.period_ns, plan.version) == (0, 1, 7)
    assert (policy.shape, policy.now) == ((H, 2), PAST)


def test_a_sampler_is_told_which_actions_have_two_values():
    spec = replace(SPEC, discrete=(1,))
    policy = DiffusionPolicy(make_network(spec=spec), DDIM(2))
    problem = policy.to_problem(see(policy, [[0.0, 0.5]]), noise(1), None, 0)
    assert problem.discrete.tolist() == [False, True]
    assert make_policy().to_problem(see(policy, [[0.0, 0.5]]), noise(1), None, 0).discrete is None


# ------------------------------------------------------------------------------------ the loss


class Rambling(nn.Module):
    """Knows the noise that it was asked for nowhere, and shouts where the actions are given."""

    def __init__(self, inputs, outputs, horizon, condition_size):
        super().__init__()
        self.loudness, self.outputs, self.seen = 0.0, outputs, []

    def forward(self, inputs_BHI, levels_B, condition_BC):
        self.seen.append(inputs_BHI)
        return self.loudness * inputs_BHI[..., -1:].expand(-1, -1, self.outputs)


def lose(network, rows=4000):
    generator = torch.Generator().manual_seed(3)
    places, actions = draw_two_modes(rows, generator)
    return network.loss(ChunkBatch(places, {}, actions), generator), actions


def test_given_positions_are_seen_without_noise_and_judged_nowhere():
    network = make_network(COSINE, Rambling, replace(SPEC, horizon=4), max_prefix=2)
    silent, actions = lose(network)
    network.network.loudness = 1e6
    loud, _ = lose(network)
    assert float(silent) == float(loud) == pytest.approx(1.0, abs=0.05), "the noise has unit variance"
    inputs = network.network.seen[0]
    is_given = inputs[..., -1] == 1.0
    assert torch.equal(inputs[..., :2][is_given], network.normaliser.normalise(actions)[is_given])
    assert not torch.isclose(inputs[..., :2][~is_given], actions[~is_given]).any(1).all()


def test_short_prefixes_are_frequent_and_the_past_goes_with_them():
    network = make_network(COSINE, Rambling, max_prefix=2)
    lose(network)
    is_given = network.network.seen[0][..., -1]
    lengths = is_given.sum(1).long()
    assert torch.equal(is_given, (torch.arange(H) < lengths[:, None]).float()), "a beginning, without gaps"
    weights = np.exp([0.0, -1.0, -2.0])
    expected = [weights[0], 0.0, *weights[1:], 0.0] / weights.sum()
    shares = torch.bincount(lengths, minlength=H + 1) / len(lengths)
    assert shares.tolist() == pytest.approx(expected, abs=0.03)
    assert shares[[1, H]].tolist() == [0.0, 0.0]


def test_without_a_prefix_the_network_sees_actions_alone():
    network = make_network(COSINE, Rambling)
    lose(network)
    assert network.network.seen[0].shape[-1] == 2


# ------------------------------------------------------------------------------------ inputs and outputs


def test_chunks_and_actions_are_each_others_inverse_and_actions_are_clipped():
    policy = make_policy()
    actions = np.random.default_rng(0).uniform(-0.8, 0.8, (3, H, 2)).astype(np.float32)
    chunk = to_chunk(policy, actions)
    assert policy.to_actions(chunk) == pytest.approx(actions, abs=1e-6)
    assert (chunk - torch.from_numpy(actions)).abs().max() > 0.05, "normalised"
    wild = policy.to_actions(torch.tensor([[[5.0, -5.0]]]))
    assert wild.tolist() == [[[1.0, -1.0]]]
    assert wild.dtype == np.float32


def test_parts_of_an_observation_are_taken_in_the_order_of_the_spec():
    spec = BasePolicySpec((("b", 2), ("a", 1)), action_size=2, horizon=H)
    policy = DiffusionPolicy(make_network(spec=spec), DDIM(2))
    parts = {"a": np.array([7.0], np.float32), "other": np.zeros(4, np.float32), "b": np.array([1.0, 2.0], np.float32)}
    encoded = policy.encode(Observation(parts, {}, 0))
    assert torch.equal(encoded, policy.encode_proprio(torch.tensor([[1.0, 2.0, 7.0]])))
    assert encoded.shape == (1, 6)


class Glance(nn.Module):
    """The mean colour of two cameras, and proprioception."""

    latent_size = 8

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, self.latent_size)

    def forward(self, proprio_BF, visual):
        means = [visual[name].float().mean((1, 2)) / 255.0 for name in ("wrist", "side")]
        return self.linear(torch.cat([*means, proprio_BF], dim=-1))


def test_a_policy_with_an_encoder_sees_images():
    spec = replace(SPEC, cameras=("wrist", "side"), image_size_px=4)
    network = make_network(spec=spec, encoder=Glance())
    assert (network.frame_size, network.condition_size) == (8, 16)
    generator = torch.Generator().manual_seed(0)
    images = {
        name: torch.randint(0, 256, (6, 2, 4, 4, 3), dtype=torch.uint8, generator=generator) for name in spec.cameras
    }
    places, actions = draw_two_modes(6, generator)
    batch = ChunkBatch(places, images, actions)
    network.network.modulation.weight.data.normal_(0.0, 0.1)  # its gates begin shut
    network.network.head.weight.data.normal_(0.0, 0.1)
    network.loss(batch, generator).backward()
    assert network.encoder.linear.weight.grad.abs().min(0).values.max() > 0.0, "it is trained, too"

    policy = DiffusionPolicy(network, DDIM(3))
    frames = [
        policy.encode(
            Observation({"place": places[2, step].numpy()}, {name: images[name][2, step].numpy() for name in images}, 0)
        )
        for step in range(2)
    ]
    together = network.encode_batch(batch)[2:3]
    torch.testing.assert_close(torch.cat(frames, dim=1), together, rtol=0.0, atol=1e-6)
    dark = Observation({"place": places[2, 1].numpy()}, {name: np.zeros((4, 4, 3), np.uint8) for name in images}, 0)
    blind = [frames[0], policy.encode(dark)]
    chunks = [policy.plan(torch.stack(each, dim=1), noise(1)).chunk for each in (frames, blind)]
    assert (chunks[0] - chunks[1]).abs().max() > 1e-3


def test_a_frozen_policy_has_no_gradients():
    network = make_network(encoder=None)
    policy = DiffusionPolicy(network, DDIM(2))
    frames = see(policy, [[0.0, 0.5]])
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not any(module.training for module in network.modules())
    assert not frames.requires_grad
    assert not policy.plan(frames, noise(1)).chunk.requires_grad
