"""Every sampler against what the exact denoiser of a Gaussian, or of a mixture, leads to."""

import math

import pytest
import torch

from robot_rl.errors import ConfigError, UnknownNameError
from robot_rl.inference.plan import Plan
from robot_rl.inference.problem import solve
from robot_rl.inference.samplers import DDIM, DDPM, RTC, RTI, SAMPLERS, DPMSolver, Euler, Heun, Relay, make_sampler
from robot_rl.inference.samplers.relay import relay_levels
from robot_rl.inference.samplers.rtc import guidance_weights
from tests.inference.analytic import Mixture, ddim_factor, noise, problem, schedule

CENTRE, STD = 0.4, 0.1
PARAMETRISATIONS = [
    ("cosine", "epsilon"),
    ("cosine", "sample"),
    ("cosine", "velocity"),
    ("linear", "epsilon"),
    ("flow", "flow"),
    ("flow", "velocity"),
    ("exponential", "epsilon"),
]


def sample(sampler, denoiser, rows=4, centres=CENTRE, previous=None, **more):
    estimate, _ = solve(sampler, problem(denoiser, centres, noise(rows), previous, **more))
    return estimate.chunk[:, 0, 0]


@pytest.mark.parametrize(("kind", "prediction"), PARAMETRISATIONS)
@pytest.mark.parametrize("steps", [2, 3, 10])
def test_ddim_of_a_gaussian_is_the_product_of_its_steps(kind, prediction, steps):
    """Each step leaves the share c + sigma' / sigma (1 - c) of the offset from the centre, whatever is predicted."""
    table = schedule(kind, prediction)
    start = table.noise(len(table) - 1) * noise(4)[:, 0, 0] - table.signal(len(table) - 1) * CENTRE
    expected = CENTRE + _leave(table, table.spread_levels(steps), start)
    assert sample(DDIM(steps), Mixture(STD, table)) == pytest.approx(expected.numpy(), abs=1e-6)


def _leave(table, levels, offset_at_start):
    """Offset of x0 from the centre, after DDIM steps by hand; `offset_at_start` is of x, so also without signal."""
    offset = offset_at_start
    for index, level in enumerate(levels):
        a, s = table.signal(level), table.noise(level)
        x0 = a * STD**2 / (a * a * STD**2 + s * s) * offset
        if index + 1 == len(levels):
            return x0
        following = levels[index + 1]
        offset = table.signal(following) * x0 + table.noise(following) * (offset - a * x0) / s
    return offset


@pytest.mark.parametrize("kind", ["cosine", "flow"])
@pytest.mark.parametrize(
    "sampler", [DDIM(500), DPMSolver(50), Euler(500), Heun(50), RTC(500)], ids=lambda sampler: type(sampler).__name__
)
def test_many_steps_are_the_probability_flow(sampler, kind):
    """It takes the noise e to centre + s e."""
    std, table = 0.5, schedule(kind, "velocity", levels=1000)
    values = sample(sampler, Mixture(std, table))
    assert values == pytest.approx((CENTRE + std * noise(4)[:, 0, 0]).numpy(), abs=0.03 * std)


@pytest.mark.parametrize("sampler", [DDPM(), DDIM(100, eta=1.0)], ids=["ddpm", "ddim with fresh noise"])
def test_ancestral_samplers_have_the_mean_and_spread_that_their_steps_give(sampler):
    """By hand: of what is left of an offset, and of the noise that each step adds; both are linear."""
    table, rows = schedule(), 20_000
    kept, variance = 1.0, float(table.sigma(99)) ** 2
    for level in range(99, -1, -1):
        share = STD**2 / (STD**2 + table.sigma(level) ** 2)
        if level == 0:
            variance *= share**2
            break
        ratio = (table.sigma(level - 1) / table.sigma(level)) ** 2
        kept = share + ratio * (1.0 - share)
        variance = kept**2 * variance + table.sigma(level - 1) ** 2 * (1.0 - ratio)
    values = sample(sampler, Mixture(STD, table), rows=rows)
    assert math.sqrt(variance) == pytest.approx(STD, rel=0.15), "so a hundred steps make them narrower than the data"
    assert float(values.mean()) == pytest.approx(CENTRE, abs=4 * STD / math.sqrt(rows))
    assert float(values.std()) == pytest.approx(math.sqrt(variance), rel=0.03)


def test_euler_and_ddim_are_the_same_steps():
    for kind, prediction in PARAMETRISATIONS:
        denoiser = Mixture(STD, schedule(kind, prediction))
        assert sample(Euler(7), denoiser) == pytest.approx(sample(DDIM(7), denoiser).numpy(), abs=1e-9)


def test_the_second_order_is_worth_its_name():
    """With twice the steps the error of a first-order solver halves, that of a second-order one quarters."""
    table = schedule("flow", "flow", levels=1024)
    exact = CENTRE + STD * noise(4)[:, 0, 0]

    def error(sampler):
        return float((sample(sampler, Mixture(0.5, table)) - (CENTRE + 0.5 * (exact - CENTRE) / STD)).abs().max())

    assert error(Euler(17)) / error(Euler(33)) == pytest.approx(2.0, rel=0.2)
    assert error(Heun(17)) / error(Heun(33)) > 3.0
    assert error(Heun(17)) < 0.2 * error(Euler(33))


@pytest.mark.parametrize("std", [0.02, 0.05, 0.1, 0.3])
@pytest.mark.parametrize("level", [5, 10, 20, 40])
def test_ancestral_steps_from_the_guess_leave_what_the_formula_says(std, level):
    """s^2 / (s^2 + sigma^2), exactly, whatever levels are between."""
    table = schedule()
    denoiser = Mixture(std, table)
    offset, rows = 0.5, 4000
    previous = Plan(torch.full((rows, 1, 1), offset, dtype=torch.float64), noise(rows, seed=1))

    class FromGuess:
        def __call__(self, given):
            from robot_rl.inference.samplers.ddpm import ancestral

            x = table.mix(previous.chunk, previous.noise, level)
            yield from ancestral(given, x, range(level, -1, -1), table)

    values = sample(FromGuess(), denoiser, rows, centres=0.0, previous=previous)
    expected = std**2 / (std**2 + table.sigma(level) ** 2) * offset
    assert float(values.mean()) == pytest.approx(expected, abs=5 * std / math.sqrt(rows))


@pytest.mark.parametrize("std", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("level", [10, 20, 40])
def test_relay_leaves_of_a_wrong_guess_what_the_formula_says(std, level):
    """s / sqrt(s^2 + sigma^2) in fine steps, and in few the product of the steps, exactly."""
    table = schedule(levels=100)
    denoiser, offset = Mixture(std, table), 0.5
    kept = noise(4, seed=1)
    previous = Plan(torch.full((4, 1, 1), offset, dtype=torch.float64), kept)
    for steps, temperature in ((1, 1.0), (2, 1.0), (3, 1.0), (2, 0.5), (2, 0.0)):
        relay = Relay(table.sigma(level), steps, temperature, large_change=None, wrong_change=None)
        sigmas = [table.sigma(each) for each in relay_levels(table, table.sigma(level), steps)]
        expected = ddim_factor(std, sigmas) * (offset + temperature * sigmas[0] * kept[:, 0, 0])
        assert sample(relay, denoiser, centres=0.0, previous=previous) == pytest.approx(expected.numpy(), abs=1e-9)
    table = schedule(levels=1000)
    start = table.nearest(schedule().sigma(level))
    fine = ddim_factor(std, [table.sigma(each) for each in range(start, -1, -1)])
    assert fine == pytest.approx(std / math.hypot(std, table.sigma(start)), rel=0.1)


def test_relay_levels_lie_around_sigma_and_never_repeat():
    table = schedule()
    assert relay_levels(table, table.sigma(20), 1) == [20]
    assert relay_levels(table, table.sigma(20), 2) == [20, 5]
    assert relay_levels(table, table.sigma(20), 3) == [38, 20, 5]
    assert relay_levels(table, table.sigma(20), 4) == [59, 38, 20, 5]
    assert relay_levels(table, 1e-4, 3) == [0]


@pytest.mark.parametrize(
    ("offset", "evaluations"),
    [(0.0, 1), (0.1, 2), (0.45, 1 + 3), (1.5, 1 + 4)],
    ids=["settled", "as usual", "far", "wrong"],
)
def test_relay_spends_what_the_first_evaluation_calls_for(offset, evaluations):
    denoiser = Mixture(0.02, schedule())
    relay = Relay(0.35, 2, spread=0.1, settled_change=0.5, large_change=3.0, wrong_change=10.0, cold_steps=4)
    previous = Plan(torch.full((1, 1, 1), offset, dtype=torch.float64), noise(1))
    given = problem(denoiser, 0.0, noise(1), previous)
    estimate, count = solve(relay, given)
    assert denoiser.evaluations == count == evaluations
    assert abs(float(estimate.chunk)) < 0.05


def test_what_relay_yields_on_the_way_is_never_worse_than_the_first():
    """Who is stopped in the middle of a cold start still has the first estimate, not the blur of all modes."""
    denoiser = Mixture(0.02, schedule())
    previous = Plan(torch.full((1, 1, 1), 2.0, dtype=torch.float64), noise(1))
    relay = Relay(0.35, 2, wrong_change=5.0, cold_steps=6)
    errors = [
        min(abs(abs(float(each.chunk)) - 0.5), 9.0)
        for each in relay(problem(denoiser, (-0.5, 0.5), noise(1), previous))
    ]
    assert len(errors) == 7
    assert all(error <= errors[0] + 0.05 for error in errors)
    assert errors[-1] < 0.1


def test_a_gripper_can_change_its_mind_with_relay_and_not_without_its_mask():
    """Whether it closes is what the observation says, though the plan so far says the opposite."""
    table = schedule()
    gripper = torch.tensor([True])
    previous = Plan(torch.ones(64, 1, 1, dtype=torch.float64), noise(64, seed=1))
    relay = Relay(0.35, 2, large_change=None, wrong_change=None)

    class Mostly(Mixture):
        """-1 with certainty but for one in a thousand."""

        def posterior_mean(self, x, level, prepared):
            a, s = self.schedule.signal(level), self.schedule.noise(level)
            logit = 2.0 * a * x / (s * s) + math.log(1e-3)
            return torch.tanh(0.5 * logit)

    denoiser = Mostly(0.02, table)
    free = sample(relay, denoiser, previous=previous, rows=64, discrete=gripper)
    stuck = sample(relay, denoiser, previous=previous, rows=64)
    assert bool((free < -0.9).all())
    assert float((stuck < 0).double().mean()) < 0.1


def test_guidance_brings_the_chunk_to_the_plan_where_it_is_still_known():
    """Two modes: a new chunk chooses that of the plan so far, and keeps the committed actions bit for bit."""
    denoiser = Mixture(0.05, schedule("flow", "flow"))
    rows, horizon = 512, 8
    old = torch.full((rows, horizon, 1), 0.5, dtype=torch.float64)
    given = problem(denoiser, (-0.5, 0.5), noise(rows, 4, horizon), Plan(old, noise(rows, 3, horizon)), committed=2)
    chunk = solve(RTC(10, executed=2), given)[0].chunk[..., 0]
    assert torch.equal(chunk[:, :2], old[:, :2, 0])
    same = (chunk > 0).double().mean(0)
    assert float(same[2]) > 0.8, "guided"
    assert float(same[2]) > float(same[4]) > float(same[6]) - 0.05
    assert 0.4 < float(same[7]) < 0.6, "beyond the plan so far nothing is known"


def test_guidance_goes_through_the_network():
    """By hand for a Gaussian, whose Jacobian is a number for each level; an identity in its place gives another."""
    table, target = schedule("flow", "flow"), 0.9
    given = problem(Mixture(STD, table), CENTRE, noise(4), Plan(torch.full((4, 1, 1), target), noise(4)))
    rtc = RTC(5, max_guidance=5.0)
    weight = float(guidance_weights(2, 0, 1)[0])
    given2 = problem(
        Mixture(STD, table), CENTRE, noise(4, 0, 2), Plan(torch.full((4, 2, 1), target).double(), noise(4, 1, 2))
    )
    y = noise(4, 0, 2)[:, 0, 0]
    levels = table.spread_levels(5)
    for index, level in enumerate(levels):
        tau = table.signal(level)
        jacobian = tau * STD**2 / (tau**2 * STD**2 + (1.0 - tau) ** 2)
        free = CENTRE + jacobian * (y - tau * CENTRE)
        strength = 5.0 if tau == 0.0 else min(5.0, tau / (1.0 - tau) + (1.0 - tau) / tau)
        x0 = free + (1.0 - tau) * strength * jacobian * weight * (target - free)
        if index + 1 < len(levels):
            y = y + (table.signal(levels[index + 1]) - tau) / (1.0 - tau) * (x0 - y)
    assert solve(rtc, given2)[0].chunk[:, 0, 0] == pytest.approx(x0.numpy(), abs=1e-9)
    assert guidance_weights(1, 0, 1).tolist() == [0.0]
    assert torch.isfinite(solve(rtc, given)[0].chunk).all()


def test_guidance_works_where_an_engine_has_switched_gradients_off():
    def guided():
        plan = Plan(torch.full((1, 6, 1), 0.5).double(), noise(1, 1, 6))
        return solve(RTC(3), problem(Mixture(0.1, schedule("flow", "flow")), 0.3, noise(1, 2, 6), plan))[0].chunk

    with torch.inference_mode():
        ours = guided()
    assert torch.equal(ours, guided())


def test_no_pull_is_longer_than_the_best_denoisers():
    """A network whose estimate depends a thousandfold on the noisiest input does not throw the chunk away."""

    class Steep(Mixture):
        def __call__(self, x_BHA, level, prepared, committed):
            factor = 1000.0 if level == len(self.schedule) - 1 else 1.0
            return super().__call__(factor * x_BHA, level, prepared, committed)

    table = schedule("flow", "flow")
    plan = Plan(torch.full((8, 6, 1), 0.3).double(), noise(8, 1, 6))
    chunk = solve(RTC(5), problem(Steep(STD, table), 0.3, noise(8, 2, 6), plan))[0].chunk
    plain = solve(RTC(5), problem(Mixture(STD, table), 0.3, noise(8, 2, 6), plan))[0].chunk
    assert float((chunk - plain).abs().max()) < 0.5


def test_guidance_weights_by_hand():
    weights = guidance_weights(6, 2, 2)
    share = (4 - 2) / (4 - 2 + 1)
    assert weights[:3].tolist() == pytest.approx([1.0, 1.0, share * math.expm1(share) / math.expm1(1.0)])
    assert weights[4:].tolist() == [0.0, 0.0]
    assert guidance_weights(6, 5, 2).tolist() == [1.0] * 5 + [0.0], "what is committed outlasts what is known"
    with pytest.raises(ConfigError, match="horizon = 6, got 7"):
        guidance_weights(6, 7, 2)


@pytest.mark.parametrize("sampler", [DDIM(3), DDPM(), DPMSolver(3), Euler(3), Heun(3), Relay(), RTI(), RTC(3)])
def test_committed_actions_are_kept_and_the_result_depends_on_the_noise_alone(sampler):
    denoiser = Mixture(0.1, schedule("cosine", "velocity"))
    previous = Plan(torch.rand(2, 6, 3, dtype=torch.float64), noise(2, 1, 6, 3))
    given = problem(denoiser, 0.3, noise(2, 2, 6, 3), previous, committed=2)
    first, second = (solve(sampler, given)[0].chunk for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(first[:, :2], previous.chunk[:, :2])
    other = solve(sampler, problem(denoiser, 0.3, noise(2, 9, 6, 3), previous, committed=2))[0].chunk
    warm_without_noise = isinstance(sampler, Relay)
    assert torch.equal(first, other) == warm_without_noise


@pytest.mark.parametrize("sampler", [DDIM(3), DDPM(), DPMSolver(3), Euler(3), Heun(3), Relay(), RTI(), RTC(3)])
def test_after_each_evaluation_there_is_a_valid_chunk(sampler):
    table = schedule("cosine", "velocity", levels=20, clip=1.0)
    denoiser = Mixture(0.1, table)
    for previous in (None, Plan(3.0 * noise(2, 1, 6, 3).sign(), noise(2, 1, 6, 3))):
        denoiser.evaluations = 0
        for count, estimate in enumerate(sampler(problem(denoiser, 0.3, noise(2, 2, 6, 3), previous)), start=1):
            assert denoiser.evaluations == count
            assert estimate.chunk.shape == (2, 6, 3)
            assert estimate.chunk.abs().max() <= 1.0 or isinstance(sampler, RTC)


def test_names_and_settings_that_do_not_exist_are_answered_with_those_that_do():
    for name in SAMPLERS:
        assert type(make_sampler(name)) is SAMPLERS[name]
    with pytest.raises(UnknownNameError, match=r"Valid are: .*relay"):
        make_sampler("rely")
    with pytest.raises(ConfigError, match="has no setting 'step'; it has: eta, steps"):
        make_sampler("ddim", step=3)
    with pytest.raises(ConfigError, match="from 1 to 100, got 0"):
        solve(DDIM(0), problem(Mixture(0.1, schedule()), 0.0, noise(1)))
    for wrong in ({"sigma": 0.0}, {"spread": -1.0}, {"steps": 0}, {"temperature": 1.1}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            Relay(**wrong)
    with pytest.raises(ConfigError, match="executed"):
        RTC(executed=0)
