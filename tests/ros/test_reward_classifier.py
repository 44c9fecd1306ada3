"""Who judges, over the wire: the same episodes as in one process, and nothing is paid twice."""

from collections import defaultdict
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
from robot_rl_msgs.msg import Reward
from robot_rl_ros import convert
from std_msgs.msg import Float64

from robot_rl.runtime.assembly import make_sim_workcell
from tests.rewards import judged
from tests.ros import simulated
from tests.ros.test_lock_step import assert_same


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    path = tmp_path_factory.mktemp("classifier") / "reach.safetensors"
    return (*judged.write(path, ("near", "there")), "teleop=expert", "agent.rlpd.return_range=[0,2]")


@contextmanager
def graph(folder, words):
    """(the process that judges, this one)."""
    with ExitStack() as stack:
        stack.enter_context(simulated.started("simulation", folder, *words))
        judge = stack.enter_context(simulated.started("reward_classifier", folder, *words))
        yield judge, stack.enter_context(simulated.joined(simulated.load(*words)))


def play(env, seeds, on_step=lambda time_step: None):
    steps = []
    for seed in seeds:
        steps.append(env.reset(seed))
        while not steps[-1].is_last:
            steps.append(env.step(np.zeros(6)))
            on_step(steps[-1])
    return steps


def by_stamp(rewards):
    """What each judged moment paid: more than once where a slow answer was asked for again."""
    paid = defaultdict(list)
    for message in rewards:
        paid[convert.from_time(message.header.stamp)].append((message.reward, message.is_terminal, message.is_success))
    return paid


def test_the_classifier_over_the_wire_pays_what_it_pays_in_process(words, tmp_path):
    seeds = range(50, 54)
    expected = play(make_sim_workcell(simulated.load(*words)).env, seeds)
    assert sum(step.reward for step in expected) >= 4.0
    rewards, probabilities = [], []
    with graph(tmp_path, words) as (_, here):
        here.node.create_subscription(Reward, "reward_classifier/reward", rewards.append, 100)
        here.node.create_subscription(Float64, "reward_classifier/probability/near", probabilities.append, 100)
        assert_same(play(here.cell.env, seeds), expected)
        judged_steps = len(expected) - len(seeds)
        here.link.spin_until(lambda: len(by_stamp(rewards)) >= judged_steps, 10.0)
        here.link.drain()
    assert len(by_stamp(rewards)) == judged_steps, "one for each step, and none for what is between"
    assert all(len(set(paid)) == 1 for paid in by_stamp(rewards).values()), "a repeated answer is the same answer"
    assert len(probabilities) > 0.5 * judged_steps
    assert all(0.0 <= message.probability <= 1.0 for message in rewards)


def test_a_classifier_that_starts_anew_pays_nothing_until_the_next_episode(words, tmp_path):
    with graph(tmp_path, words) as (judge, here), ExitStack() as stack:
        env = here.cell.env

        def replace_when_paid(time_step):
            if time_step.reward and not time_step.is_last and judge.popen.poll() is None:
                judge.kill()
                stack.enter_context(simulated.started("reward_classifier", tmp_path, *words))

        steps = play(env, [53], replace_when_paid)
        assert judge.popen.poll() is not None, "the first stage was paid, and then it died"
        assert [step.reward for step in steps if step.reward] == [1.0]
        assert not steps[-1].is_terminal
        assert sum(step.reward for step in play(env, [53])) == 2.0


def test_a_persons_buttons_are_a_reward_with_and_without_their_corrections(tmp_path):
    words = ("task=reach", "reward=button", "teleop=expert", "task.episode.step_limit=25")
    expected = play(make_sim_workcell(simulated.load(*words)).env, [3, 4])
    with simulated.graph(tmp_path, *words) as (_, here):
        assert_same(play(here.cell.env, [3, 4]), expected)
        lonely = play(here.cell.lonely_env, [3])
    assert sum(step.reward for step in expected) == 2.0
    assert len(lonely) == 26
    assert not any(step.applied_action.any() for step in lonely), "who only judges does not move the robot"


def test_in_real_time_what_the_classifier_pays_arrives_once(words, tmp_path):
    """How many images there are depends on the machine; what they pay does not exceed the stages."""
    heard = []
    relaxed = ("graph=real_time", "graph.patience_s=30.0", "graph.lease_s=10.0", "graph.recovers=true")
    with graph(tmp_path, (*words, *relaxed)) as (_, here):
        here.node.create_subscription(Reward, "reward_classifier/reward", heard.append, 100)
        steps = play(here.cell.env, [50])
        total = sum(step.reward for step in steps)
        is_heard = here.link.spin_until(lambda: bool(heard) and sum(one.reward for one in heard) >= total, 10.0)
    assert is_heard, "nothing arrived twice"
    assert sum(one.reward for one in heard) <= 2.0
    assert steps[-1].is_terminal == (total == 2.0)
