"""Splitting and joining actions by hand for one arm and two, and the penalty as a table."""

import itertools

import pytest
import torch

from robot_rl.agents.gripper import GraspCritic, grasp_penalty, join_action, split_action

ONE_ARM = [(asked,) for asked in (-1.0, 0.0, 1.0)]
TWO_ARMS = list(itertools.product((-1.0, 0.0, 1.0), repeat=2))


def make_actions(choices):
    """Actions whose element k is 0.01 k, but for the grippers', one row for each of `choices`."""
    rows = 0.01 * torch.arange(7.0 * len(choices[0])).repeat(len(choices), 1)
    for arm in range(len(choices[0])):
        rows[:, 7 * arm + 6] = torch.tensor(choices)[:, arm]
    return rows


@pytest.mark.parametrize(("choices", "count"), [(ONE_ARM, 3), (TWO_ARMS, 9)])
def test_every_class_survives_split_and_join_bit_for_bit(choices, count):
    actions, grippers = make_actions(choices), len(choices[0])
    continuous, index = split_action(actions, grippers)
    assert index.tolist() == list(range(count))
    assert continuous.shape == (count, 6 * grippers)
    assert torch.equal(join_action(continuous, index, grippers), actions)


def test_the_class_of_two_grippers_is_three_times_the_first_plus_the_second():
    # close, stay, open are 0, 1, 2
    actions = make_actions([(-1.0, 1.0), (1.0, -1.0), (0.0, 1.0)])
    assert split_action(actions, 2)[1].tolist() == [2, 6, 5]
    assert join_action(torch.zeros(1, 12), torch.tensor([6]), 2)[0, [6, 13]].tolist() == [1.0, -1.0]


def test_the_continuous_elements_of_two_arms_leave_out_the_seventh_and_the_fourteenth():
    kept = (100 * split_action(make_actions([(0.0, 0.0)]), 2)[0][0]).round().int().tolist()
    assert kept == [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12]


def test_without_grippers_an_action_is_all_continuous():
    actions = torch.rand(4, 6)
    continuous, index = split_action(actions, 0)
    assert torch.equal(continuous, actions)
    assert index.tolist() == [0, 0, 0, 0]
    assert torch.equal(join_action(continuous, index, 0), actions)


def test_an_element_between_the_choices_counts_as_the_nearest():
    actions = make_actions([(value,) for value in (-0.95, -0.6, -0.4, 0.4, 0.6, 0.95)])
    assert split_action(actions, 1)[1].tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("opening", "asked", "expected"),
    [
        (1.0, -1.0, -0.02),  # closes an open gripper
        (1.0, 0.0, 0.0),
        (1.0, 1.0, 0.0),  # is open already
        (0.2, 1.0, -0.02),  # opens a closed one
        (0.2, 0.0, 0.0),
        (0.2, -1.0, 0.0),  # is closed already
        (0.9, 1.0, -0.02),  # at the threshold it does not count as open yet
        (0.91, -1.0, -0.02),
    ],
)
def test_only_telling_a_gripper_to_change_over_costs(opening, asked, expected):
    penalty = grasp_penalty(torch.tensor([[opening]]), make_actions([(asked,)]), -0.02, 0.9)
    assert penalty.tolist() == [pytest.approx(expected)]


def test_each_of_two_grippers_is_looked_at_with_its_own_opening():
    openings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    asked = make_actions([(-1.0, 1.0), (-1.0, 1.0), (-1.0, 0.0), (-1.0, 1.0)])
    torch.testing.assert_close(grasp_penalty(openings, asked, -0.5, 0.9), torch.tensor([-1.0, 0.0, -0.5, -0.5]))


def test_whoever_is_punished_was_not_of_the_class_that_stays():
    values = [(float(value),) for value in torch.linspace(-1.0, 1.0, 41)]
    actions = make_actions(values)
    is_stay = split_action(actions, 1)[1] == 1
    for opening in (0.0, 1.0):
        punished = grasp_penalty(torch.full((41, 1), opening), actions, -1.0, 0.9) < 0
        assert punished.any()
        assert not (punished & is_stay).any()


@pytest.mark.parametrize(("grippers", "classes"), [(1, 3), (2, 9)])
def test_the_grasp_critic_values_every_class(grippers, classes):
    torch.manual_seed(0)
    values = GraspCritic(5, grippers, (16, 16))(torch.randn(8, 5))
    assert values.shape == (8, classes)
    assert values.std(0).min() > 1e-3
