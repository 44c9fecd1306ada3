"""A task that a classifier judges, in an environment of fakes."""

import numpy as np

from robot_rl.env.judged_task import JudgedReset, JudgedTask
from robot_rl.env.robot_env import RobotEnv
from robot_rl.rewards.debounce import DebounceConfig
from robot_rl.rewards.reward import ClassifierReward, Judgement
from robot_rl.types import Outcome
from tests.fakes import make_cell
from tests.rewards.synthetic import StubPredictor


def make_judged(rows):
    """(cell of fakes, the same as an environment whose judge is told `rows` of probabilities)."""
    cell = make_cell(step_limit=5, has_camera=True)
    judge = ClassifierReward(StubPredictor(rows, cameras=("wrist",)), DebounceConfig(2, 3))
    task, procedure = JudgedTask(cell.task, judge), JudgedReset(cell.reset, judge)
    return cell, RobotEnv(cell.env.robot, task, procedure, cell.clock, cell.env.config)


def play(env, seed=0):
    time_steps = [env.reset(seed=seed)]
    while not time_steps[-1].is_last:
        time_steps.append(env.step(np.zeros(6)))
    return time_steps


def test_the_classifier_ends_the_episode_and_not_the_task():
    cell, env = make_judged([0.9, 0.1, 0.9] + [0.1] * 5)
    cell.task.outcome = Outcome(1.0, is_terminal=True, is_success=True)
    time_steps = play(env)
    assert [time_step.reward for time_step in time_steps] == [0.0, 0.0, 0.0, 1.0]
    assert time_steps[-1].is_terminal
    assert isinstance(env.outcome, Judgement)
    assert env.outcome.is_success


def test_a_frozen_camera_pays_nothing():
    cell, env = make_judged([0.9] * 6)
    first = cell.env.robot.cameras["wrist"].read()
    cell.env.robot.cameras["wrist"].read = lambda: first
    assert [time_step.reward for time_step in play(env)] == [0.0] * 6


def test_every_episode_begins_with_nothing_seen():
    _, env = make_judged([0.1] * 4 + [0.9] + [0.9] + [0.1] * 4)
    assert [len(play(env)), len(play(env))] == [6, 6], "two images of two episodes confirm nothing"
    assert not env.outcome.is_success


def test_everything_else_is_the_task_s():
    cell, env = make_judged([])
    assert (env.task.name, env.task.estimate_size) == (cell.task.name, cell.task.estimate_size)
    env.reset(seed=3)
    reading = env.robot.observe()
    assert env.task.estimate(reading).tolist() == cell.task.estimate(reading).tolist()
