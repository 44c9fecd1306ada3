"""Drives a hand, for `gripper.FrankaGripper`.

    python -m robot_rl_hardware.franka.hand_process (move | watch) PARENT ORDERS MOVES REPORTS SETTINGS

A command of libfranka returns when the fingers have arrived, and keeps Python's lock until then: so one process
moves, and another one, with a connection of its own, reads the width and stops a motion that is no longer wanted. Both
end with their parent.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from robot_rl.clock import to_ns
from robot_rl.errors import DeviceError, SetupError
from robot_rl_hardware.franka import faults
from robot_rl_hardware.franka.arm_process import DEVICE_STATUS, SETUP_STATUS
from robot_rl_hardware.franka.library import Library, load_library
from robot_rl_hardware.franka.records import HAND_MOVE_DTYPE, HAND_ORDER_DTYPE, HAND_REPORT_DTYPE, to_bytes
from robot_rl_hardware.franka.settings import HandSettings
from robot_rl_hardware.franka.shared import SharedRecord

_RETRY_S: Final = 0.1
_POLL_S: Final = 2e-3
_HELD_M: Final = 0.2  # wider than a hand opens: whatever is between the fingers is what was meant
_NOT_THERE: Final = "the fingers have not come to where they were told to go"


class HandMover:
    """Obeys the newest width."""

    def __init__(
        self,
        settings: HandSettings,
        errors: tuple[type[Exception], ...],
        orders: SharedRecord,
        moves: SharedRecord,
        reports: SharedRecord,
    ) -> None:
        """Store what the library raises, who says what is wanted, is told what is made of it, and knows the width."""
        self._settings, self._errors = settings, errors
        self._orders, self._moves, self._reports = orders, moves, reports
        self._direction = 0
        self._may_turn_ns = 0

    def serve(self, gripper: Any, is_over: Callable[[], bool]) -> None:
        """Move until told to end.

        Raises:
            DeviceError: the hand could not be homed.
        """
        if self._settings.is_homed and not gripper.homing():
            raise DeviceError("The hand has not found its widest opening: is its way clear? Home it in Desk.")
        self._tell(count=0, is_busy=False)
        begun = 0
        while not is_over():
            self._orders.read()
            order = self._orders.record[0]
            count, width_m = int(order["count"]), float(order["width_m"])
            self._reports.read()
            direction = 1 if width_m > self._reports.record[0]["width_m"] else -1
            is_void = count <= int(order["withdrawn_count"])
            if count == begun or is_void or self._has_to_wait(direction):
                time.sleep(_POLL_S)
                continue
            if direction != self._direction:
                self._direction = direction
                self._may_turn_ns = time.monotonic_ns() + to_ns(self._settings.turn_s)
            begun = count
            self._tell(count, is_busy=True)
            self._await_stop(is_over)
            self._tell(count, is_busy=False, problem=self._move(gripper, width_m, direction))

    def _has_to_wait(self, direction: int) -> bool:
        """Whether the fingers turned a moment ago and would turn again."""
        is_turn = self._direction not in (0, direction)
        return is_turn and time.monotonic_ns() < self._may_turn_ns

    def _await_stop(self, is_over: Callable[[], bool]) -> None:
        """Begin nothing that a stop would end which is on its way and meant for the motion before.

        Who stops says so first, and then looks whether a newer motion has begun; who moves does it the other way round.
        """
        self._reports.read()
        while self._reports.record[0]["is_stopping"] and not is_over():
            time.sleep(_POLL_S)
            self._reports.read()

    def _move(self, gripper: Any, width_m: float, direction: int) -> str:
        """Open to a width, or close to one with force, so that what lies between is held; what was wrong, or ""."""
        settings = self._settings
        try:
            if direction < 0 and width_m <= settings.grasp_width_m:
                # any object counts as the one that is meant: no width of it is a reason to say no
                is_there = gripper.grasp(width_m, settings.speed_m_s, settings.force_n, _HELD_M, _HELD_M)
            else:
                is_there = gripper.move(width_m, settings.speed_m_s)
        except self._errors as error:
            if not faults.is_of_fingers(error):
                raise
            return " ".join(str(error).split())
        return "" if is_there else _NOT_THERE

    def _tell(self, count: int, *, is_busy: bool, problem: str = "") -> None:
        record = self._moves.record[0]
        record["may_turn_ns"] = self._may_turn_ns
        record["count"], record["is_busy"], record["problem"] = count, is_busy, to_bytes(problem)
        self._moves.write()


def watch(
    gripper: Any, orders: SharedRecord, moves: SharedRecord, reports: SharedRecord, is_over: Callable[[], bool]
) -> None:
    """Tell the width, and stop a motion when a newer one is wanted."""
    report = reports.record[0]
    stopped = 0
    while not is_over():
        state = gripper.read_once()
        report["width_m"], report["max_width_m"] = state.width, state.max_width
        wanted = _find_wanted(orders, moves)
        report["is_stopping"] = wanted > stopped
        reports.write()
        if not report["is_stopping"]:
            continue
        if _find_wanted(orders, moves):  # it may have begun by itself, see `HandMover._await_stop`
            stopped = wanted
            gripper.stop()
        report["is_stopping"] = False
        reports.write()


def _find_wanted(orders: SharedRecord, moves: SharedRecord) -> int:
    """The newest order, where the fingers still obey an older one that is to be given up; 0 where they do not."""
    orders.read()
    moves.read()
    order, move = orders.record[0], moves.record[0]
    is_old = move["is_busy"] and move["count"] < order["count"] and time.monotonic_ns() >= move["may_turn_ns"]
    return int(order["count"]) if is_old and order["count"] > order["withdrawn_count"] else 0


def main(arguments: Sequence[str]) -> int:
    """Move or watch a hand until told to end."""
    parent, orders_file, moves_file, reports_file = (int(word) for word in arguments[1:5])
    settings = HandSettings(**json.loads(arguments[5]))
    orders = SharedRecord(HAND_ORDER_DTYPE, orders_file)
    moves, reports = SharedRecord(HAND_MOVE_DTYPE, moves_file), SharedRecord(HAND_REPORT_DTYPE, reports_file)
    is_mover = arguments[0] == "move"
    own = moves if is_mover else reports

    def is_over() -> bool:
        return os.getppid() != parent or bool(orders.peek("is_over"))

    try:
        library = load_library(settings.robot)
    except SetupError as error:
        _tell(own, error)
        return SETUP_STATUS
    try:
        gripper = _connect(library, settings, is_over)
        if is_mover:
            HandMover(settings, library.errors, orders, moves, reports).serve(gripper, is_over)
        else:
            watch(gripper, orders, moves, reports, is_over)
    except library.errors as error:
        _tell(own, error)
        return DEVICE_STATUS
    return 0


def _tell(own: SharedRecord, error: Exception) -> None:
    """Why the process ends, in one line."""
    own.record[0]["problem"] = to_bytes(" ".join(str(error).split()))
    own.write()


def _connect(library: Library, settings: HandSettings, is_over: Callable[[], bool]) -> Any:
    deadline_s = time.monotonic() + settings.connect_timeout_s
    while True:
        try:
            gripper = library.connect_hand(settings.host)
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
            return gripper
        except library.errors as error:
            if time.monotonic() > deadline_s or is_over():
                raise DeviceError(f"No connection to the hand at {settings.host} ({error}).") from error
        time.sleep(_RETRY_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
