"""A publisher that can repeat itself."""

from __future__ import annotations

from typing import Any

from rclpy.event_handler import PublisherEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSProfile


class Broadcast:
    """Publishes, and remembers what it published last: in lock-step a message that was lost is asked for again."""

    def __init__(self, node: Node, message_type: type[Any], topic: str, qos: QoSProfile) -> None:
        # Every event of a topic has to be waited for in every wait: a fifth of a lock-step tick.
        quiet = PublisherEventCallbacks(use_default_callbacks=False)
        self._publisher = node.create_publisher(message_type, topic, qos, event_callbacks=quiet)
        self._last: Any = None

    @property
    def is_heard(self) -> bool:
        """Whether anybody listens."""
        return bool(self._publisher.get_subscription_count())

    def send(self, message: Any) -> None:
        """Publish a message."""
        self._last = message
        self._publisher.publish(message)

    def repeat(self) -> None:
        """Publish the last message once more, if there was one."""
        if self._last is not None:
            self._publisher.publish(self._last)
