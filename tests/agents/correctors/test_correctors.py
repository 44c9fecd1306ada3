"""Correctors against what they promise: equal to the base policy at first, bounded, and gated."""

import pytest
import torch

from robot_rl.agents.batch import Observations
from robot_rl.agents.correctors.additive import Additive
from robot_rl.agents.correctors.best_of_n import BestOfN
from robot_rl.agents.correctors.candidates import Base
from robot_rl.agents.correctors.chooser import Chooser
from robot_rl.agents.correctors.config import CorrectorConfig
from robot_rl.agents.correctors.corrector import Identity
from robot_rl.agents.correctors.edit_select import EditSelect
from robot_rl.agents.correctors.noise_steer import NoiseSteer
from robot_rl.agents.correctors.policy import CorrectedPolicy, choose, evaluate, take
from robot_rl.agents.networks import CriticEnsemble
from robot_rl.agents.policy_network import PolicySpec
from robot_rl.errors import ConfigError, SpecError

B, P, A, L = 64, 4, 7, 5
ARM = PolicySpec(P, A, grippers=1, hidden=(16, 16))
FREE = torch.tensor([True] * 6 + [False])


@pytest.fixture(autouse=True)
def _seeded():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def draw_base(rows=B):
    return torch.rand(rows, A) * 2.0 - 1.0


def to_base(action, plans=None, noise=None):
    return Base(action, action[:, None] if plans is None else plans, action[:, None, :0] if noise is None else noise)


def make_additive(scale=0.2, noise_std=0.05, is_trained=False, keeps_base=False):
    corrector = Additive(L, FREE, (16, 16), scale, noise_std, keeps_base=keeps_base)
    if is_trained:
        torch.nn.init.normal_(corrector.residual.network.head.weight, std=10.0)
    return corrector


def make_policy(name, **values):
    policy = CorrectedPolicy(ARM, CorrectorConfig(name=name, ensemble=4, **values))
    policy.corrector.gate.fill_(1.0)
    return policy


@pytest.mark.parametrize("name", ["identity", "additive", "chooser"])
def test_at_first_the_base_policy_acts_bit_for_bit(name):
    base = draw_base()
    policy = make_policy(name)
    if policy.critic is not None:  # all candidates are worth the same: the base policy's is taken
        for parameter in policy.critic.parameters():
            torch.nn.init.zeros_(parameter)
    assert torch.equal(policy.act(Observations(torch.randn(B, P), {}, base), None), base)


def test_a_gate_that_is_shut_lets_nothing_in_not_even_noise():
    base, latent = draw_base(), torch.randn(B, L)
    residuals = [make_additive(is_trained=True, keeps_base=keeps_base) for keeps_base in (False, True)]
    for corrector in (*residuals, Chooser(L, FREE, (16, 16), 0.3)):
        noise = torch.randn(B, corrector.noise_size)
        assert torch.equal(corrector.propose(latent, to_base(base), noise)[:, -1], base)
        corrector.gate.fill_(0.25)
        many = torch.randn(4000, corrector.noise_size)
        explored = corrector.propose(latent[:1].expand(4000, -1), to_base(base[:1].expand(4000, -1)), many)[:, -1]
        is_open = (explored != base[0]).any(-1)
        assert float(is_open.float().mean()) == pytest.approx(0.25, abs=0.03)


N, K = 3, 2
FREE_CHUNK = FREE.repeat(K)


def draw_plans():
    plans = torch.rand(B, N, K * A) * 2.0 - 1.0
    return to_base(plans[:, 0, :A], plans, torch.randn(B, N, A))


def make_edit_select(is_trained=False):
    corrector = EditSelect(L, FREE_CHUNK, N, (16, 16), 0.2, 0.05)
    if is_trained:
        torch.nn.init.normal_(corrector.residual.network.head.weight, std=10.0)
    return corrector


def test_edits_are_bounded_and_stand_behind_the_plans_that_they_are_of():
    corrector, base = make_edit_select(is_trained=True), draw_plans()
    with torch.no_grad():
        candidates = corrector.propose(torch.randn(B, L), base, None)
    assert candidates.shape == (B, 2 * N, K * A)
    assert torch.equal(candidates[:, :N], base.plans)
    moved = (candidates[:, N:] - base.plans).abs()
    assert 0.19 < float(moved.max()) <= 0.2 + 1e-6
    assert float(moved.unflatten(2, (K, A))[..., 6].max()) == 0.0, "the gripper is the base policy's"


def test_edits_of_zero_are_the_plans_bit_for_bit():
    base = draw_plans()
    candidates = make_edit_select().propose(torch.randn(B, L), base, None)
    assert torch.equal(candidates[:, N:], candidates[:, :N])


def test_where_the_gate_is_shut_nobody_chooses_among_plans():
    base, latent = draw_plans(), torch.randn(B, L)
    first = base.plans[:, :1]
    for corrector in (make_edit_select(is_trained=True), BestOfN(torch.zeros_like(FREE_CHUNK), N)):
        candidates = corrector.propose(latent, base, torch.randn(B, corrector.noise_size))
        assert torch.equal(candidates, first.expand(-1, corrector.candidates, -1))
        corrector.gate.fill_(1.0)
        assert not torch.equal(corrector.propose(latent, base, torch.randn(B, corrector.noise_size)), candidates)


def test_the_best_of_n_is_what_the_critics_prefer():
    config = CorrectorConfig("best_of_n", candidates=N, chunk=K, ensemble=4)
    layout = config.make_layout(A)
    policy = CorrectedPolicy(PolicySpec(P + layout.size, A, grippers=1, hidden=(16, 16)), config)
    plans = torch.rand(B, N, K * A)
    proprio = torch.cat([torch.randn(B, P), plans.flatten(1)], 1)
    observations = Observations(proprio, {}, plans[:, 0, :A])
    seen = policy.see(observations)
    assert torch.equal(seen.base.plans, plans)
    chosen = policy.act(observations, None)
    values = evaluate(policy.critic, seen.latent, plans).mean(0)
    for row in range(B):
        assert torch.equal(chosen[row], plans[row, values[row].argmax()])


def test_chosen_noise_is_bounded_and_the_base_policys_own_where_the_gate_is_shut():
    corrector, base = NoiseSteer(L, FREE_CHUNK, A, (16, 16), 1.5, 0.3), draw_plans()
    latent, noise = torch.randn(B, L), torch.randn(B, corrector.noise_size)
    assert corrector.steer(latent).abs().max() == 0.0
    assert torch.equal(corrector.propose(latent, base, noise)[:, 0], base.noise[:, 0])
    torch.nn.init.normal_(corrector.actor.head.weight, std=10.0)
    corrector.gate.fill_(1.0)
    with torch.no_grad():
        chosen = corrector.propose(latent, base, noise)
    assert 1.4 < float(chosen.abs().max()) <= 1.5


def test_a_residual_never_exceeds_its_scale_nor_the_range_of_actions():
    corrector, base = make_additive(scale=0.2, is_trained=True), draw_base()
    with torch.no_grad():
        action = corrector.propose(100.0 * torch.randn(B, L), to_base(base), None)[:, 0]
    assert float((action - base).abs().max()) <= 0.2 + 1e-6
    assert float((action - base).abs().max()) > 0.19
    assert float(action.abs().max()) <= 1.0
    assert torch.equal(action[:, 6], base[:, 6]), "the gripper is the base policy's"


def test_the_base_policys_action_stays_a_candidate_of_a_residual_that_may_be_left_out():
    corrector, base, latent = make_additive(is_trained=True, keeps_base=True), draw_base(), torch.randn(B, L)
    corrector.gate.fill_(1.0)
    assert (corrector.candidates, corrector.of_base) == (2, 1)
    for noise in (None, torch.randn(B, A + 1)):
        candidates = corrector.propose(latent, to_base(base), noise)
        assert torch.equal(candidates[:, 0], base)
        assert bool((candidates[:, 1] != base).any(-1).all())
    without = make_additive(is_trained=True)
    without.load_state_dict(corrector.state_dict())
    for noise in (None, torch.randn(B, A + 1)):
        both, alone = (each.propose(latent, to_base(base), noise) for each in (corrector, without))
        assert torch.equal(both[:, 1:], alone)


def test_exploration_stays_on_the_corrected_elements_and_in_range():
    corrector, base = make_additive(noise_std=0.5), draw_base()
    corrector.gate.fill_(1.0)
    with torch.no_grad():
        action = corrector.propose(torch.randn(B, L), to_base(base), torch.randn(B, A + 1))[:, 0]
    assert torch.equal(action[:, 6], base[:, 6])
    assert float((action - base)[:, :6].std()) == pytest.approx(0.4, abs=0.1)  # some of it is clipped
    assert float(action.abs().max()) <= 1.0


def test_the_gradient_passes_where_the_sum_is_clipped():
    corrector = make_additive()
    base = torch.ones(1, A)
    torch.nn.init.constant_(corrector.residual.network.head.bias, 0.5)
    action = corrector.improve(torch.randn(1, L), to_base(base))[:, 0]
    assert action.detach().tolist() == [[1.0] * A]
    (gradient,) = torch.autograd.grad(action.sum(), corrector.residual.network.head.bias)
    assert float(gradient[:6].min()) > 0.1
    assert float(gradient[6]) == 0.0


def test_people_are_imitated_only_within_the_range_of_the_residual():
    corrector, base = make_additive(scale=0.2), torch.zeros(2, A)
    action = torch.zeros(2, A)
    action[0, 0], action[0, 1], action[0, 6] = 0.1, 0.5, 1.0  # half of the range, beyond it, the gripper
    assert corrector.imitate(torch.randn(2, L), to_base(base), action).tolist() == pytest.approx([0.25, 0.0])


def test_a_choosers_actor_follows_people_everywhere():
    chooser, action = Chooser(L, FREE, (16, 16), 0.1), torch.zeros(1, A)
    action[0, 1], action[0, 6] = 0.5, 1.0
    assert chooser.imitate(torch.randn(1, L), to_base(torch.zeros(1, A)), action).tolist() == pytest.approx([0.25])


def test_what_was_chosen_is_taken_row_by_row():
    candidates = torch.arange(12.0).view(2, 3, 2)
    assert take(candidates, torch.tensor([1, 2])).tolist() == [[2.0, 3.0], [10.0, 11.0]]


@pytest.mark.parametrize(
    ("gains", "chosen"),
    [
        ((0.2, 0.2), 1),  # they agree
        ((0.5, -0.2), 1),  # 0.15 on the whole, a quarter of 0.35 apart
        ((0.5, -0.4), 0),  # 0.05 on the whole, a quarter of 0.45 apart
        ((0.0, 0.0), 0),
        ((-0.1, -0.1), 0),
    ],
)
def test_another_than_the_base_policys_candidate_is_chosen_where_it_is_surely_better(gains, chosen):
    of_base = torch.tensor([0.7, 0.3])  # what they think of the base policy's own does not matter, if they differ
    values = torch.stack([of_base, of_base + torch.tensor(gains)], dim=-1)[:, None]
    assert choose(values, 1).tolist() == [chosen]


def test_who_has_learned_little_relies_on_the_base_policy():
    values = torch.tensor([[[0.4, 0.9]], [[0.4, 0.3]]])  # gains 0.5 and -0.1: 0.2 on the whole, 0.3 apart
    assert [choose(values, 1, caution).tolist() for caution in (1.0, 0.7, 0.6, 0.25)] == [[0], [0], [1], [1]]


def test_of_the_base_policys_own_candidates_the_best_is_chosen_however_unsure_it_is():
    values = torch.tensor([[[0.4, 0.9, 0.55]], [[0.4, 0.1, 0.55]]])  # (E, B, M)
    assert choose(values, 3).tolist() == [2]
    assert choose(values, 2).tolist() == [1], "0.5 on the whole; the third gains 0.05, a quarter of 0.4 apart"


def test_candidates_are_valued_as_if_each_were_asked_about_alone():
    critic = CriticEnsemble(3, L + A, (8,))
    latent, candidates = torch.randn(B, L), torch.randn(B, 2, A)
    values = evaluate(critic, latent, candidates)
    for index in range(2):
        torch.testing.assert_close(values[..., index], critic(latent, candidates[:, index]))


def test_what_a_residual_uses_of_its_range_is_measured():
    corrector = make_additive()
    assert {
        name: float(value) for name, value in corrector.measure(torch.randn(B, L), to_base(draw_base())).items()
    } == {
        "residual/used": 0.0,
        "residual/saturated": 0.0,
    }
    torch.nn.init.constant_(corrector.residual.network.head.bias, 9.0)
    assert float(corrector.measure(torch.randn(B, L), to_base(draw_base()))["residual/saturated"]) == 1.0


def test_an_identity_has_nothing_to_train():
    identity = Identity(torch.zeros(A, dtype=torch.bool))
    assert list(identity.parameters()) == []
    assert identity.improve(torch.randn(1, L), to_base(draw_base(1))) is None
    assert identity.imitate(torch.randn(1, L), to_base(draw_base(1)), draw_base(1)) is None


def test_without_a_base_policy_there_is_no_action():
    with pytest.raises(SpecError, match="was the run given a base"):
        make_policy("additive").act(Observations(torch.randn(1, P), {}), None)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"scale": 0.0}, "scale"),
        ({"subsample": 11}, "subsample"),
        ({"subsample": -1}, "subsample"),
        ({"ensemble": 0, "subsample": 0}, "ensemble must be at least 1"),
        ({"tau": 0.0}, "tau"),
        ({"tau": 1.5}, "tau"),
        ({"average_decay": 1.0}, "average_decay"),
        ({"noise_std": -0.1}, "noise_std"),
        ({"actor_warmup_updates": -1}, "actor_warmup_updates"),
        ({"caution_updates": -1}, "caution_updates"),
        ({"return_range": (1.0, 0.0)}, "return_range"),
        ({"name": "additive", "candidates": 3}, "one action at a time"),
        ({"name": "chooser", "chunk": 2}, "one action at a time"),
        ({"name": "best_of_n", "candidates": 1}, "candidates >= 2"),
        ({"name": "edit_select"}, "candidates >= 1"),
        ({"name": "noise_steer", "candidates": 2, "noise_bound": 0.0}, "noise_bound"),
        ({"name": "noise_steer", "candidates": 2, "conservative_weight": 0.1}, "proposes noise"),
        ({"name": "edit_select", "candidates": 2, "plan_steps": 4}, "plan_steps must be 0"),
    ],
)
def test_what_cannot_be_is_named(values, match):
    with pytest.raises(ConfigError, match=match):
        CorrectorConfig(**values)
    with pytest.raises(ConfigError, match="corrects nothing"):
        make_policy("none")
