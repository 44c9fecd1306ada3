"""Time in the graph: the system's on a robot; in lock-step the simulator's, which passes when the actor says so."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from robot_rl_msgs.msg import ArmState
from rosgraph_msgs.msg import Clock as ClockMsg

from robot_rl.clock import NS_PER_S
from robot_rl.errors import DeviceError
from robot_rl_ros import convert, qos
from robot_rl_ros.link import Link, Newest

_NAP_S = 0.05  # ROS time may jump


class RosClock:
    """The clock of the stamps in real time: ROS time, which all machines of a graph share."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def now_ns(self) -> int:
        """Present time [ns]."""
        return now_ns(self._link.node)

    def sleep_until_ns(self, stamp_ns: int) -> None:
        """Wait until `stamp_ns`; no longer than it seems at first, should the clock be set back."""
        _sleep_until_ns(stamp_ns, self.now_ns, self._link.sleep)


class NodeClock:
    """ROS time, for who has a node and no link."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def now_ns(self) -> int:
        """Present time [ns]."""
        return now_ns(self._node)

    def sleep_until_ns(self, stamp_ns: int) -> None:
        """See RosClock."""
        _sleep_until_ns(stamp_ns, self.now_ns, time.sleep)


class LockStepClock:
    """Simulated time: sleeping asks the simulator to go on. Who then reads a device waits until it has."""

    def __init__(self, link: Link) -> None:
        """Join the simulator; `connect` learns what time it is."""
        self._link = link
        self._publisher = link.node.create_publisher(ClockMsg, "simulation/advance", qos.STREAM)

    def connect(self) -> None:
        """Wait for the simulator, and take its time; DeviceError where there is none."""
        link = self._link
        if not link.spin_until(lambda: self._publisher.get_subscription_count() > 0, link.patience_s):
            raise DeviceError(f"No simulator has joined within {link.patience_s:g} s.")
        link.due_ns, link.ask_again = 0, self._ask
        # Not by /clock, which is everybody's: a second arm may have a simulator of its own.
        told = Newest(link, ArmState, "impedance_controller/state", _to_stamp, qos.STREAM)
        self._ask()
        link.due_ns, _ = told.read()
        told.close()

    def _ask(self) -> None:
        """A simulator that has come so far already sends the present once more."""
        self._publisher.publish(convert.to_clock(self.now_ns()))

    def now_ns(self) -> int:
        """Simulated time [ns] that was asked for."""
        assert self._link.due_ns is not None, "connect() first"
        return self._link.due_ns

    def take_over(self, stamp_ns: int) -> None:
        """Somebody else has let time pass until `stamp_ns`: a reset."""
        self._link.due_ns = max(self.now_ns(), stamp_ns)

    def sleep_until_ns(self, stamp_ns: int) -> None:
        """Have the simulator go on until `stamp_ns`."""
        if stamp_ns > self.now_ns():
            self._link.due_ns = stamp_ns
            self._ask()


def every(node: Node, period_s: float, call: Callable[[], None]) -> None:
    """Have the node call something again and again, for as long as it is served.

    Not by the node's own clock, as its timers are by default: where that is set back, they are silent until it is again
    as late as it was.
    """
    node.create_timer(period_s, call, clock=Clock(clock_type=ClockType.STEADY_TIME))


def _sleep_until_ns(stamp_ns: int, tell_ns: Callable[[], int], sleep: Callable[[float], None]) -> None:
    """Sleep until the graph's clock tells `stamp_ns`, or this machine's that it should have."""
    end_s = time.monotonic() + (stamp_ns - tell_ns()) / NS_PER_S
    while (remaining_s := min((stamp_ns - tell_ns()) / NS_PER_S, end_s - time.monotonic())) > 0.0:
        sleep(min(_NAP_S, remaining_s))


def _to_stamp(message: ArmState) -> tuple[int, bool]:
    return convert.from_time(message.header.stamp), True


def make_clock(link: Link, is_lock_step: bool) -> RosClock | LockStepClock:
    """The clock of a graph, connected."""
    if not is_lock_step:
        return RosClock(link)
    clock = LockStepClock(link)
    clock.connect()
    return clock


def now_ns(node: Node) -> int:
    """A node's present time [ns]."""
    return int(node.get_clock().now().nanoseconds)
