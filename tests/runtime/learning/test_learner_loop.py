"""A learner and its actors, each on its own, over ZeroMQ on loopback."""

import threading
import time

import pytest

from robot_rl.data.store_reader import StoreReader
from robot_rl.data.store_writer import StoreWriter
from robot_rl.runtime.acting.policy_runner import PolicyRunner
from robot_rl.runtime.channels.channel import make_local_channels
from robot_rl.runtime.channels.mailbox import EPISODES_PER_ACTOR
from robot_rl.runtime.channels.zmq_actor import ZmqActorChannel
from robot_rl.runtime.channels.zmq_channel import ZmqLearnerChannel
from robot_rl.runtime.learning.learner_loop import run_learner
from tests.runs import ConstantRunner, act, make_learner, make_people_cell, play_records, send

TIMEOUT_S = 20.0


def within(timeout_s, condition):
    """Wait for a condition; whether it came true in time."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def test_two_actors_train_one_learner_and_nothing_is_lost_or_doubled(tmp_path):
    env = make_people_cell().env
    ends = []
    with StoreWriter(tmp_path / "store", env.spec, {}, interval_s=0.02) as store:
        channel = ZmqLearnerChannel(env.spec, "test", "tcp://127.0.0.1:0")
        learner = make_learner(env, channel, store, publish_every_steps=5)
        learner.publish(is_forced=True)
        runners = [ConstantRunner(), ConstantRunner()]

        def run_one(number):
            actor = ZmqActorChannel(env.spec, "test", channel.address, actor=number)
            within(TIMEOUT_S, lambda: actor.learner_version >= 0)
            act(
                make_people_cell().env,
                actor,
                3,
                runners[number],
                first_episode=number * EPISODES_PER_ACTOR,
                pace=lambda: time.sleep(0.01),
            )
            ends.append(actor.flush(TIMEOUT_S))
            actor.close()

        actors = [threading.Thread(target=run_one, args=(number,)) for number in range(2)]
        for thread in actors:
            thread.start()
        deadline = time.monotonic() + TIMEOUT_S
        run_learner(
            learner,
            lambda: (len(ends) == 2 and learner.budget.owed == 0) or time.monotonic() > deadline,
        )
        for thread in actors:
            thread.join()
        learner.close()
        channel.close()
    assert ends == [True, True], "everything was acknowledged, which means: is on the disk"
    newest = StoreReader(tmp_path / "store").newest_steps()
    assert len(newest) == 6
    steps = sum(newest.values())
    assert learner.budget.steps == steps
    assert learner.budget.updates == (steps - learner.budget.warmup_steps) * learner.budget.utd
    assert all(max(runner.loaded) > 0 for runner in runners), "weights reached both while they acted"


def test_a_policy_that_came_over_the_wire_acts_as_the_learners(tmp_path):
    env = make_people_cell().env
    channel = ZmqLearnerChannel(env.spec, "test", "tcp://127.0.0.1:0")
    learner, other = make_learner(env, channel), make_learner(env, make_local_channels(env.spec)[1], seed=1)
    actor = ZmqActorChannel(env.spec, "test", channel.address)
    learner.publish(is_forced=True)
    received = []
    assert within(TIMEOUT_S, lambda: received.append(actor.latest()) or received[-1] is not None)
    observation = play_records(1)[0].time_step.observation
    there, here = PolicyRunner(other.agent.policy, 1), PolicyRunner(learner.agent.policy, 1)
    assert (there(observation) != here(observation)).any()
    there.load(received[-1].version, received[-1].tensors)
    assert (there(observation) == here(observation)).all()
    actor.close()
    channel.close()


def test_an_error_while_taking_in_ends_the_learner():
    env = make_people_cell().env
    actor, channel = make_local_channels(env.spec)
    learner = make_learner(env, channel)
    learner.memory.replay.append = lambda record, ring: 1 / 0
    send(actor, play_records(1))
    with pytest.raises(ZeroDivisionError):
        run_learner(learner, lambda: False)


def test_what_arrives_at_the_very_end_is_taken_in():
    env = make_people_cell().env
    actor, channel = make_local_channels(env.spec)
    learner = make_learner(env, channel)
    records = play_records(1)
    sent = []

    def is_finished():
        if not sent:
            sent.extend(records)
            send(actor, records)
        return True

    run_learner(learner, is_finished)
    assert learner.memory.replay.sizes()["online"] == len(records)
