"""How a process without an idle thread hears its messages: whoever waits for something, brings them in."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from rclpy.client import Client
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import SingleThreadedExecutor, TimeoutException
from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible
from rclpy.subscription import Subscription
from rclpy.task import Future

from robot_rl.errors import DeviceError
from robot_rl_ros.hot_wait import HotWait

T = TypeVar("T")

_ASK_FIRST_AFTER_S, _ASK_EVERY_S = 0.1, 1.0
_SERVE_EVERY_S = 0.1
_SERVED_AT_ONCE = 64  # callbacks; whoever asks faster than that is not waited for
_LOOK_EVERY_S = 0.05  # not everything that is waited for comes as a message: a node that joins does not


class Link:
    """One node, whose messages are handled by the thread that uses its devices, and only while it waits or asks.

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
        self._heard: list[Subscription[Any]] = []
        self._hot = HotWait(node.context, ())
        self._served_s = 0.0
        self._ends: list[Callable[[], None]] = []

    def listen(self, subscription: Subscription[Any]) -> None:
        """Have a subscription's messages handled whenever something is waited for."""
        self._heard.append(subscription)
        self._hot = HotWait(self.node.context, self._heard)

    def forget(self, subscription: Subscription[Any]) -> None:
        """End a subscription."""
        self._heard.remove(subscription)
        self._hot = HotWait(self.node.context, self._heard)
        self.node.destroy_subscription(subscription)

    def drain(self) -> None:
        """Handle everything that has arrived; who asks this node something waits for `_SERVE_EVERY_S` at most."""
        while self._hot.handle():
            pass
        now_s = time.monotonic()
        if now_s - self._served_s > _SERVE_EVERY_S:
            self._served_s = now_s
            self._serve()

    def _serve(self) -> None:
        """Have the executor call back for all that is ready, and for what becomes ready by that."""
        is_idle = False
        for _ in range(_SERVED_AT_ONCE):
            try:
                handler = self._executor.wait_for_ready_callbacks(0.0)[0]
            except TimeoutException:  # has looked at everything once; what is done with an answer is a task of its own
                if is_idle:
                    return
                is_idle = True
                continue
            is_idle = False
            handler()
            handler.result()

    def wait_for(
        self,
        is_reached: Callable[[], bool],
        ask_too: Callable[[], None] = lambda: None,
        ask_after_s: float = _ASK_FIRST_AFTER_S,
    ) -> bool:
        """Handle messages until a condition on them holds, asking again now and then; False where patience ends.

        Args:
            is_reached: the condition.
            ask_too: asks whoever has to answer what the present is, beside those that `ask_again` asks.
            ask_after_s: when it is asked first; later ever more seldom.
        """
        start_s = time.monotonic()
        asked_s, pause_s = start_s, ask_after_s
        self.drain()
        while not is_reached():
            now_s = time.monotonic()
            if now_s - start_s >= self.patience_s:
                return False
            if now_s - asked_s >= pause_s:
                self.ask_again()
                ask_too()
                asked_s, pause_s = now_s, min(2.0 * pause_s, _ASK_EVERY_S)
            self._hot.wait(min(pause_s, _LOOK_EVERY_S))
            self.drain()
        return True

    def spin_until(self, is_reached: Callable[[], bool], timeout_s: float) -> bool:
        """Handle messages and answers of services until a condition holds; whether it did in time."""
        end_s = time.monotonic() + timeout_s
        while not is_reached():
            remaining_s = end_s - time.monotonic()
            if remaining_s <= 0.0:
                return False
            self._executor.spin_once(timeout_sec=min(remaining_s, _LOOK_EVERY_S))
        return True

    def sleep(self, duration_s: float) -> None:
        """Let time pass. What arrives meanwhile is handled by whoever reads it."""
        self.drain()
        time.sleep(max(0.0, duration_s))

    def call(self, client: Client[Any, Any], request: Any, patience_s: float | None = None) -> Any:
        """Ask a service and wait for its answer, as long as patience lasts.

        Raises:
            DeviceError: nobody answered in time.
        """
        patience_s = self.patience_s if patience_s is None else patience_s
        if not self.spin_until(client.service_is_ready, patience_s):
            raise DeviceError(f"The service {client.srv_name} was not there within {patience_s:g} s.")
        return self.wait(client.call_async(request), client.srv_name, patience_s)

    def wait(self, future: Future[Any], what: str, patience_s: float | None = None) -> Any:
        """Result of a future; DeviceError where it does not come in time."""
        patience_s = self.patience_s if patience_s is None else patience_s
        if not self.spin_until(future.done, patience_s):
            future.cancel()
            raise DeviceError(f"{what} did not answer within {patience_s:g} s.")
        return future.result()

    def at_close(self, end: Callable[[], None]) -> None:
        """Have something called when the node is left alone."""
        self._ends.append(end)

    def close(self) -> None:
        """Leave the node alone."""
        for end in self._ends:
            end()
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
        max_silence_s: float = float("inf"),
        stands_still: Callable[[T], bool] | None = None,
    ) -> None:
        """Subscribe to `topic` as (stamp_ns, value).

        Args:
            link: whose thread reads it.
            message_type: of the topic.
            topic: its name.
            convert: from a message; what it raises is raised where the value is read.
            qos: see the module.
            max_silence_s: in real time what was heard longer ago is not taken for the present: a newer one is waited
                for. The same stamp again counts as silence: whoever repeats themselves says nothing of the present.
            stands_still: whether a value rightly stays as it is, so that its repetition counts; None where none does.
        """
        self._link, self._convert, self._qos = link, convert, qos
        self._stands_still = stands_still
        self._max_silence_s, self._heard_s = max_silence_s, 0.0
        self.stamp_ns = -1
        self._value: T | None = None
        self._error: Exception | None = None
        # Every event of a topic has to be waited for in every wait; what does not fit is found when nothing comes.
        quiet = SubscriptionEventCallbacks(use_default_callbacks=False)
        self._subscription = link.node.create_subscription(message_type, topic, self._take, qos, event_callbacks=quiet)
        link.listen(self._subscription)

    def _take(self, message: Any) -> None:
        try:
            before_ns = self.stamp_ns
            self.stamp_ns, self._value = self._convert(message)
            if self.stamp_ns != before_ns or (self._stands_still is not None and self._stands_still(self._value)):
                self._heard_s = time.monotonic()
            self._error = None
        except Exception as error:  # noqa: BLE001  raised where the value is used, not in whoever waits for another one
            self._error = error

    def read(self, ask_after_s: float = _ASK_FIRST_AFTER_S) -> tuple[int, T]:
        """(stamp_ns, value) of the present; in lock-step it is asked for where it does not come by itself.

        Raises:
            DeviceError: the topic is silent, or what it carries makes no sense.
        """
        link = self._link
        if link.due_ns is None:
            link.drain()  # the newest, and not the first that comes
        due_ns = 0 if link.due_ns is None else link.due_ns
        heard_from_s = time.monotonic() - self._max_silence_s if link.due_ns is None else 0.0
        is_there = link.wait_for(
            lambda: (self.stamp_ns >= due_ns and self._heard_s >= heard_from_s) or self._error is not None,
            ask_after_s=ask_after_s,
        )
        if self._error is not None:
            error, self._error = self._error, None
            raise DeviceError(f"{self._subscription.topic_name} carries nonsense: {error}") from error
        if not is_there:
            newest = f"its newest message is of {self.stamp_ns * 1e-9:.3f} s" if self.stamp_ns >= 0 else "nothing came"
            due = "" if link.due_ns is None else f"it should have reached {due_ns * 1e-9:.3f} s, "
            raise DeviceError(
                f"{self._subscription.topic_name} was silent for {link.patience_s:g} s: "
                f"{due}{newest}{self._find_cause()}."
            )
        assert self._value is not None
        return self.stamp_ns, self._value

    @property
    def topic(self) -> str:
        """Its name."""
        return self._subscription.topic_name

    def close(self) -> None:
        """Listen no longer."""
        self._link.forget(self._subscription)

    def _find_cause(self) -> str:
        """Why nothing comes, where the graph knows."""
        topic = self._subscription.topic_name
        publishers = self._link.node.get_publishers_info_by_topic(topic)
        if not publishers:
            return "; nobody publishes it"
        reasons = [
            f"; {other.node_name} publishes it otherwise: {reason}"
            for other in publishers
            for fit, reason in [qos_check_compatible(other.qos_profile, self._qos)]
            if fit == QoSCompatibility.ERROR
        ]
        return "".join(reasons)

    @property
    def value(self) -> T | None:
        """What was heard last, however old; None before the first message."""
        return self._value
