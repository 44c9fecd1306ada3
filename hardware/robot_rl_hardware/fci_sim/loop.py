"""One thread that waits for sockets and for the time."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable

from robot_rl.clock import to_ns

_LONGEST_WAIT_S = 0.1  # so that the end is noticed


class Timer:
    """Calls a function again and again, as long as it is running."""

    def __init__(self, period_s: float, call: Callable[[], None]) -> None:
        self._period_ns, self._call = to_ns(period_s), call
        self._due_ns = 0
        self.is_running = False

    def start(self, period_s: float | None = None) -> None:
        """Call for the first time one period from now; of another length, if one is given [s]."""
        if period_s is not None:
            self._period_ns = to_ns(period_s)
        self.is_running, self._due_ns = True, time.monotonic_ns() + self._period_ns

    def stop(self) -> None:
        """Call no more."""
        self.is_running = False

    def wait_ns(self, now_ns: int) -> int:
        """Time until the next call [ns]; not positive when it is due."""
        return self._due_ns - now_ns

    def fire(self, now_ns: int) -> None:
        """Call. Periods that were missed are left out, not made up for: the delay is this process's, not others'."""
        self._due_ns = max(self._due_ns, now_ns - self._period_ns) + self._period_ns
        self._call()


class Loop:
    """Waits for what was given to it."""

    def __init__(self) -> None:
        self._handlers: dict[socket.socket, Callable[[], None]] = {}
        self._timers: list[Timer] = []

    def watch(self, source: socket.socket, handle: Callable[[], None]) -> None:
        """Call `handle` whenever `source` has something to read."""
        self._handlers[source] = handle

    def forget(self, source: socket.socket) -> None:
        """Watch it no more."""
        self._handlers.pop(source, None)

    def add_timer(self, period_s: float, call: Callable[[], None]) -> Timer:
        """A timer that does not run yet."""
        timer = Timer(period_s, call)
        self._timers.append(timer)
        return timer

    def run_once(self, limit_s: float = _LONGEST_WAIT_S) -> None:
        """Wait for the next thing to happen, for so long at most, and do what is to be done."""
        now_ns, wait_s = time.monotonic_ns(), limit_s
        for timer in self._timers:
            if timer.is_running:
                wait_s = min(wait_s, max(0, timer.wait_ns(now_ns)) * 1e-9)
        readable, _, _ = select.select(self._handlers, (), (), wait_s)
        for source in readable:
            handle = self._handlers.get(source)  # an earlier one may have ended this one
            if handle is not None:
                handle()
        now_ns = time.monotonic_ns()
        for timer in self._timers:
            if timer.is_running and timer.wait_ns(now_ns) <= 0:
                timer.fire(now_ns)
