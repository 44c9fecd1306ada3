"""A Franka Hand, as a gripper of the project."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from types import TracebackType
from typing import Final

import numpy as np

from robot_rl.errors import DeviceError, SetupError, SpecError
from robot_rl_hardware.franka import hand_process
from robot_rl_hardware.franka.arm_process import SETUP_STATUS
from robot_rl_hardware.franka.child import Child
from robot_rl_hardware.franka.records import HAND_MOVE_DTYPE, HAND_ORDER_DTYPE, HAND_REPORT_DTYPE, to_text
from robot_rl_hardware.franka.settings import HandSettings
from robot_rl_hardware.franka.shared import SharedRecord

_log = logging.getLogger(__name__)

_START_S: Final = 60.0
_POLL_S: Final = 2e-3


class FrankaGripper:
    """A hand; a context manager during which `hand_process` drives it. No verb waits for the fingers.

    Closing to `grasp_width_m` or less holds with force what is between the fingers.
    """

    def __init__(self, settings: HandSettings, pause: Callable[[float], None] = time.sleep) -> None:
        """Store what is driven, and what lets some seconds pass (see `FrankaArm`)."""
        self._settings, self._pause = settings, pause
        self._lock = threading.Lock()
        self._told = ""
        self._children: list[Child] = []

    def __enter__(self) -> FrankaGripper:
        """Connect.

        Raises:
            SetupError: the robot's library is missing.
            DeviceError: no hand answers.
        """
        self._begin()
        files = (self._orders.file, self._moves.file, self._reports.file)
        for role in ("watch", "move"):
            words = [role, str(os.getpid()), *map(str, files), json.dumps(asdict(self._settings))]
            self._children.append(
                Child([sys.executable, "-P", "-m", hand_process.__name__, *words], files, self._pause)
            )
        try:
            self._wait_for_start()
        except (SetupError, DeviceError):
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the fingers as they are."""
        self._end()

    @property
    def process_numbers(self) -> tuple[int, ...]:
        """Of the processes that watch and move it, for those who watch these."""
        return tuple(child.number for child in self._children)

    def width(self) -> float:
        """Present opening [m].

        Raises:
            DeviceError: the hand is lost.
        """
        with self._lock:
            self._check()
            self._reports.read()
            report = self._reports.record[0]
            return float(np.clip(report["width_m"], 0.0, report["max_width_m"]))

    def max_width(self) -> float:
        """Largest opening [m], as the hand found it when it was homed."""
        with self._lock:
            self._reports.read()
            return float(self._reports.record[0]["max_width_m"])

    def set_width(self, width_m: float) -> None:
        """Start moving to an opening [m]; one that turns the fingers too soon waits, unless a newer one comes.

        Raises:
            DeviceError: the hand is lost.
        """
        if not np.isfinite(width_m):
            raise SpecError(f"gripper width must be finite, got {width_m}.")
        widest_m = self.max_width()
        with self._lock:
            self._check()
            goal_m, order = float(np.clip(width_m, 0.0, widest_m)), self._orders.record[0]
            is_wanted = order["count"] > order["withdrawn_count"] and not self._find_failure()
            if is_wanted and goal_m == order["width_m"]:
                return  # a policy repeats itself ten times a second
            order["width_m"] = goal_m
            order["count"] += 1
            self._orders.write()

    def withdraw(self) -> None:
        """The newest opening is void where the fingers have not begun to move there; a motion goes on to its end."""
        with self._lock:
            if not self._children:
                return  # nobody has opened it: nothing was commanded
            self._moves.read()
            order, begun = self._orders.record[0], self._moves.record[0]["count"]
            if begun < order["count"] != order["withdrawn_count"]:
                order["withdrawn_count"] = order["count"]
                self._orders.write()

    def _begin(self) -> None:
        """Nothing was ordered yet, nor told."""
        self._told = ""
        self._orders = SharedRecord(HAND_ORDER_DTYPE)
        self._moves, self._reports = SharedRecord(HAND_MOVE_DTYPE), SharedRecord(HAND_REPORT_DTYPE)

    def _check(self) -> None:
        if any(child.status is not None for child in self._children):
            raise DeviceError(f"The hand is lost: {self._problem()}")
        failure = self._find_failure()
        if failure and failure != self._told:
            _log.warning("the hand has not obeyed: %s; the same opening is tried again when it is commanded", failure)
        self._told = self._told if failure is None else failure

    def _find_failure(self) -> str | None:
        """What was wrong with the newest order, "" for nothing; None where the fingers are not through with it."""
        self._moves.read()
        move, order = self._moves.record[0], self._orders.record[0]
        return None if move["is_busy"] or move["count"] != order["count"] else to_text(move["problem"])

    def _problem(self) -> str:
        """What the processes say, or how they ended."""
        self._moves.read()
        self._reports.read()
        statuses = [child.status for child in self._children]
        records = zip((self._reports, self._moves), statuses, strict=True)
        said = [to_text(record.record[0]["problem"]) for record, status in records if status is not None]
        return next((text for text in said if text), f"its processes have ended with {statuses}; open it again.")

    def _wait_for_start(self) -> None:
        deadline_s = time.monotonic() + _START_S
        while time.monotonic() < deadline_s:
            statuses = [child.status for child in self._children]
            if SETUP_STATUS in statuses:
                raise SetupError(self._problem())
            if any(status is not None for status in statuses):
                raise DeviceError(self._problem())
            self._reports.read()
            self._moves.read()
            is_wrong = bool(self._reports.record[0]["problem"]) or bool(self._moves.record[0]["problem"])
            if self._reports.was_written and self._moves.was_written and not is_wrong:
                return
            self._pause(_POLL_S)
        raise DeviceError(f"The hand's processes have not begun within {_START_S:g} s.")

    def _end(self) -> None:
        with self._lock:
            self._orders.record[0]["is_over"] = 1
            self._orders.write()
        for child in self._children:
            child.end()
        self._children.clear()
        for record in (self._orders, self._moves, self._reports):
            record.close()
