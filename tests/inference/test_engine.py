"""Deadlines, with a clock that only the network moves: late, missing and bursty decisions, resets, commands."""

import itertools
import math
import threading

import numpy as np
import pytest
import torch

from robot_rl.clock import FakeClock, MonotonicClock
from robot_rl.errors import ConfigError
from robot_rl.inference.engine import Engine
from robot_rl.inference.engine_config import EngineConfig
from robot_rl.inference.ladder import Rung
from robot_rl.inference.problem import Problem
from robot_rl.inference.samplers import DDIM, RTC, Relay
from tests.inference.analytic import schedule

PERIOD_NS = 100_000_000
MS = 1_000_000
HORIZON, NOW = 8, 1


class Network:
    """Estimates the chunk that the observation names, one action further at each position; takes its time."""

    is_prefix_trained = False
    schedule = schedule(levels=100, clip=100.0)

    def __init__(self, clock):
        self.clock, self.durations_ms, self.committed = clock, itertools.repeat(5), []
        self.evaluations, self.problems = 0, []

    def prepare(self, condition):
        return condition

    def __call__(self, x_BHA, level, prepared, committed):
        self.evaluations += 1
        self.committed.append(committed)
        self.clock.sleep_until_ns(self.clock.now_ns() + next(self.durations_ms) * MS)
        chunk = (prepared + torch.arange(HORIZON, dtype=torch.float32) - NOW)[None, :, None]
        return chunk + 0.0 * x_BHA  # guidance asks how it depends on its input


class Mind:
    """A policy that goes on counting from the number that it sees."""

    shape, now = (HORIZON, 2), NOW

    def __init__(self, clock):
        self.network = Network(clock)

    def to_problem(self, observation, noise_BHA, previous, committed):
        problem = Problem(self.network, float(observation), noise_BHA, previous, committed)
        self.network.problems.append(problem)
        return problem

    def to_actions(self, chunk_BHA):
        return chunk_BHA.numpy().astype(np.float32)


def make(sampler=None, count=1, **config):
    clock = FakeClock()
    mind = Mind(clock)
    relay = Relay(0.35, 2, large_change=None, wrong_change=None)
    settings = EngineConfig(**{"wait_s": 0.0, **config})
    engine = Engine(mind, sampler or relay, np.array([True, False]), PERIOD_NS / 1e9, settings, clock, 0, count)
    engine.warm_up(0.0)
    return engine, mind.network, clock


def see(engine, clock, number):
    """Tick `number`: the observation, whose action should be `number`, and a decision."""
    clock.sleep_until_ns(number * PERIOD_NS)
    engine.offer(number, number * PERIOD_NS)
    assert engine.decide()


def serve(engine, number):
    return engine.serve(number * PERIOD_NS)


def test_actions_are_placed_by_their_moment():
    engine, _, clock = make()
    see(engine, clock, 1)
    for number in (1, 2, 5, 7):
        assert serve(engine, number).action.tolist() == [number, number]
    assert engine.serve(2 * PERIOD_NS + PERIOD_NS // 2).action.tolist() == [2, 2], "until the next period begins"


def test_without_a_plan_it_holds():
    engine, _, _ = make()
    held = serve(engine, 3)
    assert (held.action.tolist(), held.phase, held.rung) == ([0.0, 0.0], 0, Rung.HOLDING)
    assert not engine.decide(), "nothing was seen"


def test_stamps_that_tremble_do_not_change_what_is_due():
    engine, _, clock = make()
    for number, late_ns in ((1, 0), (2, 9_000), (3, 0), (4, -9_000_000)):
        stamp_ns = number * PERIOD_NS + late_ns
        clock.sleep_until_ns(stamp_ns)
        engine.offer(number, stamp_ns)
        assert engine.decide()
        assert engine.serve(stamp_ns).action.tolist() == [number, number]
        assert engine.serve(stamp_ns).phase == 0
        assert engine.serve((number + 1) * PERIOD_NS - 9_000_000).action.tolist() == [number + 1, number + 1]


def test_of_a_start_from_noise_nothing_but_the_end_is_executed():
    """The plan so far goes on, beyond the deadline; relay's first estimate would be better than it."""
    engine, network, clock = make(DDIM(5), budget_periods=1.0)
    see(engine, clock, 1)
    network.durations_ms = itertools.repeat(40)
    seen = []
    publish, prepare = engine._publish, network.prepare
    engine._publish = lambda *arguments: (seen.append(clock.now_ns()), publish(*arguments))
    assert prepare(0) == 0
    see(engine, clock, 2)
    assert len(seen) == 1
    assert seen[0] == 2 * PERIOD_NS + 5 * 40 * MS, "all five evaluations"
    assert engine.late == 1


def test_a_late_plan_is_used_where_it_belongs_and_counted():
    engine, network, clock = make()
    see(engine, clock, 1)
    network.durations_ms = itertools.repeat(250)
    see(engine, clock, 2)
    assert engine.late == 1
    assert serve(engine, 5).action.tolist() == [5, 5], "its first actions are over"
    assert serve(engine, 3).rung is Rung.FRESH
    assert serve(engine, 5).rung is Rung.LATE, "the observation is three periods old"


def test_after_the_plan_the_last_motion_fades_out_and_the_position_stays():
    engine, _, clock = make(slow_periods=3)
    see(engine, clock, 1)
    last = HORIZON - NOW
    served = [serve(engine, last + beyond) for beyond in range(6)]
    assert [each.action[0] for each in served] == pytest.approx([last, 0.75 * last, 0.5 * last, 0.25 * last, 0.0, 0.0])
    assert all(each.action[1] == last for each in served), "not a rate"
    assert [each.rung for each in served[1:]] == [Rung.SLOWING] * 3 + [Rung.HOLDING] * 2


def test_what_is_planned_after_the_command_is_served_with_its_age():
    engine, _, clock = make()
    see(engine, clock, 1)
    served = serve(engine, 4)
    assert served.remaining[0, :, 0].tolist() == [4, 5, 6, 7]
    assert served.phase == 3
    beyond = serve(engine, 9)
    assert beyond.remaining.shape == (1, 1, 2)
    assert beyond.remaining[0, 0].tolist() == beyond.action.tolist()


def test_each_of_several_plans_goes_on_with_its_own_noise():
    engine, network, clock = make(count=3)
    assert serve(engine, 0).remaining.shape == (3, 1, 2), "held"
    see(engine, clock, 1)
    see(engine, clock, 3)
    first, second = network.problems[-2:]
    assert first.noise.shape == (3, HORIZON, 2)
    assert len({row.numpy().tobytes() for row in first.noise}) == 3
    assert torch.equal(second.previous.noise[:, :-2], first.noise[:, 2:])
    served = serve(engine, 4)
    assert served.remaining[:, :, 0].tolist() == [[4, 5, 6, 7, 8, 9]] * 3
    assert served.action.tolist() == [4, 4]


def test_an_evaluation_that_would_miss_the_deadline_is_not_begun():
    engine, network, clock = make(budget_periods=0.5)
    network.durations_ms = itertools.repeat(30)
    engine.warm_up(0.0)
    see(engine, clock, 1)
    before = network.evaluations
    see(engine, clock, 6)
    assert network.evaluations - before == 1, "two would take 60 of 50 ms"
    assert serve(engine, 6).action.tolist() == [6, 6], "and the one is used"
    assert engine.late == 0


def test_a_start_from_noise_takes_the_steps_that_fit():
    engine, network, clock = make(cold_periods=1.0, cold_steps=10)
    network.durations_ms = itertools.repeat(20)
    engine.warm_up(0.0)
    before = network.evaluations
    see(engine, clock, 50)
    assert network.evaluations - before == 4, "margin and all"
    assert engine.late == 0


def test_what_took_time_before_is_not_taken_from_a_start_from_noise():
    """As a warm-up does, of which the observation before it knows nothing; the robot holds anyway."""
    engine, network, clock = make(cold_periods=1.0, cold_steps=10)
    network.durations_ms = itertools.repeat(20)
    engine.warm_up(0.0)
    before = network.evaluations
    clock.sleep_until_ns(50 * PERIOD_NS)
    engine.offer(50, 50 * PERIOD_NS)
    clock.sleep_until_ns(53 * PERIOD_NS)
    assert engine.decide()
    assert network.evaluations - before == 4, "as without the delay"


def test_a_plan_knows_what_those_before_it_have_commanded():
    """Here what the network says differs by its turn, so that it shows whose action is whose."""
    engine, network, clock = make()
    says = itertools.count(1)
    engine._count_committed = lambda: 0
    network.prepare = lambda condition: 10.0 * next(says)
    engine._mind.to_problem = lambda observation, noise, previous, committed: Problem(
        network, network.prepare(observation), noise, previous, committed
    )
    commanded = []
    for number in range(1, 6):
        clock.sleep_until_ns(number * PERIOD_NS)
        engine.offer(number, number * PERIOD_NS)
        if number == 1:
            assert engine.decide()
        commanded.append(serve(engine, number).action[0])
        if number > 1:
            assert engine.decide(), "after the command of its period"
    plan = engine._published.plan
    assert plan.executed[0, : NOW + 1, 0].tolist() == commanded[-NOW - 1 :]


def test_where_a_clock_was_set_back_no_past_action_is_served():
    engine, _, clock = make()
    see(engine, clock, 50)
    assert serve(engine, 51).rung is Rung.FRESH
    assert serve(engine, 20).rung is Rung.HOLDING


def test_only_the_newest_observation_counts():
    engine, network, clock = make()
    before = network.evaluations
    for number in (1, 2, 3):
        engine.offer(number, number * PERIOD_NS)
    clock.sleep_until_ns(3 * PERIOD_NS)
    assert engine.decide()
    assert not engine.decide()
    assert serve(engine, 3).action.tolist() == [3, 3]
    assert network.evaluations - before == 10, "one cold start"


def test_a_reset_forgets_the_plan_and_what_is_being_decided():
    engine, network, clock = make()
    see(engine, clock, 1)
    engine.reset()
    assert serve(engine, 2).rung is Rung.HOLDING
    assert not engine.decide(), "nor is there an observation"

    engine.offer(2, 2 * PERIOD_NS)
    network.durations_ms = _interrupting(engine.reset)
    assert engine.decide()
    assert serve(engine, 2).rung is Rung.HOLDING, "decided for an episode that is over"
    network.durations_ms = itertools.repeat(5)
    see(engine, clock, 4)
    assert serve(engine, 4).action.tolist() == [4, 4]


def _interrupting(call):
    for count in itertools.count():
        if count == 1:
            call()
        yield 1


def test_a_reset_starts_from_noise():
    engine, network, clock = make()
    see(engine, clock, 1)
    see(engine, clock, 2)
    warm, before = 2, network.evaluations
    engine.reset()
    see(engine, clock, 3)
    assert network.evaluations - before == 10
    before = network.evaluations
    see(engine, clock, 4)
    assert network.evaluations - before == warm


def test_a_plan_that_is_not_finite_is_no_start():
    """A sensor fails for one step: the robot holds then, and not until the end of the episode."""
    engine, network, clock = make()
    for number, seen in ((1, 1.0), (2, float("nan")), (3, 3.0)):
        clock.sleep_until_ns(number * PERIOD_NS)
        engine.offer(seen, number * PERIOD_NS)
        assert engine.decide()
    assert network.problems[-1].previous is None
    assert serve(engine, 3).action.tolist() == [3, 3]


def test_a_plan_that_is_used_up_is_no_start():
    engine, network, clock = make()
    see(engine, clock, 1)
    before = network.evaluations
    see(engine, clock, 1 + HORIZON)
    assert network.evaluations - before == 10


def test_what_will_be_executed_while_it_thinks_is_committed():
    engine, network, clock = make(budget_periods=3.0)
    network.durations_ms = itertools.repeat(75)
    for number in (1, 7, 9, 11):
        see(engine, clock, number)
    assert network.committed[-1] == NOW + 2, "two evaluations last 150 ms"
    waiting, network, clock = make(budget_periods=3.0, wait_s=0.2)
    for number in (1, 2, 3):
        see(waiting, clock, number)
    assert set(network.committed) == {0}, "commands wait for their own decision"


def test_guidance_goes_on_where_decisions_outlast_what_the_plan_still_holds():
    engine, network, clock = make(RTC(3, executed=4), budget_periods=6.0)
    network.durations_ms = itertools.repeat(150)
    for number in (1, 7, 13):
        see(engine, clock, number)
    assert network.problems[-1].committed == NOW + 5 > HORIZON - 4, "three evaluations last 450 ms"
    assert serve(engine, 13 + 5).action.tolist() == [13 + 5, 13 + 5], "the new plan's first free action"


def test_what_an_offer_waited_for_the_decision_before_it_counts():
    engine, network, clock = make(budget_periods=3.0)
    network.durations_ms = itertools.repeat(40)
    for number in (1, 7, 9, 11, 13):
        clock.sleep_until_ns(number * PERIOD_NS)
        engine.offer(number, number * PERIOD_NS)
        clock.sleep_until_ns(number * PERIOD_NS + 60 * MS)  # the thread is busy
        assert engine.decide()
    assert network.committed[-1] == NOW + 2, "two evaluations last 80 ms, 140 after the offer"


def test_a_start_from_noise_takes_no_more_steps_than_there_are_levels():
    engine, network, clock = make(cold_steps=10)
    network.schedule = schedule(levels=4, clip=100.0)
    before = network.evaluations
    see(engine, clock, 50)
    assert network.evaluations - before == 4


def test_an_estimate_is_used_before_the_decision_is_over():
    engine, network, clock = make()
    see(engine, clock, 1)
    served = []
    network.durations_ms = _interrupting(lambda: served.append(serve(engine, 2)))
    see(engine, clock, 2)
    assert served[0].rung is Rung.FRESH
    assert served[0].action.tolist() == [2, 2]


def test_its_thread_decides_ends_and_tells_what_went_wrong():
    clock = MonotonicClock()
    mind = Mind(FakeClock())
    engine = Engine(mind, DDIM(3), np.array([True, True]), 0.1, EngineConfig(wait_s=5.0), clock, seed=0)
    engine.start()
    try:
        stamp_ns = clock.now_ns()
        engine.offer(7, stamp_ns)
        engine.wait()
        assert engine.serve(stamp_ns).action.tolist() == [7, 7]
        engine.offer("nonsense", stamp_ns)
        with pytest.raises(ValueError, match="nonsense"):
            serve_for(5.0, engine, stamp_ns)
    finally:
        engine.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "inference"]


def serve_for(limit_s, engine, stamp_ns):
    for _ in range(round(limit_s / 0.005)):
        engine.serve(stamp_ns)
        threading.Event().wait(0.005)


@pytest.mark.parametrize(
    "wrong", [{"cold_periods": 0.0}, {"budget_periods": -1.0}, {"margin_s": -1.0}, {"cold_steps": 0}, {"wait_s": -0.1}]
)
def test_wrong_settings_are_named(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        EngineConfig(**wrong)


@pytest.mark.parametrize("name", ["budget_periods", "cold_periods", "margin_s", "wait_s"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_duration_is_a_number(name, value):
    with pytest.raises(ConfigError, match=rf"engine\.{name} must be .*finite.*, got {value}"):
        EngineConfig(**{name: value})
