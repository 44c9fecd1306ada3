"""RLPD against hand-made cases. Each of the peers' defects that concerns the update is impossible here."""

import numpy as np
import pytest
import torch

from robot_rl.agents.networks import Actor, CriticEnsemble
from robot_rl.agents.rlpd import Batch, Normaliser, Rlpd, RlpdConfig

P, A, B = 5, 3, 32


def make_batch(seed=0, discount=0.9):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    return Batch(draw(B, P), torch.tanh(draw(B, A)), draw(B), torch.full((B,), discount), draw(B, P))


def make_agent(seed=0, **values):
    return Rlpd(P, A, RlpdConfig(hidden=(32, 32), **values), seed)


def snapshot(module):
    return [p.detach().clone() for p in module.parameters()]


def is_equal(module, before):
    return all(torch.equal(a, b) for a, b in zip(module.parameters(), before, strict=True))


def test_members_of_the_ensemble_share_nothing():
    """Pinned from a peer, whose members shared their last layer."""
    critic = CriticEnsemble(3, P + A, (32, 32))
    batch = make_batch()
    q = critic(batch.proprio, batch.action)
    q[1].sum().backward()
    for parameter in critic.parameters():
        assert parameter.grad[1].abs().sum() > 0
        assert parameter.grad[0].abs().sum() == 0
        assert parameter.grad[2].abs().sum() == 0


def test_the_batched_ensemble_equals_its_members_one_by_one():
    critic = CriticEnsemble(3, P + A, (32, 32))
    batch = make_batch()
    together = critic(batch.proprio, batch.action)
    for member in range(3):
        alone = critic(batch.proprio, batch.action, torch.tensor([member]))
        torch.testing.assert_close(alone[0], together[member])
    assert not torch.allclose(together[0], together[1])


def test_log_probability_is_that_of_the_squashed_gaussian():
    generator = torch.Generator().manual_seed(0)
    actor = Actor(P, A, (32,)).double()
    noise = torch.randn(B, A, generator=generator, dtype=torch.float64)
    proprio = torch.randn(B, P, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        action, log_probability = actor.sample(proprio, noise)
        mean, std = actor(proprio)
        raw = mean + std * noise
        slope = 1.0 / torch.cosh(raw) ** 2
        expected = (torch.distributions.Normal(mean, std).log_prob(raw) - slope.log()).sum(-1)
    torch.testing.assert_close(action, torch.tanh(raw))
    torch.testing.assert_close(log_probability, expected)


def test_the_target_is_reward_plus_discount_times_the_minimum_of_the_drawn_members():
    agent = make_agent(ensemble=4, subsample=4)
    batch = make_batch()
    state = agent.generator.get_state()
    loss, _ = agent.critic_loss(batch)
    agent.generator.set_state(state)
    with torch.no_grad():
        action, _ = agent.actor.sample(batch.next_proprio, torch.randn(B, A, generator=agent.generator))
        target = batch.reward + 0.9 * agent.target_critic(batch.next_proprio, action).min(0).values
        expected = sum(((q - target) ** 2).mean() for q in agent.critic(batch.proprio, batch.action))
    torch.testing.assert_close(loss.detach(), expected)


def test_a_termination_is_worth_its_reward_and_a_truncation_bootstraps():
    agent = make_agent()
    ended, cut = make_batch(discount=0.0), make_batch(discount=0.9)
    with torch.no_grad():
        for parameter in agent.critic.parameters():
            parameter.zero_()
        for head in (agent.target_critic.head.bias,):
            head.fill_(100.0)
    assert agent.critic_loss(ended)[1]["critic/loss"] == pytest.approx(float(ended.reward.square().mean()), rel=1e-4)
    assert agent.critic_loss(cut)[1]["critic/loss"] > 80.0**2


def test_a_network_that_is_not_updated_does_not_move():
    """Pinned from a peer, where zero gradients went through Adam and its momentum kept moving the actor."""
    agent = make_agent()
    agent.update_critic(make_batch(0))
    agent.update_actor(make_batch(1))
    actor, temperature = snapshot(agent.actor), agent.temperature.item()
    agent.update_critic(make_batch(2))
    assert is_equal(agent.actor, actor)
    assert agent.temperature.item() == temperature
    critic = snapshot(agent.critic)
    agent.update_actor(make_batch(3))
    assert is_equal(agent.critic, critic)
    assert not is_equal(agent.actor, actor)


def test_the_entropy_target_counts_continuous_dimensions_and_steers_the_temperature():
    agent = make_agent()
    assert agent.target_entropy == -A / 2
    before = agent.temperature.item()
    agent.log_temperature.grad = None
    agent.temperature_loss(torch.tensor(agent.target_entropy - 5.0)).backward()
    assert agent.log_temperature.grad < 0, "too little entropy raises the temperature"
    assert before == pytest.approx(1e-2)


def test_targets_move_by_tau_and_the_average_actor_by_its_decay():
    agent = make_agent(tau=0.1, average_decay=0.75)
    target = snapshot(agent.target_critic)
    agent.update_critic(make_batch())
    for now, old, online in zip(agent.target_critic.parameters(), target, agent.critic.parameters(), strict=True):
        torch.testing.assert_close(now, old + 0.1 * (online - old))
    average = snapshot(agent.average_actor)
    agent.update_actor(make_batch())
    for now, old, online in zip(agent.average_actor.parameters(), average, agent.actor.parameters(), strict=True):
        torch.testing.assert_close(now, old + 0.25 * (online - old))


def test_the_same_seed_learns_the_same_bit_for_bit():
    torch.set_num_threads(1)
    a, b = make_agent(3), make_agent(3)
    for k in range(3):
        for agent in (a, b):
            agent.update_critic(make_batch(k))
            agent.update_actor(make_batch(k))
    assert is_equal(a.actor, snapshot(b.actor))
    assert is_equal(a.critic, snapshot(b.critic))


def test_the_normaliser_centres_scales_and_clips():
    normaliser = Normaliser(2)
    rows = np.array([[0.0, 5.0], [2.0, 5.0]], np.float32)
    normaliser.fit(rows)
    torch.testing.assert_close(normaliser(torch.from_numpy(rows)), torch.tensor([[-1.0, 0.0], [1.0, 0.0]]))
    assert normaliser(torch.tensor([[1e9, 5.0]]))[0, 0] == 10.0


def test_it_learns_where_the_reward_is():
    """One step, reward -|a - goal(s)|^2: the mode has to find the goal within some hundred updates."""
    torch.set_num_threads(1)
    agent = make_agent(ensemble=2, learning_rate=3e-3, average_decay=0.9)
    generator = torch.Generator().manual_seed(0)
    mixing = 0.4 * torch.randn(P, A, generator=generator)

    def draw():
        proprio = torch.rand(256, P, generator=generator) * 2 - 1
        action = torch.rand(256, A, generator=generator) * 2 - 1
        reward = -(action - torch.tanh(proprio @ mixing)).square().sum(-1)
        return Batch(proprio, action, reward, torch.zeros(256), proprio)

    def error():
        proprio = draw().proprio
        return float((agent.act(proprio, is_exploring=False) - torch.tanh(proprio @ mixing)).abs().mean())

    before = error()
    for _ in range(400):
        agent.update_critic(draw())
        agent.update_actor(draw())
    assert error() < 0.1 < before
