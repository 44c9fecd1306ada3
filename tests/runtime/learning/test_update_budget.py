"""So many updates per environment step, whatever the order in which steps and updates happen."""

import pytest

from robot_rl.runtime.learning.update_budget import UpdateBudget


def test_each_step_after_the_warm_up_brings_its_updates():
    budget = UpdateBudget(utd=3, warmup_steps=2)
    owed = []
    for _ in range(5):
        budget.steps += 1
        owed.append(budget.owed)
    assert owed == [0, 0, 3, 6, 9]
    assert budget.behind_steps == 3.0
    budget.updates += 4
    assert budget.owed == 5
    assert budget.behind_steps == pytest.approx(5 / 3)


@pytest.mark.parametrize("utd", [1, 2, 5])
@pytest.mark.parametrize("arriving", [1, 3, 7])
def test_after_catching_up_the_ratio_is_exact_and_the_actor_had_one_update_for_each_step(utd, arriving):
    budget, actor_updates = UpdateBudget(utd, warmup_steps=10), 0
    while budget.steps < 100:
        budget.steps += arriving
        while budget.owed > 0:
            actor_updates += budget.is_actor_due
            budget.updates += 1
    assert budget.owed == 0
    assert budget.updates == utd * (budget.steps - 10)
    assert actor_updates == budget.steps - 10


def test_the_actor_is_due_last_of_the_updates_of_a_step():
    budget = UpdateBudget(utd=3, warmup_steps=0, steps=2)
    due = []
    while budget.owed > 0:
        due.append(budget.is_actor_due)
        budget.updates += 1
    assert due == [False, False, True] * 2


def test_a_learner_that_is_resumed_owes_what_came_after_its_checkpoint():
    assert UpdateBudget(utd=2, warmup_steps=100, steps=160, updates=100).owed == 20


def test_the_critics_alone_learn_first_and_each_later_step_brings_what_it_always_does():
    budget, due = UpdateBudget(utd=2, warmup_steps=3, critic_first=5), []
    budget.steps = 3
    assert budget.owed == 0
    while budget.steps < 6:
        budget.steps += 1
        while budget.owed > 0:
            due.append(budget.is_actor_due)
            budget.updates += 1
    assert due == [False] * 5 + [False, True] * 3
    resumed = UpdateBudget(utd=2, warmup_steps=3, critic_first=5, steps=6, updates=4)
    assert (resumed.owed, resumed.is_actor_due) == (7, False)


def test_what_is_frozen_owes_what_came_before_and_nothing_after():
    budget = UpdateBudget(utd=2, warmup_steps=3, critic_first=5, frozen_from_step=6)
    owed = []
    for budget.steps in (3, 4, 6, 7, 100):
        owed.append(budget.owed)
    assert owed == [0, 7, 11, 11, 11]
