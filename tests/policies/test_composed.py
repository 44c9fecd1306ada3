"""Two policies as one: the ends of the scale are the policies themselves, and both must mean the same by a chunk."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from robot_rl.errors import ConfigError
from robot_rl.inference.samplers.ddim import DDIM
from robot_rl.inference.schedule import ScheduleSpec
from robot_rl.policies.composed import ComposedPolicy
from robot_rl.policies.diffusion import DiffusionNetwork, DiffusionPolicy
from robot_rl.policies.networks.dit import DiT, DiTSpec
from robot_rl.policies.networks.residual_mlp import ResidualMLP, ResidualMLPSpec
from robot_rl.policies.spec import BasePolicySpec
from robot_rl.types import Observation

SPEC = BasePolicySpec((("place", 3),), action_size=2, observation_steps=2, horizon=4, past=1)
COSINE, VELOCITY = ScheduleSpec(levels=20), ScheduleSpec(levels=20, prediction="velocity")
ACTIONS = np.array([[-1.0, 0.2], [0.6, 0.4]], np.float32)


def make_dit(inputs, outputs, horizon, condition_size):
    return DiT(DiTSpec(inputs, outputs, horizon, condition_size, width=16, layers=1, heads=2))


def make_mlp(inputs, outputs, horizon, condition_size):
    return ResidualMLP(ResidualMLPSpec(inputs, outputs, horizon, condition_size, width=16, layers=1))


def make_network(seed, schedule=COSINE, make=make_dit, spec=SPEC, actions=ACTIONS, **more):
    """Random weights; each seed has seen other places."""
    torch.manual_seed(seed)
    network = DiffusionNetwork(spec, schedule, make, **more)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    places = np.random.default_rng(seed).normal(seed, 1.0 + seed, (50, spec.proprio_size)).astype(np.float32)
    network.fit_inputs(places, actions)
    return network


def plan(policy, observations=None):
    generator = torch.Generator().manual_seed(5)
    observations = observations or [Observation({"place": np.full(3, x, np.float32)}, {}, 0) for x in (0.1, 0.3)]
    frames = torch.stack([policy.encode(each) for each in observations], dim=1)
    return policy.plan(frames, torch.randn(3, 4, 2, generator=generator)).chunk


@pytest.mark.parametrize("second", [make_network(1), make_network(1, VELOCITY, make_mlp)])
def test_the_ends_are_the_policies_themselves_bit_for_bit(second):
    first, sampler = make_network(0), DDIM(5)
    plans = [plan(ComposedPolicy(first, second, weight, sampler)) for weight in (0.0, 0.5, 1.0)]
    assert torch.equal(plans[0], plan(DiffusionPolicy(first, sampler)))
    assert torch.equal(plans[2], plan(DiffusionPolicy(second, sampler)))
    assert not torch.equal(plans[0], plans[2])
    assert not torch.equal(plans[1], plans[0])
    assert not torch.equal(plans[1], plans[2])


def test_an_evaluation_lies_where_the_weight_says():
    first, second = make_network(0), make_network(1)
    ours, theirs = (plan(DiffusionPolicy(each, _Unclipped())) for each in (first, second))
    both = plan(ComposedPolicy(first, second, 0.25, _Unclipped()))
    assert torch.allclose(both, 0.75 * ours + 0.25 * theirs, rtol=1e-5, atol=1e-5)


class _Unclipped(DDIM):
    """The network's own estimate from noise."""

    def __call__(self, problem):
        chunk = problem.denoiser(problem.noise, 10, problem.prepared, 0)
        yield next(iter(super().__call__(problem)))._replace(chunk=chunk)


def test_the_same_from_many_time_steps_at_once():
    policy = ComposedPolicy(make_network(0), make_network(1), 0.5, DDIM(2))
    one = policy.encode(Observation({"place": np.array([0.1, 0.2, 0.3], np.float32)}, {}, 0))
    assert torch.equal(policy.encode_proprio(torch.tensor([[0.1, 0.2, 0.3]])), one)


class Brightness(nn.Module):
    """Sees how bright a camera's image is, and nothing else."""

    latent_size = 1

    def __init__(self, camera):
        super().__init__()
        self.camera = camera

    def forward(self, proprio_BF, visual):
        del proprio_BF
        return visual[self.camera].float().mean((1, 2, 3))[:, None] / 255.0


def test_each_looks_at_its_own_cameras():
    wrist, side = (
        make_network(seed, spec=replace(SPEC, cameras=(name,), image_size_px=8), encoder=Brightness(name))
        for seed, name in enumerate(("wrist", "side"))
    )
    policy = ComposedPolicy(wrist, side, 0.5, DDIM(2))
    assert policy.spec.cameras == ("wrist", "side")
    assert ComposedPolicy(make_network(2), side, 0.5, DDIM(2)).spec.image_size_px == 8

    def see(wrist_value, side_value):
        images = {"wrist": wrist_value, "side": side_value}
        images = {name: np.full((8, 8, 3), value, np.uint8) for name, value in images.items()}
        return plan(policy, [Observation({"place": np.zeros(3, np.float32)}, images, 0)] * 2)

    assert not torch.equal(see(0, 0), see(255, 0))
    assert not torch.equal(see(0, 0), see(0, 255))
    other = make_network(1, spec=replace(SPEC, cameras=("side",), image_size_px=16), encoder=Brightness("side"))
    with pytest.raises(ConfigError, match="image_size_px=8 of the one is 16 of the other"):
        ComposedPolicy(wrist, other, 0.5, DDIM(2))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"spec": replace(SPEC, proprio=(("place", 2),))}, r"^proprio=\(\('place', 3\),\) of the one is"),
        ({"spec": replace(SPEC, action_size=3), "actions": np.eye(3, dtype=np.float32)}, "^action_size=2"),
        ({"spec": replace(SPEC, discrete=(1,))}, "^discrete="),
        ({"spec": replace(SPEC, rates=(0, 1))}, "^rates="),
        ({"spec": replace(SPEC, rate_hz=20.0)}, "^rate_hz=10.0 of the one is 20.0"),
        ({"spec": replace(SPEC, observation_steps=1)}, "^observation_steps=2"),
        ({"spec": replace(SPEC, horizon=5)}, "^horizon=4"),
        ({"spec": replace(SPEC, past=0)}, "^past=1"),
        ({"schedule": replace(COSINE, kind="linear")}, "noise schedule.*cosine with 20 levels and linear with 20"),
        ({"schedule": replace(COSINE, levels=21)}, "20 levels and cosine with 21"),
        ({"schedule": replace(COSINE, clip=2.0)}, "^schedule.clip=1.0 of the one is 2.0"),
        ({"max_prefix": 2}, "max_prefix"),
        ({"actions": ACTIONS + np.array([0.0, 0.1], np.float32)}, "^the normaliser of action 1 spans"),
        ({"actions": ACTIONS * 1.2}, "^the normaliser of action 1 spans 0.195 to 0.405 in the one and 0.234 to 0.486"),
    ],
)
def test_what_does_not_mean_the_same_is_refused_with_the_field(other, message):
    with pytest.raises(ConfigError, match=message) as raised:
        ComposedPolicy(make_network(0), make_network(1, **other), 0.5, DDIM(2))
    assert "\n" not in str(raised.value)


def test_other_episodes_held_out_do_not_matter():
    """A range of 1.6 that begins 0.03 later: 0.037 of what is normalised, less than the margin of 0.05."""
    other = make_network(1, actions=ACTIONS + np.array([[0.03, 0.0], [0.0, 0.0]], np.float32))
    assert plan(ComposedPolicy(make_network(0), other, 0.5, DDIM(2))).isfinite().all()


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_a_weight_is_a_share(weight):
    with pytest.raises(ConfigError, match="from 0 to 1"):
        ComposedPolicy(make_network(0), make_network(1), weight, DDIM(2))
