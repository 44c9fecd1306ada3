"""Drives an arm, for `arm.FrankaArm`: a torque loop of 1 kHz in a process of its own.

    python -m robot_rl_hardware.franka.arm_process PARENT ORDERS REPORTS SETTINGS

A client of libfranka keeps Python's lock while it waits, so nothing else can run beside it. Orders and reports are
memory that is shared with the parent; when the parent is gone, the motion is ended.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from robot_rl.clock import NS_PER_S
from robot_rl.errors import DeviceError, SetupError
from robot_rl.types import Reason, StopRecord
from robot_rl_hardware.franka import faults
from robot_rl_hardware.franka.controller import ArmController
from robot_rl_hardware.franka.library import Connection, load_library
from robot_rl_hardware.franka.records import ORDER_DTYPE, REPORT_DTYPE, to_bytes
from robot_rl_hardware.franka.settings import ArmSettings
from robot_rl_hardware.franka.shared import SharedRecord

DEVICE_STATUS: Final = 3
SETUP_STATUS: Final = 4
_RETRY_S: Final = 0.1
_POLL_S: Final = 1e-4
_SETTLE_TICKS: Final = 500  # after which a motion is ended although the arm is not at rest
_AT_REST_RAD_S: Final = 0.01
_MINUTE_S: Final = 60.0
_LOCK_ALL: Final = 3  # MCL_CURRENT | MCL_FUTURE
_USER_STOPPED: Final = "UserStopped"
_REFLEX: Final = "Reflex"


class ArmDriver:
    """A connection to the robot: motions, and what is between them."""

    def __init__(self, settings: ArmSettings, controller: ArmController, parent: int) -> None:
        self._settings, self._controller, self._parent = settings, controller, parent
        self._library = load_library(settings.robot)
        self._connection: Connection | None = None
        self._recovered_s: list[float] = []
        self._is_first = True  # step of a motion
        self._settled_ticks = 0

    def serve(self) -> None:
        """Move until told to end, or until the parent has ended.

        Raises:
            DeviceError: the robot cannot be reached at the start.
        """
        self._connect()
        is_wanted = True
        while not self._is_over():
            if is_wanted:
                self._move()
            self._rest()
            is_wanted = not self._is_over() and self._is_recovered()

    # --- the connection ------------------------------------------------------------------------------------------

    def _connect(self) -> Connection:
        """Make a connection; the robot refuses one for a moment after another client has left."""
        host, deadline_s = self._settings.host, time.monotonic() + self._settings.connect_timeout_s
        while True:
            try:
                self._connection = connection = self._library.connect(host)
                break
            except self._library.errors as error:
                if not faults.is_of_network(error) or time.monotonic() > deadline_s or self._is_over():
                    raise faults.to_connect_error(error, host, self._library) from error
            time.sleep(_RETRY_S)
        self._schedule()
        if not self._settings.is_lock_step:
            self._claim_memory_and_processor()
        return connection

    def _schedule(self) -> None:
        """libfranka makes this thread a real-time one, where that is permitted; one that is stepped must not be.

        For an FR3 it does so with the connection, for a Panda with each motion.
        """
        if self._settings.is_lock_step:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        self._controller.reports.record["is_real_time"] = os.sched_getscheduler(0) == os.SCHED_FIFO

    def _claim_memory_and_processor(self) -> None:
        ctypes.CDLL(None).mlockall(_LOCK_ALL)  # without the right to it, pages may be swapped
        if self._settings.cpu >= 0:
            try:
                os.sched_setaffinity(0, {self._settings.cpu})
            except OSError as error:
                print(f"processor {self._settings.cpu} is not for this process: {error}", file=sys.stderr)

    # --- a motion ------------------------------------------------------------------------------------------------

    def _move(self) -> None:
        """Command torques until told to end, or until the robot stops; then the stop has a reason."""
        controller = self._controller
        try:
            connection = self._prepare()
            self._is_first, self._settled_ticks = True, 0
            controller.begin()
            connection.move(self._step)
        except self._library.errors as error:
            fault = faults.to_fault(error)
            if fault.reason is Reason.STALE_STATE:
                self._connection = None
            self._stop(*fault)
        controller.tell(self._now_ns(), is_moving=False)

    def _prepare(self) -> Connection:
        """Set what the robot takes between motions only."""
        if self._connection is None:
            raise RuntimeError("a motion needs a connection")
        settings, robot = self._settings, self._connection.robot
        for _ in range(2):  # after a pause, the first one is old
            state = robot.read_once()
        self._controller.sensing.read(state, self._connection.model)
        if mode_of(state) == _USER_STOPPED:
            raise DeviceError(faults.USER_STOP)
        if mode_of(state) == _REFLEX:
            raise DeviceError(faults.REFLEX)
        torques, forces = list(settings.torque_thresholds_nm), list(settings.force_thresholds)
        robot.set_collision_behavior(torques, torques, forces, forces)
        robot.set_load(settings.load_kg, list(settings.load_com_m), list(settings.load_inertia_kg_m2))
        self._connection.set_stiffness_frame(np.eye(4).ravel().tolist())
        return self._connection

    def _step(self, state: Any, elapsed_ms: int) -> tuple[list[float], bool]:
        """A millisecond of a motion; see `library.Step`."""
        controller, connection = self._controller, self._connection
        if connection is None:
            raise RuntimeError("a motion needs a connection")
        if self._is_first:
            self._schedule()
        controller.sense(state, connection.model, self._next_ns())
        if not self._is_first and self._settled_ticks == 0:
            self._await_grant()
        torque = controller.command(self._now_ns(), 1 if self._is_first else elapsed_ms)
        self._is_first = False
        is_last = False
        if self._settled_ticks or self._is_over():
            self._settled_ticks += 1
            controller.stop_softly(Reason.REQUESTED, "the driver ends", self._now_ns())
            is_at_rest = bool(abs(controller.sensing.joint_velocities).max() < _AT_REST_RAD_S)
            is_last = self._settled_ticks > _SETTLE_TICKS or (self._settled_ticks > 1 and is_at_rest)
        return torque.tolist(), is_last

    def _await_grant(self) -> None:
        """In lock-step, wait until time may pass."""
        if not self._settings.is_lock_step:
            return
        controller = self._controller
        while controller.tick_count >= controller.granted_ticks() and not self._is_over():
            time.sleep(_POLL_S)

    # --- between motions -----------------------------------------------------------------------------------------

    def _rest(self) -> None:
        """Tell the state until a recovery is asked for, or the end."""
        controller = self._controller
        while not self._is_over() and not controller.is_asked_to_recover():
            if self._settings.is_lock_step and controller.tick_count >= controller.granted_ticks():
                time.sleep(_POLL_S)
            elif self._connection is None:
                time.sleep(_POLL_S if self._settings.is_lock_step else _RETRY_S)
                controller.tick_count += 1
                controller.repeat()  # no state, no new stamp
                continue
            else:
                try:
                    controller.sensing.read(self._connection.robot.read_once(), self._connection.model)
                except self._library.errors as error:
                    self._connection = None
                    self._stop(*faults.to_fault(error))
                controller.tick_count += 1
            controller.tell(self._now_ns(), is_moving=False)

    def _is_recovered(self) -> bool:
        """Carry out a recovery; whether a motion may begin."""
        is_recovered = self._controller.answer_recovery(self._recover())
        if not is_recovered:
            self._controller.tell(self._now_ns(), is_moving=False)
        return is_recovered

    def _recover(self) -> str:
        """Why there is no recovery; "" where there is."""
        now_s = time.monotonic()
        self._recovered_s = [at_s for at_s in self._recovered_s if now_s - at_s < _MINUTE_S]
        if len(self._recovered_s) >= self._settings.recoveries_per_minute:
            return f"recovered {len(self._recovered_s)} times within a minute: see what is wrong, and wait"
        try:
            robot = (self._connection or self._connect()).robot
            for _ in range(2):  # after a pause, the first one is old
                state = robot.read_once()
            if mode_of(state) == _USER_STOPPED:
                return faults.USER_STOP
            self._recovered_s.append(now_s)
            if mode_of(state) == _REFLEX:
                robot.automatic_error_recovery()
        except DeviceError as error:
            return str(error)
        except self._library.errors as error:
            return faults.to_fault(error).detail
        return ""

    # -------------------------------------------------------------------------------------------------------------

    def _stop(self, reason: Reason, detail: str) -> None:
        """The robot has stopped by itself; where it was stopped softly before, that record is kept."""
        if self._controller.stop is None:
            self._controller.set_stop(StopRecord(reason, detail, self._now_ns()))

    def _is_over(self) -> bool:
        return os.getppid() != self._parent or self._controller.is_told_to_end()

    def _now_ns(self) -> int:
        if self._settings.is_lock_step:
            return self._controller.tick_count * NS_PER_S // 1000
        return time.monotonic_ns()

    def _next_ns(self) -> int:
        """The moment of the state that has just come."""
        if self._settings.is_lock_step:
            return (self._controller.tick_count + 1) * NS_PER_S // 1000
        return time.monotonic_ns()


def mode_of(state: Any) -> str:
    """What a robot is doing, as both libraries call it but for a letter."""
    return str(state.robot_mode.name).removeprefix("k")


def to_start_error(status: int | None, refusal: str, limit_s: float) -> SetupError | DeviceError:
    """Why the process has not begun: what it has said, or its status, or that it took too long."""
    if status == SETUP_STATUS:
        return SetupError(refusal)
    if status == DEVICE_STATUS:
        return DeviceError(refusal)
    what = f"has not begun within {limit_s:g} s" if status is None else f"has ended with status {status}"
    return DeviceError(f"The process that drives the arm {what}; see its output.")


def main(arguments: Sequence[str], controller_class: type[ArmController] = ArmController) -> int:
    """Drive an arm until told to end."""
    parent, orders, reports = (int(word) for word in arguments[:3])
    given = json.loads(arguments[3]).items()
    values: dict[str, Any] = {key: tuple(each) if isinstance(each, list) else each for key, each in given}
    settings = ArmSettings(**values)
    told = SharedRecord(REPORT_DTYPE, reports)
    try:
        controller = controller_class(settings, SharedRecord(ORDER_DTYPE, orders), told)
        driver = ArmDriver(settings, controller, parent)
        gc.collect()
        gc.freeze()
        gc.disable()
        driver.serve()
    except (SetupError, DeviceError) as error:
        told.record["refusal"] = to_bytes(str(error))
        told.write()
        return SETUP_STATUS if isinstance(error, SetupError) else DEVICE_STATUS
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
