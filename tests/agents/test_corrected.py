"""The learning of correctors against hand-made cases."""

import copy
import itertools
from dataclasses import replace
from functools import partial

import pytest
import torch

from robot_rl.agents.batch import Batch, Observations
from robot_rl.agents.corrected import Corrected
from robot_rl.agents.correctors.config import CorrectorConfig
from robot_rl.agents.policy_network import PolicySpec
from robot_rl.agents.steered import Steered

B, P, A, N, K = 32, 3, 2, 3, 4
OF_CANDIDATES = ("edit_select", "best_of_n", "noise_steer")
SMALL = {"ensemble": 4, "actor_warmup_updates": 0, "gate_steps": 2, "scale": 0.2, "keeps_base": False}
SPEC = PolicySpec(P, A, hidden=(16, 16))


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def make_agent(name="additive", seed=0, **values):
    return Corrected(SPEC, CorrectorConfig(name=name, **{**SMALL, **values}), seed)


def make_batch(seed=0, **values):
    generator = torch.Generator().manual_seed(seed)

    def observe():
        base = torch.rand(B, A, generator=generator) * 2.0 - 1.0
        return Observations(torch.randn(B, P, generator=generator), {}, base)

    action = torch.rand(B, A, generator=generator) * 2.0 - 1.0
    batch = Batch(
        observe(), action, torch.rand(B, generator=generator), torch.full((B,), 0.9), observe(),
        torch.zeros(B, dtype=torch.bool), torch.ones(B, dtype=torch.bool), torch.zeros(B),
    )  # fmt: skip
    return batch._replace(**values)


def make_candidate_agent(name, seed=0, **values):
    config = CorrectorConfig(name, candidates=N, chunk=K, **{**SMALL, **values})
    kind = Steered if name == "noise_steer" else Corrected
    return kind(replace(SPEC, proprio_size=P + config.make_layout(A).size), config, seed)


def make_candidate_batch(name, seed=0, **values):
    """The observations of `make_batch` with plans of K actions in them, and chunks that were executed."""
    noise = N * A if name == "noise_steer" else 0
    generator = torch.Generator().manual_seed(seed)
    batch = make_batch(seed)

    def extend(observations):
        plans = torch.rand(B, N * K * A, generator=generator) * 2.0 - 1.0
        parts = [observations.proprio, plans, torch.randn(B, noise, generator=generator)]
        return observations._replace(proprio=torch.cat(parts, 1), base_action=plans[:, :A])

    action = torch.rand(B, K * A, generator=generator) * 2.0 - 1.0
    batch = batch._replace(observations=extend(batch.observations), following=extend(batch.following), action=action)
    return batch._replace(**values)


def set_constant(critic, values):
    """Make each member answer one value, whatever it is asked."""
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.zero_()
        critic.head.bias.copy_(torch.tensor(values).view_as(critic.head.bias))


def loss_of(agent, batch):
    seen, following = agent.policy.see(batch.observations), agent.policy.see(batch.following)
    return float(agent.critic_loss(seen, following, batch)[0].detach())


def test_the_target_is_the_least_of_a_few_critics_at_the_next_executed_action():
    agent = make_agent(subsample=4, target_noise_std=0.0)
    set_constant(agent.critics["action"], [0.0] * 4)
    set_constant(agent.target_critics["action"], [0.3, 0.5, 0.7, 0.4])
    batch = make_batch(reward=torch.full((B,), 0.1))
    assert loss_of(agent, batch) == pytest.approx(4 * (0.1 + 0.9 * 0.3) ** 2, rel=1e-5)
    ended = batch._replace(discount=torch.zeros(B))
    assert loss_of(agent, ended) == pytest.approx(4 * 0.1**2, rel=1e-5)


@pytest.mark.parametrize("name", ["additive", "chooser"])
def test_the_target_may_be_the_mean_of_all_that_value(name):
    """Without a choice these are all critics; with one they are the half that did not choose."""
    agent = make_agent(name, subsample=0, target_noise_std=0.0)
    says = [0.3, 0.5, 0.7, 0.4]
    set_constant(agent.target_critics["action"], says)
    following = agent.policy.see(make_batch().following)
    values = {round(float(agent.next_value(following)[0].mean()), 4) for _ in range(50)}
    pairs = {round((a + b) / 2, 4) for a, b in itertools.combinations(says, 2)}
    assert values == ({0.475} if name == "additive" else pairs)


def test_values_are_clipped_to_the_returns_that_are_possible():
    agent = make_agent(subsample=4)
    set_constant(agent.critics["action"], [0.0] * 4)
    set_constant(agent.target_critics["action"], [7.0] * 4)
    assert loss_of(agent, make_batch(reward=torch.zeros(B))) == pytest.approx(4 * 0.9**2, rel=1e-5)


def test_who_chooses_does_not_say_what_the_choice_is_worth():
    """Two critics of four that believe in wonders: they may choose, but the others say what it is worth."""
    agent = make_agent("chooser", subsample=2, return_range=None)
    following = agent.policy.see(make_batch().following)
    values = []
    for _ in range(50):
        set_constant(agent.target_critics["action"], [100.0, 100.0, 0.0, 0.0])
        value, metrics = agent.next_value(following)
        assert float(metrics["corrector/preferred"]) == 0.0, "the first of equals is the base policy's"
        values.append(float(value.mean()))
    assert set(values) == {0.0, 100.0}  # the least of the valuing half
    assert values.count(100.0) < 20  # 1 in 6: only if the believers are all of that half


def test_members_learn_as_if_they_were_alone():
    agent, other = make_agent(), make_agent()
    with torch.no_grad():
        other.critics["action"].head.bias[1:] += 3.0  # the others' errors
    for each in (agent, other):
        seen = each.policy.see(make_batch().observations)
        loss, _ = each.critic_loss(seen, seen, make_batch(discount=torch.zeros(B)))
        loss.backward()
    for one, two in zip(agent.critics["action"].parameters(), other.critics["action"].parameters(), strict=True):
        assert torch.equal(one.grad[0], two.grad[0])


def test_the_actor_moves_by_its_own_step_only_and_the_critics_by_theirs():
    agent = make_agent()
    before = copy.deepcopy(agent.policy.corrector.state_dict())
    agent.update(make_batch(), is_actor_due=False)
    assert all(torch.equal(value, before[name]) for name, value in agent.policy.corrector.state_dict().items())
    assert float(agent.policy.corrector.gate) == 0.0
    metrics = agent.update(make_batch(), is_actor_due=True)
    assert {"critic/loss", "critic/q", "actor/loss", "actor/imitation", "residual/used", "residual/saturated"} == set(
        metrics
    )
    assert float(agent.policy.corrector.gate) == 0.5
    agent.update(make_batch(), is_actor_due=True)
    agent.update(make_batch(), is_actor_due=True)
    assert float(agent.average_policy.corrector.gate) == 1.0


def test_the_actor_climbs_the_critics_slope():
    agent = make_agent(imitation_weight=0.0, actor_learning_rate=1e-2)
    critic = agent.critics["action"]
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.zero_()
        critic.layers[0].weight[:, -A, 0] = 1.0  # a unit that grows with the first element of the action
        critic.layers[0].weight[:, -A, 1] = -1.0
        for norm in critic.norms:
            norm.weight.fill_(1.0)
        critic.layers[1].weight[:, 0, 0], critic.layers[1].weight[:, 0, 1] = 1.0, -1.0
        critic.head.weight[:, 0] = 1.0
    batch = make_batch()
    seen = agent.policy.see(batch.observations)
    for _ in range(100):
        agent._update_actor(seen, batch)
    with torch.no_grad():
        moved = agent.policy.corrector.improve(*seen)[:, 0] - batch.observations.base_action
    assert float(moved[:, 0].mean()) > 0.1
    assert float(moved.abs().max()) <= 0.2 + 1e-6


def test_the_actor_learns_faster_and_faster():
    agent, batch = make_agent(actor_warmup_updates=4, actor_learning_rate=1e-2), make_batch()
    rates = []
    for _ in range(6):
        agent.update(batch, is_actor_due=True)
        agent.update(batch, is_actor_due=False)
        rates.append(agent._actor_optimiser.param_groups[0]["lr"])
    assert rates == pytest.approx([0.0025, 0.005, 0.0075, 0.01, 0.01, 0.01])
    assert agent._critic_optimiser.param_groups[0]["lr"] == agent.config.critic_learning_rate


def test_the_critics_are_relied_on_little_by_little():
    agent, batch = make_agent(keeps_base=True, caution_updates=3), make_batch()
    policies, cautions = (agent.policy, agent.average_policy), [float(agent.average_policy.caution)]
    for _ in range(4):
        agent.update(batch, is_actor_due=True)
        assert len({float(policy.caution) for policy in policies}) == 1
        cautions.append(float(agent.average_policy.caution))
    assert cautions == pytest.approx([1.0, 0.75, 0.5, 0.25, 0.25])
    again = make_agent(keeps_base=True, seed=1)
    again.restore(agent.state())
    assert float(again.average_policy.caution) == 0.25


def test_imitation_alone_moves_the_corrector_and_what_follows_it_and_no_critic():
    agent, batch = make_agent(actor_learning_rate=1e-2), make_batch(is_human=torch.ones(B, dtype=torch.bool))
    base = 0.8 * batch.observations.base_action  # so that what is wanted lies within reach, and in [-1, 1]
    batch = batch._replace(
        observations=batch.observations._replace(base_action=base), action=base + torch.tensor([0.1, -0.15])
    )
    critics = copy.deepcopy(agent.critics.state_dict())
    distances = [float(agent.pretrain(batch)["actor/imitation"]) for _ in range(200)]
    assert distances[-1] < 0.1 * distances[0]
    assert all(torch.equal(value, critics[name]) for name, value in agent.critics.state_dict().items())
    for behind in (agent.target_corrector, agent.average_policy.corrector):
        for name, value in agent.policy.corrector.state_dict().items():
            assert torch.equal(value, behind.state_dict()[name])
    assert float(agent.policy.corrector.gate) == 0.0
    assert agent.actor_updates == 0


@pytest.mark.parametrize("name", ["identity", "best_of_n"])
def test_a_corrector_that_cannot_imitate_is_left_as_it_is(name):
    is_plain = name == "identity"
    agent = make_agent(name) if is_plain else make_candidate_agent(name)
    before = copy.deepcopy(agent.policy.state_dict())
    assert agent.pretrain(make_batch() if is_plain else make_candidate_batch(name)) == {}
    assert all(torch.equal(value, before[key]) for key, value in agent.policy.state_dict().items())


def test_people_are_imitated_by_their_own_rows():
    agent = make_agent()
    batch = make_batch(is_human=torch.arange(B) < 4)
    near = batch._replace(action=batch.observations.base_action + 0.1)
    seen = agent.policy.see(near.observations)
    _, metrics = agent.actor_loss(seen, near)
    assert float(metrics["actor/imitation"]) == pytest.approx(A * 0.25, rel=1e-4)
    _, metrics = agent.actor_loss(seen, near._replace(is_human=torch.zeros(B, dtype=torch.bool)))
    assert float(metrics["actor/imitation"]) == 0.0


@pytest.mark.parametrize("name", ["identity", "additive", "chooser", "edit_select", "best_of_n", "noise_steer"])
def test_an_agent_that_is_restored_goes_on_bit_for_bit(name):
    candidates = {"candidates": N, "chunk": K} if name in OF_CANDIDATES else {}
    make = partial(make_candidate_batch, name) if candidates else make_batch
    agent = make_candidate_agent(name) if candidates else make_agent(name)
    for seed in range(3):
        agent.update(make(seed), is_actor_due=seed % 2 == 0)
    other = make_candidate_agent(name, seed=9) if candidates else make_agent(name, seed=9)
    other.restore(copy.deepcopy(agent.state()))
    for each in (agent, other):
        each.update(make(7), is_actor_due=True)
    for one, two in zip(agent._modules().values(), other._modules().values(), strict=True):
        for (key, a), b in zip(one.state_dict().items(), two.state_dict().values(), strict=True):
            assert torch.equal(a, b), key
    assert agent.actor_updates == other.actor_updates


def test_an_identity_learns_what_the_base_policy_is_worth_and_changes_nothing():
    agent = make_agent("identity")
    metrics = agent.update(make_batch(), is_actor_due=True)
    assert set(metrics) == {"critic/loss", "critic/q"}
    assert agent.pretrain(make_batch()) == {}


PIXELS = replace(SPEC, cameras=("wrist",), image_size_px=32, backbone="small_cnn", is_backbone_frozen=False)


def make_pixel_batch():
    generator = torch.Generator().manual_seed(0)
    images = {"wrist": torch.randint(0, 255, (B, 32, 32, 3), generator=generator, dtype=torch.uint8)}
    batch = make_batch()
    return batch._replace(
        observations=batch.observations._replace(visual=images), following=batch.following._replace(visual=images)
    )


@pytest.mark.parametrize("name", ["additive", "chooser"])
def test_an_image_encoder_learns_from_the_critics_error_and_not_from_the_actor(name):
    batch, config = make_pixel_batch(), CorrectorConfig(name=name, ensemble=2)
    agents = [Corrected(PIXELS, config, 0), Corrected(PIXELS, config, 0)]
    before = copy.deepcopy(agents[0].policy.encoder.state_dict())
    for agent, is_actor_due in zip(agents, (True, False), strict=True):
        agent.update(batch, is_actor_due=is_actor_due)
    one, other = (agent.policy.encoder.state_dict() for agent in agents)
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert any(not torch.equal(one[key], before[key]) for key in one)
    heads = [agent.policy.corrector.state_dict() for agent in agents]
    assert any(not torch.equal(heads[0][key], heads[1][key]) for key in heads[0])


@pytest.mark.parametrize("is_actor_due", [False, True])
@pytest.mark.parametrize("name", ["additive", "chooser"])
def test_the_average_sees_with_an_encoder_of_the_same_age_as_its_critics(name, is_actor_due):
    """Critics that learn alone at first would otherwise be asked about what they have never been shown."""
    agent = Corrected(PIXELS, CorrectorConfig(name=name, ensemble=2, average_decay=0.5), 0)
    before, average = copy.deepcopy(agent.policy), agent.average_policy
    agent.update(make_pixel_batch(), is_actor_due=is_actor_due)
    parts = ("encoder", "critic") if name == "chooser" else ("encoder",)
    for part in parts:
        old, new, mean = (dict(getattr(policy, part).named_parameters()) for policy in (before, agent.policy, average))
        assert any(not torch.equal(old[key], new[key]) for key in new)
        for key, value in mean.items():
            torch.testing.assert_close(value, 0.5 * (old[key] + new[key]), msg=f"{part}.{key}")


def test_a_window_that_was_cut_off_teaches_the_critics_of_chunks_nothing():
    agent, batch = make_candidate_agent("edit_select"), make_candidate_batch("edit_select", reward=torch.zeros(B))
    set_constant(agent.critics["action"], [0.0] * 4)
    set_constant(agent.target_critics["action"], [0.0] * 4)
    wrong = batch._replace(reward=torch.full((B,), 9.0), is_whole=torch.zeros(B, dtype=torch.bool))
    assert loss_of(agent, wrong) == 0.0
    half = batch._replace(reward=torch.arange(B) % 2 * 1.0, is_whole=torch.arange(B) % 2 == 1)
    assert loss_of(agent, half) == pytest.approx(4.0), "the mean over those that count"


def test_no_noise_is_put_on_the_plans_of_the_base_policy_in_targets():
    agent = make_candidate_agent("edit_select", target_noise_std=0.1)
    seen = agent.policy.see(make_candidate_batch("edit_select").observations)
    candidates = agent._smooth(agent.target_corrector.propose(*seen, None))
    assert torch.equal(candidates[:, :N], seen.base.plans)
    assert not torch.equal(candidates[:, N:], seen.base.plans)


def test_the_critics_for_noise_are_fitted_to_what_the_base_policy_made_of_it():
    agent = make_candidate_agent("noise_steer", critic_learning_rate=1e-2)
    set_constant(agent.critics["action"], [0.7] * 4)
    set_constant(agent.critics["noise"], [0.0] * 4)
    batch = make_candidate_batch("noise_steer")
    seen = agent.policy.see(batch.observations)
    _, metrics = agent.critic_loss(seen, seen, batch)
    assert float(metrics["critic/distillation"]) == pytest.approx(0.49)
    loss, _ = agent.critic_loss(seen, seen, batch._replace(is_whole=torch.zeros(B, dtype=torch.bool)))
    gradients = torch.autograd.grad(loss, list(agent.critics["action"].parameters()), allow_unused=True)
    assert all(g is None or float(g.abs().max()) == 0.0 for g in gradients), "they do not meet half-way"


def test_the_target_of_steering_is_what_the_critics_for_noise_say():
    agent = make_candidate_agent("noise_steer", subsample=4)
    set_constant(agent.target_critics["noise"], [0.3, 0.5, 0.7, 0.4])
    set_constant(agent.target_critics["action"], [9.0] * 4)
    value, _ = agent.next_value(agent.policy.see(make_candidate_batch("noise_steer").following))
    assert value.tolist() == pytest.approx([0.3] * B)


def test_caution_pushes_unknown_actions_down_to_what_was_paid_and_no_further():
    agent = make_agent(conservative_weight=1.0)
    batch = make_batch(returns=torch.full((B,), 0.6))
    seen = agent.policy.see(batch.observations)
    set_constant(agent.critics["action"], [0.2] * 4)
    q = agent.critics["action"](seen.latent, batch.action)
    caution = agent.caution(seen, batch, q)
    expected = 4 * float(torch.tensor([0.2] * 4 + [0.6]).exp().mean().log() - 0.2)  # four random ones, one proposed
    assert float(caution.detach()) == pytest.approx(expected, rel=1e-4)
    (gradient,) = torch.autograd.grad(caution, agent.critics["action"].head.bias)
    weights = torch.tensor([0.2] * 4 + [0.6]).softmax(0)
    assert gradient.flatten().tolist() == pytest.approx([float(weights[:4].sum()) - 1.0] * 4, rel=1e-3)


def test_a_cautious_agent_learns():
    agent = make_agent("chooser", conservative_weight=0.5)
    metrics = agent.update(make_batch(returns=torch.zeros(B)), is_actor_due=True)
    assert {"critic/caution", "critic/loss"} <= set(metrics)


def test_caution_says_nothing_for_actions_that_nobody_took_as_they_stand():
    agent = make_candidate_agent("edit_select", conservative_weight=1.0)
    whole = make_candidate_batch("edit_select", returns=torch.zeros(B))
    seen = agent.policy.see(whole.observations)

    def measure(is_whole):
        q = torch.full((4, B), 0.2, requires_grad=True)
        agent.generator.manual_seed(5)
        caution = agent.caution(seen, whole._replace(is_whole=is_whole), q)
        return caution.detach(), torch.autograd.grad(caution, q)[0]

    is_whole = torch.arange(B) < 8
    caution, gradient = measure(is_whole)
    assert torch.equal(gradient, torch.where(is_whole, -1.0 / 8, 0.0).expand(4, -1)), "the mean over those that count"
    other = measure(~is_whole)[0]
    everything, _ = measure(torch.ones(B, dtype=torch.bool))
    torch.testing.assert_close((8 * caution + 24 * other) / 32, everything)
    assert float(measure(torch.zeros(B, dtype=torch.bool))[0]) == 0.0


def test_what_nobody_made_of_a_chunk_is_not_imitated():
    agent = make_candidate_agent("edit_select", scale=2.0)  # everything is within its range
    batch = make_candidate_batch("edit_select", is_human=torch.ones(B, dtype=torch.bool))
    is_made = (torch.arange(K * A) < A).expand(B, -1)  # the first action of each chunk
    seen = agent.policy.see(batch.observations)
    first = (batch.action[:, None, :A] - seen.base.plans[..., :A]) / 2.0
    expected = float(first.square().sum(-1).mean())  # edits begin as zero
    for filler in (0.0, 0.5):
        action = torch.where(is_made, batch.action, torch.tensor(filler))
        loss = agent._imitation_loss(seen, batch._replace(action=action, is_made=is_made))
        assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)
