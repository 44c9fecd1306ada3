"""RLPD against hand-made cases. Each of the peers' defects that concerns the update is impossible here."""

import copy

import pytest
import torch

from robot_rl.agents.batch import Batch, Observations
from robot_rl.agents.policy_network import PolicySpec
from robot_rl.agents.rlpd import Rlpd, RlpdConfig, move
from robot_rl.errors import ConfigError

P, B = 3, 16
STATE = PolicySpec(P, 2, hidden=(16, 16))
GRIPPER = PolicySpec(P, 7, grippers=1, hidden=(16, 16))
DUAL = PolicySpec(P, 14, grippers=2, hidden=(16, 16))
PIXELS = PolicySpec(P, 7, 1, (16, 16), ("wrist",), 32, "small_cnn", is_backbone_frozen=False)
FROZEN = PolicySpec(P, 7, 1, (16, 16), ("wrist",), 32, "small_cnn", is_backbone_frozen=True)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def make_agent(spec=STATE, seed=0, **values):
    return Rlpd(spec, RlpdConfig(**{"ensemble": 4, **values}), seed)


def make_batch(spec=STATE, seed=0, **values):
    generator = torch.Generator().manual_seed(seed)

    def observe():
        images = torch.randint(256, (B, 32, 32, 3), dtype=torch.uint8, generator=generator)
        return Observations(torch.randn(B, P, generator=generator), dict.fromkeys(spec.cameras, images))

    action = torch.rand(B, spec.action_size, generator=generator) * 2 - 1
    for arm in range(spec.grippers):
        action[:, 7 * arm + 6] = torch.randint(-1, 2, (B,), generator=generator).float()
    discount = 0.97 * torch.randint(2, (B,), generator=generator)
    is_human = torch.arange(B) % 2 == 0
    reward, whole = torch.rand(B, generator=generator), torch.ones(B, dtype=torch.bool)
    batch = Batch(observe(), action, reward, discount, observe(), is_human, whole, torch.zeros(B))
    return batch._replace(**values)


def full(value):
    return torch.full((B,), value)


def set_constant(network, values):
    """Make a critic answer `values`, one for each member or class, whatever it is asked."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        last = list(network.parameters())[-1]
        last.copy_(torch.tensor(values).view_as(last))


def losses(agent, batch, noise=None, members=(0, 1, 2, 3)):
    latent, following = agent.policy.encode(batch.observations), agent.policy.encode(batch.following)
    noise = torch.zeros(B, agent.continuous_size) if noise is None else noise
    loss, metrics = agent.critic_loss(latent, following, batch, noise, torch.tensor(members))
    return loss, {name: float(value) for name, value in metrics.items()}


def snapshot(agent):
    """A copy of all that the agent is."""
    return copy.deepcopy(agent.state())


def difference(one, other, path=""):
    """Paths of the tensors in two states that are not equal bit for bit."""
    if isinstance(one, dict):
        assert set(one) == set(other), path
        return [found for key in one for found in difference(one[key], other[key], f"{path}{key}/")]
    if isinstance(one, list):
        pairs = enumerate(zip(one, other, strict=True))
        return [found for k, (a, b) in pairs for found in difference(a, b, f"{path}{k}/")]
    is_same = torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other
    return [] if is_same else [path]


def moved(before, after):
    """Beginnings of the paths of what changed: a module's name, and of the policy also its part's."""
    before, after = ({key: value for key, value in state.items() if key != "optimisers"} for state in (before, after))
    paths = difference(before, after)
    return {path.split("/")[1].split(".")[0] if path.startswith("policy/") else path.split("/")[0] for path in paths}


# ---- the targets of the critics


def test_the_target_is_the_reward_plus_the_discounted_smallest_of_the_drawn_members():
    agent = make_agent()
    set_constant(agent.critic, [0.0] * 4)
    set_constant(agent.target_critic, [0.3, 0.5, 0.1, 0.9])
    rewards, discounts = torch.zeros(B), torch.zeros(B)
    rewards[:3], discounts[:3] = torch.tensor([1.0, 0.0, 0.2]), torch.tensor([0.0, 0.97, 0.9409])
    loss, metrics = losses(agent, make_batch(reward=rewards, discount=discounts), members=(1, 3))
    # a termination; a step (or a time limit); two steps: the smaller of members 1 and 3 is 0.5
    expected = (1.0**2 + (0.97 * 0.5) ** 2 + (0.2 + 0.9409 * 0.5) ** 2) / B
    assert loss.item() == pytest.approx(4 * expected)
    assert metrics["critic/loss"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("return_range", "value", "worth"),
    [((0.0, 1.0), 7.0, 1.0), ((0.0, 1.0), -3.0, 0.0), ((-5.0, 5.0), -3.0, -3.0), (None, 7.0, 7.0)],
)
def test_no_return_beyond_the_range_is_believed_in(return_range, value, worth):
    agent = make_agent(GRIPPER, return_range=return_range)
    set_constant(agent.critic, [0.0] * 4)
    set_constant(agent.target_critic, [value] * 4)
    set_constant(agent.policy.grasp_critic, [0.0] * 3)
    set_constant(agent.target_grasp_critic, [value] * 3)
    _, metrics = losses(agent, make_batch(GRIPPER, reward=full(0.0), discount=full(0.5)))
    assert metrics["critic/loss"] == pytest.approx((0.5 * worth) ** 2)
    assert metrics["grasp_critic/loss"] == pytest.approx((0.5 * worth) ** 2)


def test_the_entropy_is_no_part_of_the_target_unless_it_is_asked_for_and_then_it_is_discounted():
    """Pinned from a peer, which subtracted it outside the discount, so that terminations paid it too."""
    noise = torch.randn(B, 2, generator=torch.Generator().manual_seed(5))
    batch = make_batch(reward=full(0.0), discount=torch.where(torch.arange(B) < 4, 0.5, 0.0))
    for has_entropy in (False, True):
        agent = make_agent(has_entropy_backup=has_entropy, initial_temperature=0.1, return_range=None)
        set_constant(agent.critic, [0.0] * 4)
        set_constant(agent.target_critic, [0.8] * 4)
        log_probability = agent.policy.actor.sample(agent.policy.encode(batch.following), noise)[1].detach()
        value = 0.8 - 0.1 * log_probability[:4] if has_entropy else torch.full((4,), 0.8)
        expected = float((0.5 * value).square().sum() / B)
        assert losses(agent, batch, noise)[1]["critic/loss"] == pytest.approx(expected)


def test_each_update_draws_other_members_and_over_time_all_of_them():
    agent = make_agent(ensemble=5, subsample=2)
    drawn = []
    agent.target_critic.register_forward_pre_hook(lambda _, inputs: drawn.append(tuple(sorted(inputs[2].tolist()))))
    for _ in range(20):
        agent.update(make_batch(), is_actor_due=False)
    assert all(len(set(members)) == 2 for members in drawn)
    assert len(drawn) == 20
    assert len(set(drawn)) > 5
    assert {member for members in drawn for member in members} == set(range(5))


def test_the_critics_see_the_executed_action_as_it_was_stored():
    for spec, kept in ((STATE, slice(None)), (GRIPPER, slice(6)), (DUAL, [*range(6), *range(7, 13)])):
        agent, batch, seen = make_agent(spec), make_batch(spec), []
        agent.critic.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[1]))
        agent.update(batch, is_actor_due=False)
        assert len(seen) == 1
        assert torch.equal(seen[0], batch.action[:, kept])


def test_the_grasp_critic_chooses_with_the_online_network_and_values_with_the_target_network():
    agent = make_agent(GRIPPER)
    set_constant(agent.policy.grasp_critic, [0.1, 0.9, 0.2])  # class 1 is chosen, although the target prefers others
    set_constant(agent.target_grasp_critic, [0.95, 0.4, 0.8])
    action = torch.zeros(B, 7)
    action[:, 6] = 1.0  # opened: class 2
    batch = make_batch(GRIPPER, action=action, reward=full(0.25), discount=full(0.5), penalty=full(-0.02))
    assert losses(agent, batch)[1]["grasp_critic/loss"] == pytest.approx((0.2 - (0.25 - 0.02 + 0.5 * 0.4)) ** 2)


def test_the_class_of_two_grippers_is_valued_as_one_of_nine():
    agent = make_agent(DUAL)
    set_constant(agent.policy.grasp_critic, [0.1 * k for k in range(9)])
    set_constant(agent.target_grasp_critic, [0.5] * 9)
    action = torch.zeros(B, 14)
    action[:, [6, 13]] = torch.tensor([1.0, -1.0])  # opened and closed: class 6
    batch = make_batch(DUAL, action=action, reward=full(0.0), discount=full(0.0))
    assert losses(agent, batch)[1]["grasp_critic/loss"] == pytest.approx(0.6**2)


def test_the_penalty_of_grasping_is_the_grasp_critics_alone():
    agents = make_agent(GRIPPER), make_agent(GRIPPER)
    for agent, penalty in zip(agents, (0.0, -0.5), strict=True):
        agent.update(make_batch(GRIPPER, penalty=full(penalty)), is_actor_due=True)
    assert moved(*(agent.state() for agent in agents)) == {"grasp_critic", "target_grasp", "average_policy"}
    assert torch.equal(*(agent.average_policy.actor.head.weight for agent in agents))


# ---- who moves when


@pytest.mark.parametrize("spec", [STATE, GRIPPER, PIXELS])
def test_a_network_that_is_not_updated_does_not_move(spec):
    """Pinned from a peer, where zero gradients went through Adam and its momentum kept moving the actor."""
    agent = make_agent(spec)
    for seed in range(2):
        agent.update(make_batch(spec, seed), is_actor_due=True)
    before = snapshot(agent)
    agent.update(make_batch(spec, 2), is_actor_due=False)
    always = {"critic", "target_critic", "generator"}
    grasp = {"grasp_critic", "target_grasp"} if spec.grippers else set()
    encoder = {"encoder"} if spec.cameras else set()
    assert moved(before, agent.state()) == always | grasp | encoder
    before = snapshot(agent)
    agent.update(make_batch(spec, 3), is_actor_due=True)
    assert moved(before, agent.state()) == always | grasp | encoder | {"actor", "log_temperature", "average_policy"}
    before = snapshot(agent)
    agent.pretrain(make_batch(spec, 4))
    assert moved(before, agent.state()) == {"actor", "average_policy"} | encoder


@pytest.mark.parametrize("spec", [GRIPPER, PIXELS])
def test_the_actors_step_changes_neither_critics_nor_encoder(spec):
    agents = make_agent(spec), make_agent(spec)
    for seed in range(3):
        agents[0].update(make_batch(spec, seed), is_actor_due=True)
        agents[1].update(make_batch(spec, seed), is_actor_due=False)
        agents[1].generator.set_state(agents[0].generator.get_state())  # the actor's noise is the only difference
        # what the actor does next changes the critics' targets: compare one step at a time
        assert moved(*(agent.state() for agent in agents)) == {"actor", "log_temperature", "average_policy"}
        agents[1].restore(snapshot(agents[0]))


def test_a_frozen_backbone_never_moves():
    agent = make_agent(FROZEN)
    before = {name: value.clone() for name, value in agent.policy.encoder.backbone.state_dict().items()}
    heads = agent.policy.encoder.heads["wrist"].kernel.detach().clone()
    agent.pretrain(make_batch(FROZEN))
    agent.update(make_batch(FROZEN), is_actor_due=True)
    for policy in (agent.policy, agent.average_policy):
        assert difference(dict(policy.encoder.backbone.state_dict()), before) == []
    assert not torch.equal(agent.policy.encoder.heads["wrist"].kernel, heads)


def test_targets_and_the_average_move_by_exact_shares():
    one, other = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    set_constant(one, [0.0])
    set_constant(other, [1.0])
    with torch.no_grad():
        for expected in (0.25, 0.4375):  # 1 - 0.75 squared
            move(one, other, 0.25)
            assert one.bias.item() == expected


def test_target_critics_follow_by_tau_at_every_update_and_the_average_by_its_decay_if_the_actor_is_due():
    agent = make_agent(GRIPPER, tau=0.25, average_decay=0.9)
    followers = (
        (agent.target_critic, agent.critic, 0.25, (True, True)),
        (agent.target_grasp_critic, agent.policy.grasp_critic, 0.25, (True, True)),
        (agent.average_policy.actor, agent.policy.actor, 0.1, (False, True)),
    )
    for number in range(2):
        before = [[p.detach().clone() for p in follower.parameters()] for follower, *_ in followers]
        agent.update(make_batch(GRIPPER, number), is_actor_due=number == 1)
        for old, (follower, leader, share, is_due) in zip(before, followers, strict=True):
            for was, now, to in zip(old, follower.parameters(), leader.parameters(), strict=True):
                step = share * (to - was) if is_due[number] else torch.zeros_like(was)
                torch.testing.assert_close(now.detach(), (was + step).detach(), rtol=1e-6, atol=1e-7)


# ---- the actor


@pytest.mark.parametrize(("spec", "expected"), [(STATE, -2.0), (GRIPPER, -6.0), (DUAL, -12.0)])
def test_the_target_of_the_entropy_counts_continuous_elements_only(spec, expected):
    assert make_agent(spec).target_entropy == expected
    assert make_agent(spec, target_entropy=-3.5).target_entropy == -3.5


@pytest.mark.parametrize(("target", "direction"), [(50.0, 1), (-50.0, -1)])
def test_too_little_entropy_raises_the_temperature_and_too_much_lowers_it(target, direction):
    agent = make_agent(target_entropy=target, initial_temperature=0.01)
    assert agent.temperature.item() == pytest.approx(0.01)
    metrics = agent.update(make_batch(), is_actor_due=True)
    assert (agent.temperature.item() - 0.01) * direction > 0
    assert metrics["actor/temperature"] == agent.temperature


def test_the_actor_climbs_the_mean_of_all_critics_and_not_the_smallest():
    agent = make_agent(imitation_weight=0.0)
    set_constant(agent.critic, [0.1, 0.2, 0.3, 1.0])
    batch, noise = make_batch(), torch.zeros(B, 2)
    loss, metrics = agent.actor_loss(agent.policy.encode(batch.observations), batch, noise)
    assert loss.item() == pytest.approx(-0.4 - 1e-3 * metrics["actor/entropy"].item(), rel=1e-4)


def test_only_peoples_rows_are_imitated():
    agent, batch = make_agent(imitation_weight=0.5), make_batch()
    latent, noise = agent.policy.encode(batch.observations), torch.zeros(B, 2)

    def imitation(**values):
        return agent.actor_loss(latent, batch._replace(**values), noise)[1]["actor/imitation"].item()

    mode = torch.tanh(agent.policy.actor(latent)[0]).detach()
    expected = (mode - batch.action)[batch.is_human].square().sum(-1).mean().item()
    assert imitation() == pytest.approx(expected)
    others = torch.where(batch.is_human[:, None], batch.action, -batch.action)
    assert imitation(action=others) == imitation()
    assert imitation(action=-batch.action) != imitation()
    assert imitation(is_human=torch.zeros(B, dtype=torch.bool)) == 0.0


def test_imitation_alone_brings_the_mode_to_the_people_and_the_average_with_it():
    agent, batch = make_agent(learning_rate=1e-2), make_batch()
    first = agent.pretrain(batch)["actor/imitation"].item()
    for _ in range(60):
        last = agent.pretrain(batch)["actor/imitation"].item()
    assert last < 0.1 * first
    assert torch.equal(agent.average_policy.act(batch.observations, None), agent.policy.act(batch.observations, None))


# ---- state


@pytest.mark.parametrize("spec", [GRIPPER, PIXELS])
def test_an_agent_goes_on_bit_for_bit_from_the_state_of_another(spec):
    one, other = make_agent(spec, 0), make_agent(spec, 1)
    for number in range(3):
        one.update(make_batch(spec, number), is_actor_due=number % 2 == 1)
    other.update(make_batch(spec, 9), is_actor_due=True)
    other.restore(snapshot(one))
    for number in range(3, 7):
        assert difference(one.state(), other.state()) == []
        for agent in (one, other):
            agent.update(make_batch(spec, number), is_actor_due=number % 2 == 1)
    assert difference(one.state(), other.state()) == []


def test_an_agent_that_was_restored_shares_no_memory_with_the_one_whose_state_it_took():
    one, other = make_agent(), make_agent()
    one.update(make_batch(), is_actor_due=True)
    other.restore(one.state())
    before = snapshot(other)
    one.update(make_batch(), is_actor_due=True)
    assert difference(before, other.state()) == []


def test_the_same_seed_learns_the_same_bit_for_bit_and_another_one_something_else():
    agents = [make_agent(GRIPPER, seed) for seed in (3, 3, 4)]
    for agent in agents:
        for number in range(3):
            agent.update(make_batch(GRIPPER, number), is_actor_due=True)
    first, again, other = (agent.state() for agent in agents)
    assert difference(first, again) == []
    assert {"critic", "actor", "grasp_critic", "generator"} <= moved(first, other)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"ensemble": 2, "subsample": 3}, "between 1 and ensemble = 2, got 3"),
        ({"subsample": 0}, "got 0"),
        ({"reward_bias": -1.0}, "set return_range"),
        ({"return_range": (1.0, 0.0)}, r"\(smallest, largest\)"),
    ],
)
def test_what_cannot_work_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        RlpdConfig(**values)


def test_what_was_measured_stays_when_a_compiled_loss_runs_again(monkeypatch):
    """As with CUDA graphs, whose outputs lie where those of the next replay will."""

    def compile_as_cuda_does(loss, mode):
        kept = {}

        def run(*inputs):
            value, metrics = loss(*inputs)
            return value, {name: kept.setdefault(name, torch.empty(())).copy_(each) for name, each in metrics.items()}

        return run

    plain = make_agent()
    monkeypatch.setattr(torch, "compile", compile_as_cuda_does)
    compiled = make_agent(is_compiled=True)
    measured = [[agent.update(make_batch(seed=k), is_actor_due=True) for k in range(2)] for agent in (plain, compiled)]
    assert measured[0] == measured[1]
    assert measured[0][0] != measured[0][1]
