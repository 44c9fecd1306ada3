"""A person who only drives: until they say so, nothing ends what they do."""

from robot_rl_ros.drive import drive

from robot_rl.types import Button
from tests.fakes import Act, Notes, make_cell


def test_an_episode_ends_with_a_button_and_another_begins():
    cell, notes = make_cell([Act(0.25, 0.27, buttons=frozenset({Button.SUCCESS}))], step_limit=1000), Notes()
    drive(cell.env, [notes], lambda: len(notes.results) == 2)
    assert [(result.index, result.is_success, result.steps) for result in notes.results] == [(0, True, 3), (1, True, 3)]
    assert [step.step_type.value for step in notes.steps] == [0, 1, 1, 2] * 2 + [0]
    starts = [step.observation.proprio["task"].tobytes() for step in notes.steps if step.is_first]
    assert len(set(starts)) == 3


def test_an_interruption_ends_it_within_the_episode():
    cell, notes = make_cell(step_limit=1_000_000_000), Notes()
    drive(cell.env, [notes], lambda: len(notes.steps) > 3)
    assert len(notes.steps) == 4
    assert not notes.steps[-1].is_last
    assert notes.results == []
