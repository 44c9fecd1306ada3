"""What episodes paid, for comparison with what was promised."""

import numpy as np
import pytest

from robot_rl.runtime.learning.return_check import ReturnCheck
from robot_rl.types import Observation, Source, StepRecord, restart, running, termination

GAMMA = 0.5


def observe():
    return Observation({}, {}, 0)


def episode(number, rewards, sources=None, steps=None, version=0):
    sources = sources or [Source.POLICY] * len(rewards)
    steps = steps or range(1, len(rewards) + 1)
    yield StepRecord(restart(observe(), 1), number, 0)
    for k, (reward, source, step) in enumerate(zip(rewards, sources, steps, strict=True), start=1):
        make = termination if k == len(rewards) else running
        yield StepRecord(make(observe(), reward, np.zeros(1, np.float32), source), number, step, version)


def note_all(check, records, row=0, bonus=0.0):
    for number, record in enumerate(records, start=row):
        check.note(record, number, bonus)


def test_a_return_is_discounted_and_belongs_to_the_row_of_the_beginning():
    check = ReturnCheck(GAMMA)
    note_all(check, episode(0, [0.0, 0.0, 1.0]))
    note_all(check, episode(1, [1.0]), row=4, bonus=-0.25)
    rows, returns = check.ended()
    assert rows.tolist() == [0, 4]
    assert returns.tolist() == pytest.approx([0.25, 0.75])


@pytest.mark.parametrize(
    "records",
    [
        episode(0, [0.0, 1.0], sources=[Source.HUMAN, Source.POLICY]),
        episode(0, [0.0, 1.0], steps=[1, 3]),
        episode(0, [0.0, 1.0], version=-1),
        list(episode(0, [0.0, 1.0]))[:2],
    ],
    ids=["helped", "with a gap", "of the base policy alone", "not ended"],
)
def test_an_episode_that_says_nothing_about_the_policy_does_not_count(records):
    check = ReturnCheck(GAMMA)
    note_all(check, records)
    assert len(check.ended()[0]) == 0


def test_where_a_takeover_ends_the_value_it_ends_the_return():
    check = ReturnCheck(GAMMA, takeover_discount=0.0)
    hands = [Source.POLICY, Source.POLICY, Source.HUMAN, Source.POLICY]
    note_all(check, episode(0, [-1.0, -1.0, 0.0, 1.0], sources=hands))
    note_all(check, episode(1, [0.0, 1.0], sources=[Source.HUMAN, Source.POLICY]), row=5)
    rows, returns = check.ended()
    assert rows.tolist() == [0]
    assert returns.tolist() == [-1.5]


def test_only_the_newest_episodes_count():
    check = ReturnCheck(GAMMA)
    for number in range(30):
        note_all(check, episode(number, [float(number)]), row=2 * number)
    assert check.ended()[1].tolist() == list(range(10, 30))
