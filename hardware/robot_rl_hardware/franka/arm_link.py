"""The process that drives an arm, as the one that commands it sees it: orders to it, and what it reports."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Final

from robot_rl.clock import NS_PER_S
from robot_rl.errors import DeviceError, SetupError
from robot_rl.types import StopRecord
from robot_rl_hardware.franka import arm_process
from robot_rl_hardware.franka.child import Child
from robot_rl_hardware.franka.records import ORDER_DTYPE, REPORT_DTYPE, get_stop, put_stop, to_text
from robot_rl_hardware.franka.settings import ArmSettings
from robot_rl_hardware.franka.shared import SharedRecord

_log = logging.getLogger(__name__)

START_S: Final = 180.0
"""How long it may take to begin: on a machine that has never run the law, that is compiled first."""
_SILENT_NS: Final = NS_PER_S // 2  # a process that moves the arm tells a thousand times a second how it is


class ArmLink:
    """Orders and reports; several threads use them with `lock` held, but for `start`, `end` and `wait`, which take it.

    Attributes:
        newest: the newest report with a measured state; None before the first.
    """

    def __init__(self, settings: ArmSettings, pause: Callable[[float], None]) -> None:
        """Store whose arm it is, and what lets some seconds pass."""
        self._settings, self._pause = settings, pause
        self.lock = threading.Lock()
        self.newest: Any = None
        self._child: Child | None = None
        self._looked_ns = 0

    @property
    def order(self) -> Any:
        """What is ordered; `send` sends it."""
        return self._orders.record[0]

    @property
    def status(self) -> int | None:
        """What the process has ended with, 0 where there is none; None while it runs."""
        return 0 if self._child is None else self._child.status

    @property
    def number(self) -> int:
        """Of the process, for those who watch it."""
        assert self._child is not None, "inside the context"
        return self._child.number

    def start(self, command: Sequence[str], before: Any) -> None:
        """Start a process; of the orders before, the preset is in force, and a stop that came meanwhile.

        Raises:
            SetupError: the robot's library is missing.
            DeviceError: no robot answers.
        """
        orders, reports = SharedRecord(ORDER_DTYPE), SharedRecord(REPORT_DTYPE)
        with self.lock:
            order = orders.record[0]
            order["preset"], order["preset_count"] = before["preset"], before["preset_count"]
            stop = get_stop(before)
            put_stop(order, stop)
            order["mode_count"] = 0 if stop is None else 1
            orders.write()
            self._orders, self._reports = orders, reports
        files = (orders.file, reports.file)
        words = [str(os.getpid()), *map(str, files), json.dumps(asdict(self._settings))]
        self._child = Child([*command, *words], files, self._pause)
        try:
            self._wait_for_start(self._child)
        except (SetupError, DeviceError):
            self.end()
            raise

    def _wait_for_start(self, child: Child) -> None:
        def is_there() -> bool:
            report = self.read()
            return self._reports.was_written and (bool(report["is_moving"]) or get_stop(report) is not None)

        if not self.wait(is_there, START_S):
            raise arm_process.to_start_error(child.status, to_text(self.read()["refusal"]), START_S)
        if self.newest is None:  # the connection was lost before the first state came
            raise DeviceError(to_text(self.read()["stop_detail"]))
        if not self._settings.is_lock_step and not self.newest["is_real_time"]:
            _log.warning("the arm's loop has no real-time scheduling: allow rtprio in /etc/security/limits.conf")

    def end(self) -> None:
        """Have the process bring the arm to rest and end, if there is one."""
        if self._child is None:
            return
        with self.lock:
            self.order["is_over"] = 1
            self.send()
        self._child.end()
        self._orders.close()
        self._reports.close()
        self._child = None

    def send(self) -> None:
        """Send what is ordered."""
        self._orders.write()

    def send_mode(self, stop: StopRecord | None) -> None:
        """Order a stop, or its end."""
        put_stop(self.order, stop)
        self.order["mode_count"] += 1
        self.send()

    def read(self) -> Any:
        """The newest report."""
        self._looked_ns = time.monotonic_ns()  # before: what keeps us from reading makes no report old
        self._reports.read()
        report = self._reports.record[0]
        if report["measured"]["quaternion"].any():  # else nothing was measured yet
            self.newest = report
        return report

    @property
    def report(self) -> Any:
        """The report that was read last."""
        return self._reports.record[0]

    def wait(self, is_true: Callable[[], bool], limit_s: float) -> bool:
        """See `Child.wait`."""

        def is_true_now() -> bool:
            with self.lock:
                return is_true()

        assert self._child is not None
        return self._child.wait(is_true_now, limit_s)

    def find_loss(self) -> str:
        """Why nobody drives the arm: the process has ended, or hangs while it moves the arm; "" where it drives."""
        if self.status is not None:
            return f"the process that drives the arm has ended with status {self.status}; recover() starts another one"
        silent_ns = self._looked_ns - int(self.report["stamp_ns"])
        if not self.report["is_moving"] or self._settings.is_lock_step or silent_ns <= _SILENT_NS:
            return ""
        return (
            f"nothing was told of the arm for {silent_ns / NS_PER_S:.2g} s: the robot is silent, or the process "
            f"{self.number}, which drives it, hangs; end that one where recover() has no answer"
        )
