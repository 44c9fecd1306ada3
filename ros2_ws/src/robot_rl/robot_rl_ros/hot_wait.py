"""Waiting for a few subscriptions, and for nothing else.

An executor asks every entity of its nodes before each message; in Python that takes longer than the message. Where a
process waits for the same few topics a thousand times a second, as in lock-step, it waits for these alone, with what
`rclpy.wait_for_message` is made of, and its executor serves the rest now and then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rclpy.context import Context
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.subscription import Subscription


class HotWait:
    """Waits for any of some subscriptions, and takes what has come."""

    def __init__(self, context: Context, subscriptions: Sequence[Subscription[Any]]) -> None:
        self._context, self._subscriptions = context, tuple(subscriptions)

    def wait(self, timeout_s: float) -> bool:
        """Whether something has come within a time."""
        assert self._context.handle is not None, "ROS is not started"
        # Made for each wait, as an executor's: one that is left to the garbage collector may outlive what it refers to.
        wait_set = rclpy_implementation.WaitSet(len(self._subscriptions), 0, 0, 0, 0, 0, self._context.handle)
        with wait_set:
            wait_set.clear_entities()
            for subscription in self._subscriptions:
                wait_set.add_subscription(subscription.handle)
            wait_set.wait(round(max(0.0, timeout_s) * 1e9))
            return bool(wait_set.get_ready_entities("subscription"))

    def handle(self) -> int:
        """Call the callbacks of all that has come; how many messages that were."""
        count = 0
        for subscription in self._subscriptions:
            callback: Callable[..., None] = subscription.callback
            for message in _take(subscription):
                callback(message)
                count += 1
        return count


def _take(subscription: Subscription[Any]) -> Iterator[Any]:
    """What a subscription has received and not handled yet."""
    while (taken := subscription.handle.take_message(subscription.msg_type, subscription.raw)) is not None:
        yield taken[0]
