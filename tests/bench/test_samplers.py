"""The comparison of samplers on Push-T: its metrics by hand, and rollouts, some with a known denoiser."""

import math

import numpy as np
import pytest
import torch

from robot_rl.bench.arenas import PushTArena
from robot_rl.bench.sampler_comparison import compare
from robot_rl.bench.sampler_metrics import (
    Recovery,
    Trial,
    count_recovery,
    find_seam,
    find_switches,
    measure_jerks,
    pool_recoveries,
    pool_trials,
    summarise_latency,
    summarise_recovery,
    summarise_trial,
    switch_threshold,
)
from robot_rl.bench.sampler_trials import (
    ENTRIES,
    WATCH_TICKS,
    Rollout,
    measure_recovery,
    run_trial,
    scene_seeds,
    time_decisions,
)
from robot_rl.inference.noise_level import NoiseLevel
from robot_rl.inference.samplers.ddim import DDIM
from robot_rl.policies.chunk_executor import Tick
from robot_rl.policies.diffusion import DiffusionPolicy
from tests.push_t_policies import LEVEL, make_network

ARENA = PushTArena()


class Follower:
    """Knows the clean chunk, whatever the noise: everywhere the same, and it follows the block's x a little."""

    is_prefix_trained = False

    def __init__(self, schedule):
        self.schedule = schedule

    def prepare(self, condition):
        return -0.9 + 0.2 * condition[:, condition.shape[1] // 2 + 2]

    def __call__(self, x_BHA, level, prepared, committed):
        return prepared[:, None, None].expand_as(x_BHA) + 0.0 * x_BHA


@pytest.fixture(scope="module")
def follower():
    policy = DiffusionPolicy(make_network(), DDIM())
    policy.denoiser = Follower(policy.denoiser.schedule)
    return policy


def make_trial(solved, **more):
    values = {
        "is_solved": np.array(solved), "scores": np.array([0.96 if each else 0.5 for each in solved]),
        "control_steps": 10, "evaluations": 25, "decisions": 5, "switches": 1,
        "seams": np.array([3.0, 4.0]), "jerks": np.array([6.0, 8.0]),
    }  # fmt: skip
    return Trial(**{**values, **more})


# --- metrics by hand ----------------------------------------------------------------------------------------------


def test_jerk_is_the_third_difference_while_the_episode_runs():
    times = 0.1 * np.arange(6)
    cubic = np.stack([times**3, 0.0 * times], axis=-1)  # its third derivative is 6
    targets = np.stack([cubic, 2.0 * cubic], axis=1)
    is_running = np.ones((6, 2), bool)
    is_running[4:, 1] = False
    np.testing.assert_allclose(np.sort(measure_jerks(targets, is_running, 10.0)), [6.0, 6.0, 6.0, 12.0], rtol=1e-9)
    assert measure_jerks(targets[:2], is_running[:2], 10.0).size == 0


def test_a_seam_is_where_one_plan_takes_over_from_another():
    remaining = np.zeros((1, 3, 2), np.float32)
    remaining[0, 1] = (0.5, 0.0)
    last = Tick(remaining[:, 0], remaining, 2)
    action = np.array([[0.5 + 3.0 / 256.0, 4.0 / 256.0]], np.float32)
    assert find_seam(None, Tick(action, action[:, None], 0)) is None
    assert find_seam(last, Tick(action, action[:, None], 3)) is None  # the same plan, one step on
    assert find_seam(last._replace(remaining=remaining[:, :1]), Tick(action, action[:, None], 0)) is None
    planned = find_seam(last, Tick(action, action[:, None], 0))
    np.testing.assert_array_equal(planned, remaining[:, 1])
    np.testing.assert_allclose(ARENA.measure_jumps(action, planned), [5.0], rtol=1e-5)


def test_a_switch_is_seen_at_the_last_position_that_both_planned():
    moved, chunk = torch.zeros(3, 6, 2), torch.zeros(3, 6, 2)
    chunk[0, 5, 0] = 1.0  # not planned before: it does not count
    chunk[1, 4, 1] = -0.4
    chunk[2, 3, 1] = 1.0  # a detour
    assert find_switches(moved, chunk, 1, 0.3).tolist() == [False, True, False]
    assert find_switches(moved, chunk, 1, 0.5).tolist() == [False, False, False]
    assert switch_threshold(LEVEL) == 0.3
    assert switch_threshold(NoiseLevel(0.1, 0.0, math.inf, 0.0)) == pytest.approx(0.3)


def test_recovery_is_the_first_agreement():
    agrees = np.array([[True, False, False], [False, False, False], [True, True, False]])
    assert count_recovery(agrees).tolist() == [0, 2, 3]
    first = Recovery(np.array([0, 2]), np.array([True, False]))
    both = pool_recoveries([first, Recovery(np.array([12, 1]), np.array([True, True]))])
    assert summarise_recovery(both) == {
        "recovery_p50_ticks": 2, "recovery_p90_ticks": 12, "agreeing_before_push": 0.75
    }  # fmt: skip
    nobody = Recovery(np.empty(0, np.int64), np.empty(0, bool))
    assert set(summarise_recovery(nobody).values()) == {None}


def test_trials_are_pooled_by_their_sums():
    figures = summarise_trial(pool_trials([make_trial([True, True]), make_trial([False, True], evaluations=15)]))
    assert figures["successes"] == 3
    assert figures["success"] == 0.75
    assert figures["ci95"] == [0.3006, 0.9544]  # Wilson, 3 of 4
    assert figures["score"] == pytest.approx((3 * 0.96 + 0.5) / 4)
    assert figures["nfe_per_action"] == 2.0
    assert figures["seam_rms"] == pytest.approx(math.sqrt(12.5), abs=0.01)
    assert figures["seam_p95"] == 4.0
    assert figures["jerk_rms"] == 7
    assert figures["switches_per_decision"] == 0.2
    assert summarise_trial(make_trial([True], decisions=0, seams=np.empty(0)))["switches_per_decision"] is None


def test_a_percentile_of_durations_is_not_less_than_the_share_below_it():
    durations = np.arange(1, 101) * 1_000_000
    assert summarise_latency(durations) == {
        "decision_p50_ms": 51.0, "decision_p99_ms": 100.0, "decision_max_ms": 100.0
    }  # fmt: skip


def test_targets_are_judged_without_delay_and_with_every_policy():
    def row(sampler, success, **more):
        return {"sampler": sampler, "delay": 0, "success": success, "decision_p50_ms": 10.0, "by_policy": {"a": {}},
                "switches_per_decision": 0.1, "recovery_p90_ticks": 1, **more}  # fmt: skip

    rows = [row("relay-2", 0.9), row("ddim-10", 0.905, decision_p50_ms=50.0), row("rti", 0.8, delay=1)]
    found = compare(rows)
    assert found["relay_2_minus_ddim_10_points"] == -0.5
    assert found["relay_2_time_of_ddim_10"] == 0.2
    assert found["relay_2_minus_rti_points"] is None
    assert found["relay_2_recovery_p90_ticks"] == 1
    partial = compare([*rows[1:], row("relay-2", 0.9, by_policy={"a": {}, "b": {}})])
    assert partial["relay_2_minus_ddim_10_points"] is None


# --- rollouts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sampler", "ticks"), [("ddim-10", 4), ("ddim-10-every", 0), ("relay-1", 0), ("rti", 0)])
def test_a_plan_recovers_with_the_first_decision_that_sees_the_push(follower, sampler, ticks):
    rollout = Rollout(ARENA, follower, LEVEL, ENTRIES[sampler], 0, scene_seeds(0, 8), 0)
    calls = []
    recovery = measure_recovery(rollout, LEVEL.spread, lambda: calls.append(1))
    assert len(calls) == ARENA.push_tick + WATCH_TICKS
    assert recovery.is_agreeing_before.sum() >= 6  # the disc may run into a block on its way
    assert np.median(recovery.ticks[recovery.is_agreeing_before]) == ticks  # decided at 16, pushed at 20


def test_what_a_trial_counts(follower):
    rollout = Rollout(ARENA, follower, LEVEL, ENTRIES["ddim-10"], 0, scene_seeds(0, 3), 0)
    trial = run_trial(rollout, switch_threshold(LEVEL), 20, lambda: None)
    assert not trial.is_solved.any()
    assert trial.control_steps == 60
    assert trial.evaluations == 3 * 3 * 10  # at 0, 8 and 16
    assert trial.decisions == 2 * 3  # with a plan before
    assert trial.switches == 0
    assert len(trial.seams) == 2 * 3
    assert len(trial.jerks) == 3 * 17


def test_a_relay_begins_with_a_full_solve(follower):
    rollout = Rollout(ARENA, follower, LEVEL, ENTRIES["relay-2"], 2, scene_seeds(0, 1), 0)
    assert run_trial(rollout, 0.3, 7, lambda: None).evaluations == 10 + 3 * 2  # at 0; at 2, 4 and 6


def test_a_solved_scene_counts_no_more(follower):
    rollout = Rollout(ARENA, follower, LEVEL, ENTRIES["ddim-10-every"], 0, scene_seeds(0, 2), 0)
    states = rollout.scenes.env.save()
    states[0, :2], states[0, 4:7] = 50.0, (256.0, 256.0, math.pi / 4.0)  # on the goal, the disc elsewhere
    rollout.scenes.env.restore(states)
    trial = run_trial(rollout, 0.3, 5, lambda: None)
    assert trial.is_solved.tolist() == [True, False]
    assert trial.control_steps == 1 + 5
    assert trial.scores[0] > 0.95


def test_the_first_decision_is_timed_too(follower):
    rollout = Rollout(ARENA, follower, LEVEL, ENTRIES["ddim-10"], 0, [0], 0)
    assert len(time_decisions(rollout, 3, lambda: None)) == 3


def test_initial_states_are_paired():
    assert scene_seeds(3, 4) == scene_seeds(3, 9)[:4]
    assert len(set(scene_seeds(0, 100)) | set(scene_seeds(1, 100))) == 200
    policy = DiffusionPolicy(make_network(), DDIM())
    first, second = (Rollout(ARENA, policy, LEVEL, ENTRIES[name], delay, scene_seeds(0, 3), 0)
                     for name, delay in (("rti", 0), ("rtc-5", 3)))  # fmt: skip
    np.testing.assert_array_equal(first.scenes.env.save(), second.scenes.env.save())
