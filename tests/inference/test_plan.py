"""Plans in time, reranking, composition, hysteresis, meters and the estimate of the noise."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from robot_rl.errors import ConfigError, SpecError
from robot_rl.inference.composition import Composition
from robot_rl.inference.hysteresis import Hysteresis
from robot_rl.inference.meter import Meter
from robot_rl.inference.noise_level import estimate_noise_level
from robot_rl.inference.plan import Plan
from robot_rl.inference.problem import solve
from robot_rl.inference.rerank import BackwardCoherence, ForwardContrast, PastAgreement, Rerank, Sum
from robot_rl.inference.samplers import DDIM
from tests.inference.analytic import Mixture, noise, problem, schedule


def plan_of(*values):
    chunk = torch.tensor(values, dtype=torch.float64)[None, :, None]
    return Plan(chunk, chunk + 100.0, stamp_ns=50, period_ns=10)


def test_a_plan_moves_on_with_its_noise():
    moved = plan_of(1, 2, 3, 4).advance(2, torch.tensor([7.0, 7.0, 8.0, 9.0], dtype=torch.float64)[None, :, None])
    assert moved.chunk.flatten().tolist() == [3, 4, 4, 4]
    assert moved.noise.flatten().tolist() == [103, 104, 8, 9]
    assert moved.stamp_ns == 70
    assert plan_of(1, 2).advance(0, noise(1, horizon=2)).chunk.flatten().tolist() == [1, 2]
    far = plan_of(1, 2).advance(5, noise(1, horizon=2))
    assert far.chunk.flatten().tolist() == [2, 2]
    assert torch.equal(far.noise, noise(1, horizon=2))
    assert far.stamp_ns == 100
    with pytest.raises(SpecError, match="got -1"):
        plan_of(1).advance(-1, noise(1))
    with pytest.raises(SpecError, match=r"\(1, 2, 1\) and \(1, 3, 1\)"):
        Plan(noise(1, horizon=2), noise(1, horizon=3))


@given(first=st.integers(0, 6), second=st.integers(0, 6))
def test_moving_on_twice_is_moving_on_once(first, second):
    fresh = torch.arange(5.0)[None, :, None]
    plan = Plan(torch.rand(1, 5, 1), torch.rand(1, 5, 1))
    twice = plan.advance(first, fresh).advance(second, fresh)
    once = plan.advance(first + second, fresh)
    assert torch.equal(twice.chunk, once.chunk)
    assert twice.stamp_ns == once.stamp_ns
    kept = max(0, 5 - first - second)
    assert torch.equal(twice.noise[:, :kept], once.noise[:, :kept])


def test_positions_are_periods():
    plan = plan_of(1, 2, 3)
    assert [plan.position_at(stamp) for stamp in (47, 50, 57, 60, 95)] == [-1, 0, 0, 1, 4]
    assert [plan.position_at(stamp) for stamp in (48, 58)] == [0, 1], "stamps tremble"


def test_the_candidate_that_fits_best_is_taken():
    denoiser = Mixture(0.02, schedule())
    previous = Plan(torch.full((1, 4, 1), 0.5).double(), noise(1, 1, 4))
    given = problem(denoiser, (-0.5, 0.5), noise(1, 2, 4), previous)
    best, count = solve(Rerank(DDIM(10), 16, BackwardCoherence()), given)
    assert best.chunk.shape == best.noise.shape == (1, 4, 1)
    assert count == 10
    assert denoiser.evaluations == 10, "all in one batch"
    others = torch.randn(15, 4, 1, generator=given.make_generator()).double()
    every = solve(DDIM(10), replace(given, noise=torch.cat([given.noise, others])))[0].chunk
    distances = (every[:, :, 0] - 0.5).abs() @ (0.5 ** torch.arange(4).double())
    assert torch.equal(best.chunk[0], every[distances.argmin()])
    executed = torch.tensor([-0.5, 0.5, 0.5, -0.5]).double()[None, :, None]
    did = replace(given, previous=Plan(executed, executed))
    past = solve(Rerank(DDIM(10), 16, PastAgreement(2)), did)[0]
    assert (past.chunk[0, :2] - executed[0, :2]).abs().max() < 0.2
    with pytest.raises(ConfigError, match="one decision at a time, got 3"):
        solve(Rerank(DDIM(10), 16, BackwardCoherence()), problem(denoiser, 0.0, noise(3)))
    again = solve(Rerank(DDIM(10), 16, BackwardCoherence()), given)[0]
    assert torch.equal(again.chunk, best.chunk), "the noise decides"


def test_forward_contrast_prefers_what_the_weak_policy_does_not_do():
    strong, weak = Mixture(0.02, schedule()), Mixture(0.02, schedule())
    given = problem(strong, (-0.5, 0.5), noise(1, 2))
    score = ForwardContrast(DDIM(10), problem(weak, -0.5, noise(32, 3)), kept=3)
    assert float(solve(Rerank(DDIM(10), 32, score), given)[0].chunk) == pytest.approx(0.5, abs=0.1)
    first = BackwardCoherence()(noise(32, 2), given)
    assert torch.equal(Sum((score, BackwardCoherence()))(noise(32, 2), given), score(noise(32, 2), given) + first)


def test_the_score_of_a_composition_is_between_those_of_its_parts():
    """Gaussians of one spread: the mixed score is that of a Gaussian between them."""
    first, second = Mixture(0.1, schedule()), Mixture(0.1, schedule(prediction="velocity"))
    both = Composition(first, second, 0.25)
    x = noise(3, 1)
    ours = both(x, 30, both.prepare(torch.tensor([[0.8]]).double()), 0)
    expected = 0.75 * first(x, 30, torch.tensor([[0.8]]).double(), 0) + 0.25 * second(
        x, 30, torch.tensor([[0.8]]).double(), 0
    )
    assert torch.allclose(ours, expected)
    with pytest.raises(ConfigError, match=r"from 0 to 1, got 1.5"):
        Composition(first, second, 1.5)
    with pytest.raises(ConfigError, match="cosine with 100 levels and linear with 100"):
        Composition(first, Mixture(0.1, schedule("linear")), 0.5)


def test_a_gripper_changes_only_when_it_was_asked_for_twice():
    hold = Hysteresis(np.array([False, True]), ticks=2)
    wanted = [0.2, -0.1, 0.3, -0.1, -0.2, -0.3, 0.1, 0.1]
    served = [hold(np.array([5.0, value], np.float32)).tolist() for value in wanted]
    assert [value for _, value in served] == [1, 1, 1, 1, -1, -1, -1, 1]
    assert all(other == 5.0 for other, _ in served)
    hold.reset()
    served = [hold(np.array([0.0, value], np.float32))[1] for value in (0.0, 0.0, -0.4, 0.0, 0.3, 0.0, 0.3)]
    assert served == [0, 0, -1, -1, -1, -1, 1], "0 asks for nothing: what is held stays, and nothing before that"
    hold.reset()
    assert hold(np.array([0.0, -1.0], np.float32))[1] == -1.0
    assert Hysteresis(np.array([False]))(np.array([0.3], np.float32)).tolist() == pytest.approx([0.3])
    with pytest.raises(ConfigError, match="at least 1 tick"):
        Hysteresis(np.array([True]), 0)


def test_a_meter_forgets_all_but_the_newest_and_the_worst():
    meter = Meter(capacity=100)
    assert meter.quantile_ns(0.99) == 0
    meter.note(9_000_000)
    for duration_ms in range(1, 101):
        meter.note(duration_ms * 10_000)
    summary = meter.summarise()
    assert dataclasses.astuple(summary) == pytest.approx((101, 0.505, 0.955, 1.0, 9.0), abs=0.011)
    assert len(meter) == 101


def test_the_noise_level_of_modes_whose_spread_and_distance_are_known():
    generator = torch.Generator().manual_seed(0)
    spread, distance = 0.03, 0.9
    sides = torch.randint(0, 2, (50, 32, 1, 1), generator=generator) - 0.5
    samples = sides * distance + spread * torch.randn(50, 32, 4, 2, generator=generator)
    moved, anew = torch.zeros(50, 4, 2), 0.05 * torch.ones(50, 4, 2)
    level = estimate_noise_level(samples, moved, anew)
    assert level.spread == pytest.approx(spread, rel=0.1)
    assert level.motion == pytest.approx(0.05)
    assert level.mode_distance == pytest.approx(distance, rel=0.1)
    assert level.share_of_two > 0.95
    assert level.sigma == 0.5, "never less, however narrow the modes"
    one = estimate_noise_level(spread * torch.randn(50, 32, 4, 2, generator=generator), moved, 10 * anew)
    assert one.share_of_two < 0.1
    far = estimate_noise_level(samples, moved, 20 * anew)
    assert far.sigma == pytest.approx(1.0), "the motion"
    wide = estimate_noise_level(0.4 * torch.randn(50, 32, 4, 2, generator=generator), moved, anew)
    assert wide.sigma == pytest.approx(0.8, rel=0.1), "twice the spread"
    with pytest.raises(ConfigError, match="0 of 8"):
        estimate_noise_level(torch.zeros(0, 8, 4, 2), moved, anew)
