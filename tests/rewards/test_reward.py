"""Each stage is paid once an episode, and the episode ends when it should."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_rl.errors import ConfigError
from robot_rl.rewards.debounce import DebounceConfig
from robot_rl.rewards.reward import LOST, ClassifierReward, Judgement
from robot_rl.types import Outcome
from tests.rewards.synthetic import StubPredictor

STEP_NS = 100_000_000
AT_ONCE = DebounceConfig(1, 1)
STAGES = ("picked", "inserted")


def play(rows, outputs=("success",), debounce=AT_ONCE, thresholds=None, possible=None):
    reward = ClassifierReward(StubPredictor(rows, outputs, thresholds), debounce)
    possible = possible or [True] * len(rows)
    return [reward.judge({}, k * STEP_NS, is_possible=possible[k]) for k in range(len(rows))]


def test_it_pays_once_and_what_has_ended_stays_so():
    found = play([0.1, 0.9, 0.9, 0.2, 0.9], debounce=DebounceConfig(2, 3))
    assert [judgement.reward for judgement in found] == [0.0, 0.0, 1.0, 0.0, 0.0]
    assert [judgement.is_terminal for judgement in found] == [False, False, True, True, True]
    assert [judgement.is_success for judgement in found] == [False, False, True, True, True]
    assert [judgement.probability for judgement in found] == [0.1, 0.9, 1.0, 1.0, 1.0]
    assert all(isinstance(judgement, Outcome) for judgement in found)


def test_the_next_episode_is_paid_again_and_begins_with_nothing_seen():
    reward = ClassifierReward(StubPredictor([0.9] * 5), DebounceConfig(2, 3))
    assert [reward.judge({}, k).reward for k in range(3)] == [0.0, 1.0, 0.0]
    reward.reset()
    assert [reward.judge({}, k).reward for k in range(2)] == [0.0, 1.0]


def test_a_probability_at_the_threshold_is_not_beyond_it():
    assert [j.reward for j in play([0.7, np.nextafter(0.7, 1.0)], thresholds=[0.7])] == [0.0, 1.0]


def test_what_is_not_a_number_pays_nothing():
    assert play([np.nan, np.nan])[-1].reward == 0.0


def test_each_stage_pays_once_and_the_last_one_ends_the_episode():
    rows = [(0.1, 0.1), (0.9, 0.1), (0.9, 0.2), (0.1, 0.9), (0.9, 0.9)]
    found = play(rows, STAGES)
    assert [judgement.reward for judgement in found] == [0.0, 1.0, 0.0, 1.0, 0.0]
    assert [judgement.is_terminal for judgement in found] == [False, False, False, True, True]
    assert [judgement.achieved for judgement in found] == [(), STAGES[:1], STAGES[:1], STAGES, STAGES]
    assert [judgement.probability for judgement in found] == [0.1, 0.1, 0.2, 1.0, 1.0]


def test_stages_may_come_in_any_order_and_at_once():
    assert [j.reward for j in play([(0.1, 0.9), (0.9, 0.1)], STAGES)] == [1.0, 1.0]
    (both,) = play([(0.9, 0.9)], STAGES)
    assert (both.reward, both.is_success) == (2.0, True)


def test_each_stage_has_its_own_threshold_and_its_own_debounce():
    rows = [(0.7, 0.7), (0.7, 0.1), (0.1, 0.7)]
    found = play(rows, STAGES, DebounceConfig(2, 2), thresholds=(0.5, 0.8))
    assert [judgement.achieved for judgement in found] == [(), ("picked",), ("picked",)]


def test_a_lost_task_ends_the_episode_and_asks_for_a_person():
    found = play([(0.1, 0.2), (0.1, 0.95), (0.99, 0.1)], ("success", LOST))
    assert [judgement.is_lost for judgement in found] == [False, True, True]
    assert [judgement.is_terminal for judgement in found] == [False, True, True]
    assert not any(judgement.is_success or judgement.reward for judgement in found), "what is lost is not won any more"


def test_a_task_that_was_solved_is_not_lost_any_more():
    found = play([(0.9, 0.9), (0.1, 0.9)], ("success", LOST))
    assert [(j.is_success, j.is_lost) for j in found] == [(True, False), (True, False)]


def test_where_success_is_impossible_nothing_counts_but_a_loss():
    assert [j.reward for j in play([0.9, 0.9, 0.9], possible=[False, False, True])] == [0.0, 0.0, 1.0]
    assert play([(0.9, 0.9)], ("success", LOST), possible=[False])[0].is_lost


@dataclass
class State:
    stamp_ns: int


@dataclass
class Reading:
    state: State
    height_m: float
    images: dict = field(default_factory=dict)
    image_stamps_ns: dict = field(default_factory=dict)


def test_a_guard_looks_at_the_reading():
    reward = ClassifierReward(StubPredictor([0.9] * 3), AT_ONCE, guard=lambda reading: reading.height_m < 0.1)
    heights = [0.3, 0.05, 0.05]
    found = [reward.evaluate(Reading(State(k * STEP_NS), height)) for k, height in enumerate(heights)]
    assert [judgement.reward for judgement in found] == [0.0, 1.0, 0.0]


def see(stamps_ns, cameras=("wrist", "side")):
    """Rewards of readings every step: the rows are the stamps of the images of wrist, side and top camera [steps]."""
    reward = ClassifierReward(StubPredictor([0.9] * len(stamps_ns), cameras=cameras), DebounceConfig(2, 2))
    names = ("wrist", "side", "top")
    readings = [
        Reading(
            State(k * STEP_NS), 0.0, dict.fromkeys(names), {n: s * STEP_NS for n, s in zip(names, row, strict=True)}
        )
        for k, row in enumerate(stamps_ns)
    ]
    return [reward.evaluate(reading).reward for reading in readings]


def test_a_camera_that_has_frozen_confirms_nothing_though_the_arm_goes_on():
    assert see([(0, 0, 0), (1, 1, 1)]) == [0.0, 1.0]
    assert see([(0, 0, 0), (0, 0, 1), (0, 0, 2)]) == [0.0, 0.0, 0.0]
    assert see([(0, 0, 0), (0, 1, 1), (0, 2, 2)]) == [0.0, 0.0, 0.0], "one of two is enough"
    assert see([(0, 0, 0), (0, 1, 1), (1, 2, 2)]) == [0.0, 0.0, 1.0], "it has thawed"


def test_a_camera_that_nobody_looks_at_may_freeze():
    assert see([(0, 0, 0), (1, 1, 0)]) == [0.0, 1.0]


def test_a_reading_without_pictures_is_as_old_as_its_state():
    reward = ClassifierReward(StubPredictor([0.9] * 4), DebounceConfig(2, 2))
    assert [reward.evaluate(Reading(State(k), 0.0)).reward for k in (7, 7, 8, 9)] == [0.0, 0.0, 1.0, 0.0]


def test_without_a_stage_there_is_nothing_to_pay():
    with pytest.raises(ConfigError, match="stage"):
        ClassifierReward(StubPredictor([], (LOST,)))


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 3), max_size=30), st.integers(1, 3), st.integers(0, 2))
def test_no_episode_pays_a_stage_twice(rows, required, more):
    outputs = (*STAGES, LOST)
    found = play(rows, outputs, DebounceConfig(required, required + more))
    assert sum(judgement.reward for judgement in found) == len(found[-1].achieved if found else ())
    ended = [judgement.is_terminal for judgement in found]
    assert ended == sorted(ended)
    for before, after in pairwise(found):
        assert set(before.achieved) <= set(after.achieved)
        assert not (before.is_terminal and after.reward)
        assert not (after.is_success and after.is_lost)


def test_a_judgement_without_probabilities_is_an_outcome():
    assert Judgement().probability == 1.0
    assert not Judgement().is_terminal
