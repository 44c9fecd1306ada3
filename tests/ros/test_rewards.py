"""Rewards in real time, where the judge and the actor each have a beat of their own: every reward counts once."""

import time
from contextlib import contextmanager
from threading import Thread

import numpy as np
import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from robot_rl_msgs.msg import Reward
from robot_rl_ros import convert, qos
from robot_rl_ros.clock import now_ns
from robot_rl_ros.devices import task as task_module
from robot_rl_ros.devices.task import RosTask
from robot_rl_ros.link import Link
from robot_rl_ros.nodes.reward_classifier import RewardClassifier
from sensor_msgs.msg import Image

from robot_rl.errors import DeviceError
from robot_rl.rewards.debounce import DebounceConfig
from robot_rl.rewards.reward import ClassifierReward
from robot_rl.types import Outcome

MS = 1_000_000
STAGE, END = Outcome(1.0), Outcome(1.0, is_terminal=True, is_success=True)


class Judge:
    """Says what it is told of moments that are so many milliseconds after the reset."""

    def __init__(self, node, link):
        self.task, self.link = RosTask(link, "peg", 6), link
        self.publisher = node.create_publisher(Reward, "task/reward", qos.PRESSES)
        assert link.spin_until(lambda: self.publisher.get_subscription_count() > 0, 30.0)
        self.start_ns = now_ns(node)

    def say(self, after_ms, outcome=None):
        self.publisher.publish(convert.to_reward(outcome or Outcome(), self.start_ns + after_ms * MS))
        wanted = self.start_ns + after_ms * MS
        assert self.link.spin_until(lambda: self.task._reward.stamp_ns == wanted, 30.0)

    def ask(self):
        return self.task.evaluate(None)


@pytest.fixture
def judge():
    context = Context()
    rclpy.init(args=[], context=context)
    node = Node("test", context=context)
    link = Link(node, 2.0)
    yield Judge(node, link)
    link.close()
    node.destroy_node()
    rclpy.try_shutdown(context=context)


def test_what_was_paid_between_two_steps_is_not_lost_and_not_paid_twice(judge):
    for after_ms, outcome in ((10, None), (20, STAGE), (30, None)):
        judge.say(after_ms, outcome)
    assert judge.ask() == Outcome(1.0)
    judge.say(30)
    assert judge.ask() == Outcome()
    assert judge.ask() == Outcome(), "nothing new is nothing"


def test_after_the_end_nothing_is_paid(judge):
    judge.say(10, STAGE)
    judge.say(20, END)
    judge.say(30, END)
    assert judge.ask() == Outcome(2.0, is_terminal=True, is_success=True)


def test_what_was_said_of_the_episode_before_does_not_end_this_one(judge):
    judge.say(-50, END)
    judge.task.reset()
    judge.say(-40, END)
    assert judge.ask() == Outcome(), "it arrived late, and is of before the reset"


def test_what_was_paid_is_kept_however_long_nobody_asks(judge):
    """A pause of 20 s of a judge that speaks 30 times a second; who has ended says so again, and pays nothing more."""
    has_ended = Outcome(0.0, is_terminal=True, is_success=True)
    said = [STAGE, *[Outcome()] * 300, END, *[has_ended] * 300]
    for after_ms, outcome in enumerate(said, 1):
        judge.task._take(convert.to_reward(outcome, judge.start_ns + after_ms * MS))
    judge.say(len(said) + 1, has_ended)
    assert judge.ask() == Outcome(2.0, is_terminal=True, is_success=True)


def test_a_judge_that_has_fallen_silent_is_an_error(judge):
    judge.say(-3000)
    with pytest.raises(DeviceError, match=r"task/reward has been silent for 3\.\d s"):
        judge.ask()


@pytest.fixture
def back(monkeypatch):
    """Sets the actor's clock back by 30 s."""

    def set_back():
        monkeypatch.setattr(task_module, "now_ns", lambda node: now_ns(node) - 30_000 * MS)

    return set_back


def test_rewards_count_after_the_clock_was_set_back(judge, back):
    judge.say(10, STAGE)
    assert judge.ask() == STAGE
    judge.say(20, STAGE)
    back()
    judge.say(-30_000)
    judge.say(-29_900, END)
    assert judge.ask() == Outcome(2.0, is_terminal=True, is_success=True)
    judge.say(-29_900, END)
    assert judge.ask() == Outcome(), "it was counted"


def test_a_judge_that_falls_silent_as_the_clock_is_set_back_is_an_error(judge, back):
    judge.say(10)
    assert judge.ask() == Outcome()
    back()
    judge.link.patience_s = 0.2
    with pytest.raises(DeviceError, match=r"task/reward .* silent"):
        judge.ask()


class Seen:
    """A predictor that counts what it was shown, and calls it a success or not."""

    outputs, thresholds = ("success",), (0.5,)

    def __init__(self):
        self.count, self.probability = 0, 0.0

    def __call__(self, images):
        self.count += 1
        return np.array([self.probability])


@contextmanager
def spinning(node):
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    thread = Thread(target=executor.spin)
    thread.start()
    try:
        yield
    finally:
        executor.shutdown()
        thread.join()


@pytest.fixture
def _ros():
    rclpy.init(args=[])
    yield
    rclpy.try_shutdown()


@pytest.mark.usefixtures("_ros")
def test_the_one_message_that_pays_waits_for_an_actor_that_is_busy():
    node, seen = Node("test"), Seen()
    link = Link(node, 10.0)
    reward = ClassifierReward(seen, DebounceConfig(required=1, window=1))
    classifier = RewardClassifier(reward, seen.outputs, ("wrist",), 0.03, is_lock_step=False)
    pictures = node.create_publisher(Image, "camera_wrist/color/image_raw", qos.STREAM)

    def show(count):
        wanted = seen.count + count
        while seen.count < wanted:
            pictures.publish(convert.to_image(np.zeros((2, 2, 3), np.uint8), now_ns(node), "wrist"))
            time.sleep(0.005)

    with spinning(classifier):
        task = RosTask(link, "peg", 6, "reward_classifier")
        task.reset()
        show(1)
        assert task.evaluate(None).reward == 0.0
        seen.probability = 1.0
        show(20)  # and nobody listens meanwhile
        newest_ns = task._reward.stamp_ns
        assert link.spin_until(lambda: task._reward.stamp_ns > newest_ns, 30.0)
        link.drain()
        found = task.evaluate(None)
    classifier.destroy_node()
    link.close()
    node.destroy_node()
    assert (found.reward, found.is_success) == (1.0, True)
