"""Behaviour cloning: whom it imitates, what moves, and that it finds a linear expert."""

import copy

import pytest
import torch
from torch.nn import functional as F

from robot_rl.agents.batch import Batch, Observations
from robot_rl.agents.cloning import Cloning
from robot_rl.agents.policy_network import PolicySpec

P, B = 3, 32
STATE = PolicySpec(P, 2, hidden=(16, 16))
GRIPPER = PolicySpec(P, 7, grippers=1, hidden=(16, 16))
MIXING = torch.tensor([[0.6, -0.3], [0.0, 0.5], [-0.4, 0.2]])


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def make_agent(spec=STATE, seed=0, rate=1e-2, decay=0.9):
    return Cloning(spec, rate, decay, seed)


def make_batch(seed=0, spec=STATE):
    """A linear expert, who closes the gripper where the first value is negative, in every second row; else noise."""
    generator = torch.Generator().manual_seed(seed)
    proprio = torch.rand(B, P, generator=generator) * 2 - 1
    is_human = torch.arange(B) % 2 == 0
    wanted = F.pad(0.5 * proprio @ MIXING, (0, spec.action_size - 2))
    if spec.grippers:
        wanted[:, 6] = proprio[:, 0].sign()
    action = torch.where(is_human[:, None], wanted, -wanted)
    seen = Observations(proprio, {})
    return Batch(
        seen, action, torch.zeros(B), torch.ones(B), seen, is_human, torch.ones(B, dtype=torch.bool), torch.zeros(B)
    )


def weights(module):
    return [parameter.detach().clone() for parameter in module.parameters()]


def is_equal(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_loss_by_hand():
    agent, batch = make_agent(GRIPPER), make_batch(spec=GRIPPER)
    latent = agent.policy.encode(batch.observations)
    mode = torch.tanh(agent.policy.actor(latent)[0])
    chance = agent.policy.grasp_critic(latent).softmax(-1)
    total = 0.0
    for row in range(0, B, 2):
        total += (mode[row] - batch.action[row, :6]).square().sum() - chance[row, int(batch.action[row, 6]) + 1].log()
    torch.testing.assert_close(agent.loss(batch), total / (B // 2))


def test_only_peoples_rows_are_imitated():
    agent, batch = make_agent(), make_batch()
    other_robot = torch.where(batch.is_human[:, None], batch.action, torch.zeros(B, 2))
    other_human = torch.where(batch.is_human[:, None], torch.zeros(B, 2), batch.action)
    assert agent.loss(batch._replace(action=other_robot)) == agent.loss(batch)
    assert agent.loss(batch._replace(action=other_human)) != agent.loss(batch)


def test_a_batch_without_people_teaches_nothing():
    agent = make_agent()
    before = weights(agent.policy)
    metrics = agent.update(make_batch()._replace(is_human=torch.zeros(B, dtype=torch.bool)), is_actor_due=True)
    assert metrics["actor/imitation"] == 0.0
    assert is_equal(weights(agent.policy), before)


def test_nothing_moves_where_the_actor_is_not_due():
    agent = make_agent()
    agent.update(make_batch(0), is_actor_due=True)
    before = copy.deepcopy(agent.state())
    assert agent.update(make_batch(1), is_actor_due=False) == {}
    for name in ("policy", "average_policy"):
        assert all(torch.equal(value, before[name][key]) for key, value in agent.state()[name].items())


def test_the_average_moves_by_its_exact_share():
    agent = make_agent(decay=0.75)
    before = weights(agent.average_policy)
    agent.update(make_batch(), is_actor_due=True)
    for was, now, to in zip(before, weights(agent.average_policy), weights(agent.policy), strict=True):
        torch.testing.assert_close(now, was + 0.25 * (to - was), rtol=1e-6, atol=1e-7)
    assert not is_equal(before, weights(agent.average_policy))


def test_an_agent_goes_on_bit_for_bit_from_the_state_of_another():
    one, other = make_agent(GRIPPER, 0), make_agent(GRIPPER, 1)
    for number in range(3):
        one.update(make_batch(number, GRIPPER), is_actor_due=True)
    other.update(make_batch(9, GRIPPER), is_actor_due=True)
    other.restore(copy.deepcopy(one.state()))
    for number in range(3, 7):
        for agent in (one, other):
            agent.update(make_batch(number, GRIPPER), is_actor_due=True)
        assert is_equal(weights(one.policy), weights(other.policy))
        assert is_equal(weights(one.average_policy), weights(other.average_policy))


def test_the_same_seed_learns_the_same_and_another_one_something_else():
    agents = [make_agent(seed=seed) for seed in (0, 0, 1)]
    for agent in agents:
        agent.pretrain(make_batch())
    first, again, other = (weights(agent.policy) for agent in agents)
    assert is_equal(first, again)
    assert not is_equal(first, other)


def test_a_linear_expert_is_found_again_gripper_and_average_included():
    agent, asked = make_agent(GRIPPER), make_batch(1000, GRIPPER)
    wanted = asked.action[asked.is_human]

    def errors(policy):
        difference = (policy.act(asked.observations, None)[asked.is_human] - wanted).abs()
        return float(difference[:, :6].mean()), float(difference[:, 6].mean())

    before = errors(agent.policy)
    for number in range(300):
        agent.pretrain(make_batch(number, GRIPPER))
    assert before[0] > 0.2
    assert before[1] > 0.5
    for policy in (agent.policy, agent.average_policy):
        continuous, gripper = errors(policy)
        assert continuous < 0.05
        assert gripper < 0.15  # at most one of 16 rows is on the wrong side of the boundary
