"""A task at the other end of the wire: what is known of the target, and whether it is solved."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any

from rclpy.client import Client
from rclpy.publisher import Publisher
from robot_rl_msgs.msg import Estimate, Reward
from rosgraph_msgs.msg import Clock as ClockMsg
from std_srvs.srv import Trigger

from robot_rl.clock import NS_PER_S, SET_BACK_NS
from robot_rl.errors import DeviceError
from robot_rl.geometry import Array
from robot_rl.robot.robot import RobotReading
from robot_rl.types import Outcome
from robot_rl_ros import convert, qos
from robot_rl_ros.clock import now_ns
from robot_rl_ros.link import Link, Newest

TASK, CLASSIFIER = "task", "reward_classifier"
"""Nodes that judge."""
_KEPT = 512


class RosTask:
    """The estimate of a task node, and the rewards of that node or of a classifier: a task, and a judge to be reset.

    In lock-step a reward is that of the present. In real time a node judges as often as it has something to judge:
    every reward counts once, in the step in which it is heard, and none after the one that ends the episode.
    """

    def __init__(self, link: Link, name: str, estimate_size: int, judge: str = TASK) -> None:
        """Join the task's node, and that of the `judge`."""
        self.name, self.estimate_size = name, estimate_size
        self._link, self._topic = link, f"{judge}/reward"
        self._said: deque[tuple[int, Outcome]] = deque(maxlen=_KEPT)
        self._counted_ns = -1
        self._estimate = Newest(link, Estimate, "task/estimate", convert.from_estimate, qos.STREAM)
        self._reward = Newest(link, Reward, self._topic, self._take, qos.PRESSES)
        self._start: Client[Any, Any] | None = None
        self._judge_at: Publisher[ClockMsg] | None = None
        if judge == CLASSIFIER:
            self._start = link.node.create_client(Trigger, f"{judge}/start_episode")
            if link.due_ns is not None:
                self._judge_at = link.node.create_publisher(ClockMsg, f"{judge}/judge", qos.STREAM)

    def _take(self, message: Reward) -> tuple[int, Outcome]:
        stamp_ns, outcome = convert.from_reward(message)
        if self._said and outcome.reward == 0.0 and self._said[-1][1] == outcome:
            self._said.pop()  # nothing new, however often it is said in a pause: it pushes out nothing that was paid
        self._said.append((stamp_ns, outcome))
        return stamp_ns, outcome

    def estimate(self, reading: RobotReading) -> Array:
        """What is known of the target. Shape (estimate_size,).

        Raises:
            DeviceError: it has another size, or is silent.
        """
        del reading  # the node has looked itself, at the same moment
        _, values = self._estimate.read()
        if values.shape != (self.estimate_size,):
            raise DeviceError(f"The estimate of {self.name} must have {self.estimate_size} values, got {values.shape}.")
        return values

    def reset(self) -> None:
        """An episode starts: what was said before is of another.

        Raises:
            DeviceError: the judge is not there.
        """
        link = self._link
        if self._start is not None:
            link.call(self._start, Trigger.Request())
        heard = self._judge_at
        if heard is not None and not link.spin_until(lambda: heard.get_subscription_count() > 0, link.patience_s):
            raise DeviceError(f"The judge was not there within {link.patience_s:g} s.")
        self._said.clear()
        self._counted_ns = now_ns(link.node) if link.due_ns is None else link.due_ns

    def evaluate(self, reading: RobotReading) -> Outcome:
        """What was said of the present situation; in real time, of everything since this was asked last.

        Raises:
            DeviceError: the judge is silent.
        """
        del reading
        if self._link.due_ns is None:
            return self._count()
        if self._judge_at is None:
            return self._reward.read()[1]
        return self._ask(self._judge_at, self._link.due_ns)

    def _ask(self, judge_at: Publisher[ClockMsg], due_ns: int) -> Outcome:
        """Have the present judged: not each image is, since some are only shown again, or between two steps."""
        link = self._link

        def ask() -> None:
            judge_at.publish(convert.to_clock(due_ns))

        self._said.clear()
        ask()
        if not link.wait_for(lambda: bool(self._said) and self._said[-1][0] == due_ns, ask):
            raise DeviceError(f"{self._topic} was silent for {link.patience_s:g} s.")
        return self._said[-1][1]

    def _count(self) -> Outcome:
        """Add up what is new."""
        link = self._link
        self._reward.read()
        # After the clock was set back, what was said before says nothing of the present, and what is said from then on
        # is older than all that was counted.
        if not link.wait_for(lambda: self._reward.stamp_ns <= now_ns(link.node) + SET_BACK_NS):
            raise DeviceError(f"{self._topic} has been silent for {link.patience_s:g} s, since the clock was set back.")
        age_s = (now_ns(link.node) - self._reward.stamp_ns) / NS_PER_S
        if age_s > link.patience_s:
            raise DeviceError(f"{self._topic} has been silent for {age_s:.1f} s.")
        newest_ns = now_ns(link.node) + SET_BACK_NS
        is_set_back = self._counted_ns > newest_ns
        total, outcome = 0.0, Outcome()
        while self._said and not outcome.is_terminal:
            stamp_ns, said = self._said.popleft()
            if stamp_ns > self._counted_ns or (is_set_back and stamp_ns <= newest_ns):
                self._counted_ns, outcome = stamp_ns, said
                total += said.reward
        self._said.clear()
        return replace(outcome, reward=total)
