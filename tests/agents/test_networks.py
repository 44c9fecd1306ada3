"""The ensemble against its members one by one, and the squashed Gaussian against torch's own distributions.

Pinned from a peer, whose critics shared their last layer: members share nothing.
"""

import math

import pytest
import torch
from torch.nn import functional as F

from robot_rl.agents.networks import LOG_STD_MAX, LOG_STD_MIN, Actor, CriticEnsemble, squash

MEMBERS, LATENT, ACTION, B = 3, 5, 2, 8


def make_critic(seed=0):
    torch.manual_seed(seed)
    return CriticEnsemble(MEMBERS, LATENT + ACTION, (16, 16))


def make_inputs(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(B, LATENT, generator=generator), torch.rand(B, ACTION, generator=generator) * 2 - 1


def test_the_gradient_of_a_member_reaches_nothing_of_the_others():
    critic = make_critic()
    critic(*make_inputs())[1].sum().backward()
    assert len(list(critic.parameters())) == 2 * 5  # three linear layers, two norms
    for name, parameter in critic.named_parameters():
        assert parameter.shape[0] == MEMBERS, name
        assert parameter.grad[1].abs().sum() > 0, name
        assert parameter.grad[[0, 2]].abs().sum() == 0, name


def test_changing_all_parameters_of_a_member_changes_that_member_only():
    critic = make_critic()
    before = critic(*make_inputs())
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter[1] += 0.3
    after = critic(*make_inputs())
    assert torch.equal(after[[0, 2]], before[[0, 2]])
    assert (after[1] - before[1]).abs().min() > 1e-3


def test_without_layer_norm_a_member_is_linear_tanh_twice_and_then_linear():
    torch.manual_seed(0)
    critic = CriticEnsemble(MEMBERS, LATENT + ACTION, (16, 16), has_layer_norm=False)
    latent, action = make_inputs()
    assert {name.split(".")[0] for name, _ in critic.named_parameters()} == {"layers", "head"}
    for member in range(MEMBERS):
        x = torch.cat([latent, action], dim=1)
        for layer in critic.layers:
            x = torch.tanh(F.linear(x, layer.weight[member].T, layer.bias[member, 0]))
        alone = F.linear(x, critic.head.weight[member].T, critic.head.bias[member, 0])[:, 0]
        torch.testing.assert_close(critic(latent, action)[member], alone)
    some = torch.tensor([2, 0])
    torch.testing.assert_close(critic(latent, action, some), critic(latent, action)[some])


def test_every_member_begins_elsewhere_in_every_layer_the_last_one_included():
    critic = make_critic()
    for layer in [*critic.layers, critic.head]:
        weight = layer.weight.detach()
        for a, b in ((0, 1), (0, 2), (1, 2)):
            assert (weight[a] == weight[b]).sum() == 0
            assert abs(float(torch.corrcoef(torch.stack([weight[a].flatten(), weight[b].flatten()]))[0, 1])) < 0.7
        bound = math.sqrt(6 / (weight.shape[1] + weight.shape[2]))  # Glorot, of one member's inputs and outputs
        assert 0.7 * bound < weight.abs().max() <= bound


def test_a_member_is_linear_norm_tanh_twice_and_then_linear():
    critic = make_critic()
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter += 0.1 * torch.randn_like(parameter)  # norms and biases that do something
    latent, action = make_inputs()
    for member in range(MEMBERS):
        x = torch.cat([latent, action], dim=1)
        for layer, norm in zip(critic.layers, critic.norms, strict=True):
            x = F.linear(x, layer.weight[member].T, layer.bias[member, 0])
            x = torch.tanh(F.layer_norm(x, (16,), norm.weight[member, 0], norm.bias[member, 0]))
        alone = F.linear(x, critic.head.weight[member].T, critic.head.bias[member, 0])[:, 0]
        torch.testing.assert_close(critic(latent, action)[member], alone)


def test_chosen_members_answer_in_the_order_in_which_they_were_asked():
    critic = make_critic()
    together = critic(*make_inputs())
    assert together.shape == (MEMBERS, B)
    torch.testing.assert_close(critic(*make_inputs(), torch.tensor([2, 0])), together[[2, 0]])
    assert (together[0] - together[2]).abs().min() > 1e-4


def test_the_log_probability_is_that_of_the_squashed_gaussian():
    actor = Actor(LATENT, ACTION, (16,)).double()
    generator = torch.Generator().manual_seed(0)
    latent, noise = (torch.randn(B, size, generator=generator, dtype=torch.float64) for size in (LATENT, ACTION))
    with torch.no_grad():
        action, log_probability = actor.sample(latent, noise)
        mean, std = actor(latent)
    normal = torch.distributions.Normal(mean, std)
    squashed = torch.distributions.TransformedDistribution(normal, torch.distributions.TanhTransform())
    torch.testing.assert_close(action, torch.tanh(mean + std * noise))
    torch.testing.assert_close(log_probability, squashed.log_prob(action).sum(-1), rtol=1e-6, atol=1e-6)


def test_far_out_the_log_probability_keeps_its_digits_where_the_tanh_is_flat():
    mean = torch.tensor([[15.0], [-15.0], [30.0]])
    action, log_probability = squash(mean, torch.ones(3, 1), torch.zeros(3, 1))
    assert action.abs().max() <= 1.0
    # log(1 - tanh(x)^2) = 2 (log 2 - |x|) up to exp(-2 |x|)
    expected = -0.5 * math.log(2 * math.pi) - 2 * (math.log(2) - mean.abs()[:, 0])
    torch.testing.assert_close(log_probability, expected)


@pytest.mark.parametrize(("bias", "expected"), [(-100.0, 1e-5), (100.0, 5.0), (math.log(0.5), 0.5)])
def test_the_standard_deviation_stays_between_its_bounds(bias, expected):
    actor = Actor(LATENT, ACTION, (16,))
    with torch.no_grad():
        actor.head.weight.zero_()
        actor.head.bias[ACTION:] = bias
    std = actor(make_inputs()[0])[1]
    torch.testing.assert_close(std, torch.full((B, ACTION), expected))
    assert (math.exp(LOG_STD_MIN), math.exp(LOG_STD_MAX)) == (pytest.approx(1e-5), pytest.approx(5.0))


def test_a_new_actor_explores_with_about_the_standard_deviation_that_was_asked_for():
    torch.manual_seed(0)
    actor = Actor(12, 6, (256, 256), std=0.15)
    std = actor(torch.randn(500, 12))[1].detach().flatten()
    low, middle, high = torch.quantile(std, torch.tensor([0.05, 0.5, 0.95])).tolist()
    assert middle == pytest.approx(0.15, rel=0.2)
    assert low > 0.15 / 2, f"90 % of them lie in [{low:.3f}, {high:.3f}]"
    assert high < 2 * 0.15, f"90 % of them lie in [{low:.3f}, {high:.3f}]"


def test_actions_carry_the_gradient_to_mean_and_standard_deviation():
    actor = Actor(LATENT, ACTION, (16,))
    action, _ = actor.sample(make_inputs()[0], torch.ones(B, ACTION))
    action.sum().backward()
    assert torch.all(actor.head.bias.grad > 0)
