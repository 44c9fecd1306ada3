"""Episodes as arrays, there and back."""

import numpy as np
import pytest

from robot_rl.data.episode import to_episode
from robot_rl.errors import SpecError
from robot_rl.types import Observation, Source, StepRecord, restart, running, termination, truncation


def observe(value, has_base=False):
    base = np.full(2, value, np.float32) if has_base else None
    return Observation(
        {"p": np.array([value], np.float32)}, {"c": np.full((2, 2, 3), value, np.uint8)}, 10 * value, base
    )


def make_records(end=termination, has_base=False, length=3):
    steps = [restart(observe(0, has_base), 2)]
    for k in range(1, length + 1):
        build = end if k == length else running
        source = Source.HUMAN if k == 2 else Source.POLICY
        steps.append(build(observe(k, has_base), float(k), np.full(2, k, np.float32), source))
    is_success = end is termination
    return [StepRecord(s, 7, k, 5 if k else -1, is_success and k == length) for k, s in enumerate(steps)]


@pytest.mark.parametrize("end", [termination, truncation])
@pytest.mark.parametrize("has_base", [False, True])
def test_records_survive_the_way_there_and_back(end, has_base):
    records = make_records(end, has_base)
    for before, after in zip(records, to_episode(records).records(7), strict=True):
        a, b = before.time_step, after.time_step
        assert (before.episode, before.step, before.policy_version, before.is_success) == (
            after.episode,
            after.step,
            after.policy_version,
            after.is_success,
        )
        assert (a.step_type, a.reward, a.discount, a.source) == (b.step_type, b.reward, b.discount, b.source)
        assert np.array_equal(a.applied_action, b.applied_action)
        assert a.observation.stamp_ns == b.observation.stamp_ns
        assert np.array_equal(a.observation.proprio["p"], b.observation.proprio["p"])
        assert np.array_equal(a.observation.images["c"], b.observation.images["c"])
        assert (b.observation.base_action is not None) == has_base


def test_an_episode_that_was_cut_off_ends_without_a_last_time_step():
    episode = to_episode(make_records()[:-1])
    assert not episode.is_complete
    assert not episode.is_terminal
    assert not any(record.time_step.is_last for record in episode.records(0))


@pytest.mark.parametrize("rows", [[0], [1, 2], [0, 2]])
def test_a_gap_is_an_error(rows):
    records = make_records()
    with pytest.raises(SpecError, match="0, 1, 2"):
        to_episode([records[k] for k in rows])
