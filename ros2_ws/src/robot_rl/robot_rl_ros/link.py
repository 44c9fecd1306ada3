"""How a process without an idle thread hears its messages: whoever waits for something, brings them in."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.task import Future

from robot_rl.errors import DeviceError

T = TypeVar("T")

_ASK_FIRST_AFTER_S, _ASK_EVERY_S = 0.1, 1.0
_LOOK_EVERY_S = 0.05  # not everything that is waited for comes as a message: a node that joins does not


class Link:
    """One node, spun by the thread that uses its devices, so that nothing changes behind that thread's back.

    Attributes:
        node: the node.
        patience_s: how long an answer may take before its sender counts as dead.
        ask_again: has the present sent once more, where something of it did not arrive.
        due_ns: in lock-step, the stamp that a device's newest message must have reached to be the present; None in
            real time, where the newest that is there is taken.
    """

    def __init__(self, node: Node, patience_s: float = 10.0) -> None:
        self.node, self.patience_s = node, patience_s
        self.due_ns: int | None = None
        self.ask_again: Callable[[], None] = lambda: None
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        self._count = 0

    def note(self) -> None:
        """A callback has run."""
        self._count += 1

    def spin_until(self, is_reached: Callable[[], bool], timeout_s: float) -> bool:
        """Handle messages until a condition holds; whether it did in time."""
        end_s = time.monotonic() + timeout_s
        while not is_reached():
            remaining_s = end_s - time.monotonic()
            if remaining_s <= 0.0:
                return False
            self._executor.spin_once(timeout_sec=min(remaining_s, _LOOK_EVERY_S))
        return True

    def wait_for(self, is_reached: Callable[[], bool]) -> bool:
        """As `spin_until`, for as long as patience lasts, asking again now and then."""
        end_s = time.monotonic() + self.patience_s
        pause_s = _ASK_FIRST_AFTER_S
        while not self.spin_until(is_reached, min(pause_s, self.patience_s)):
            if time.monotonic() >= end_s:
                return False
            self.ask_again()
            pause_s = min(2.0 * pause_s, _ASK_EVERY_S)
        return True

    def drain(self) -> None:
        """Handle everything that has arrived."""
        before = -1
        while before != self._count:
            before = self._count
            self._executor.spin_once(timeout_sec=0.0)

    def call(self, client: Client[Any, Any], request: Any) -> Any:
        """Ask a service and wait for its answer.

        Raises:
            DeviceError: nobody answered in time.
        """
        if not self.spin_until(client.service_is_ready, self.patience_s):
            raise DeviceError(f"The service {client.srv_name} was not there within {self.patience_s:g} s.")
        return self.wait(client.call_async(request), client.srv_name)

    def wait(self, future: Future[Any], what: str) -> Any:
        """Result of a future; DeviceError where it does not come in time."""
        if not self.spin_until(future.done, self.patience_s):
            future.cancel()
            raise DeviceError(f"{what} did not answer within {self.patience_s:g} s.")
        return future.result()

    def close(self) -> None:
        """Leave the node alone."""
        self._executor.remove_node(self.node)
        self._executor.shutdown()


class Newest(Generic[T]):
    """The newest value that a topic carried, with the moment that it describes."""

    def __init__(
        self,
        link: Link,
        message_type: type[Any],
        topic: str,
        convert: Callable[[Any], tuple[int, T]],
        qos: QoSProfile,
    ) -> None:
        """Subscribe to `topic` as (stamp_ns, value)."""
        self._link, self._convert = link, convert
        self.stamp_ns = -1
        self._value: T | None = None
        self._error: Exception | None = None
        self.subscription = link.node.create_subscription(message_type, topic, self._take, qos)

    def _take(self, message: Any) -> None:
        self._link.note()
        try:
            self.stamp_ns, self._value = self._convert(message)
            self._error = None
        except Exception as error:  # noqa: BLE001  raised where the value is used, not in whoever waits for another one
            self._error = error

    def read(self) -> tuple[int, T]:
        """(stamp_ns, value) of the present.

        Raises:
            DeviceError: the topic is silent, or what it carries makes no sense.
        """
        link = self._link
        if link.due_ns is None:
            link.drain()
        due_ns = 0 if link.due_ns is None else link.due_ns
        is_there = link.wait_for(lambda: self.stamp_ns >= due_ns or self._error is not None)
        if self._error is not None:
            error, self._error = self._error, None
            raise DeviceError(f"{self.subscription.topic_name} carries nonsense: {error}") from error
        if not is_there:
            newest = f"its newest message is of {self.stamp_ns * 1e-9:.3f} s" if self.stamp_ns >= 0 else "nothing came"
            raise DeviceError(
                f"{self.subscription.topic_name} was silent for {link.patience_s:g} s: it should have reached "
                f"{due_ns * 1e-9:.3f} s, {newest}."
            )
        assert self._value is not None
        return self.stamp_ns, self._value

    @property
    def value(self) -> T | None:
        """What was heard last, however old; None before the first message."""
        return self._value
