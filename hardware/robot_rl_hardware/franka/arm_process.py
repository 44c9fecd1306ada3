"""Drives an arm, for `arm.FrankaArm`: a torque loop of 1 kHz in a process of its own.

    python -m robot_rl_hardware.franka.arm_process PARENT ORDERS REPORTS SETTINGS

pylibfranka keeps Python's lock while it waits, so nothing else can run beside it. Orders and reports are memory that
is shared with the parent; when the parent is gone, the motion is ended.
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

from robot_rl.clock import NS_PER_S
from robot_rl.errors import DeviceError, SetupError
from robot_rl.types import Reason, StopRecord
from robot_rl_hardware.franka import faults
from robot_rl_hardware.franka.controller import ArmController
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


class ArmDriver:
    """A connection to the robot: motions, and what is between them."""

    def __init__(self, settings: ArmSettings, controller: ArmController, parent: int) -> None:
        self._settings, self._controller, self._parent = settings, controller, parent
        self._franka, self._errors = faults.load_library(), faults.find_errors()
        self._robot: Any = None
        self._model: Any = None
        self._recovered_s: list[float] = []

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

    def _connect(self) -> None:
        """Make a connection; the robot refuses one for a moment after another client has left."""
        host, deadline_s = self._settings.host, time.monotonic() + self._settings.connect_timeout_s
        while True:
            try:
                self._robot = self._franka.Robot(host, self._franka.RealtimeConfig.kIgnore)
                self._model = self._robot.load_model()
                break
            except self._errors as error:
                is_final = type(error).__name__ != "NetworkException"
                if is_final or time.monotonic() > deadline_s or self._is_over():
                    raise faults.to_connect_error(error, host) from error
            time.sleep(_RETRY_S)
        self._schedule()

    def _schedule(self) -> None:
        """libfranka has made this thread a real-time one, where that is permitted; one that is stepped must not be."""
        if self._settings.is_lock_step:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
            return
        ctypes.CDLL(None).mlockall(_LOCK_ALL)  # without the right to it, pages may be swapped
        self._controller.reports.record["is_real_time"] = os.sched_getscheduler(0) == os.SCHED_FIFO
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
            self._prepare()
            control = self._robot.start_torque_control()
            controller.begin()
            self._loop(control)
        except self._errors as error:
            fault = faults.to_fault(error)
            if fault.reason is Reason.STALE_STATE:
                self._robot = self._model = None
            self._stop(*fault)
        controller.tell(self._now_ns(), is_moving=False)

    def _prepare(self) -> None:
        """Set what the robot takes between motions only."""
        settings, robot = self._settings, self._robot
        for _ in range(2):  # after a pause, the first one is old
            state = robot.read_once()
        self._controller.sensing.read(state, self._model)
        if state.robot_mode == self._franka.RobotMode.UserStopped:
            raise DeviceError(faults.USER_STOP)
        if state.robot_mode == self._franka.RobotMode.Reflex:
            raise DeviceError(faults.REFLEX)
        torques, forces = list(settings.torque_thresholds_nm), list(settings.force_thresholds)
        robot.set_collision_behavior(torques, torques, forces, forces)
        robot.set_load(settings.load_kg, list(settings.load_com_m), list(settings.load_inertia_kg_m2))
        robot.set_K([1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0])

    def _loop(self, control: Any) -> None:
        """The torque loop. It ends in an exception, or with the motion."""
        controller, model, read, write = self._controller, self._model, control.readOnce, control.writeOnce
        command = self._franka.Torques([0.0] * 7)
        settled_ticks = 0
        is_first = True
        while True:
            state, elapsed = read()
            elapsed_ms = 1 if is_first else round(1e3 * elapsed.to_sec())
            controller.sense(state, model, self._next_ns())
            if not is_first and settled_ticks == 0:
                self._await_grant()
            is_first = False
            torque = controller.command(self._now_ns(), elapsed_ms)
            command.tau_J = torque.tolist()
            if settled_ticks or self._is_over():
                settled_ticks += 1
                controller.stop_softly(Reason.REQUESTED, "the driver ends", self._now_ns())
                is_at_rest = abs(controller.sensing.joint_velocities).max() < _AT_REST_RAD_S
                command.motion_finished = settled_ticks > _SETTLE_TICKS or (settled_ticks > 1 and bool(is_at_rest))
            write(command)
            if command.motion_finished:
                return

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
            elif self._robot is None:
                time.sleep(_POLL_S if self._settings.is_lock_step else _RETRY_S)
                controller.tick_count += 1
                controller.repeat()  # no state, no new stamp
                continue
            else:
                try:
                    controller.sensing.read(self._robot.read_once(), self._model)
                except self._errors as error:
                    self._robot = self._model = None
                    self._stop(*faults.to_fault(error))
                controller.tick_count += 1
            controller.tell(self._now_ns(), is_moving=False)

    def _is_recovered(self) -> bool:
        """Carry out a recovery; whether a motion may begin."""
        refusal = self._recover()
        self._controller.answer_recovery(refusal)
        if refusal:
            self._controller.tell(self._now_ns(), is_moving=False)
        return not refusal

    def _recover(self) -> str:
        """Why there is no recovery; "" where there is."""
        now_s = time.monotonic()
        self._recovered_s = [at_s for at_s in self._recovered_s if now_s - at_s < _MINUTE_S]
        if len(self._recovered_s) >= self._settings.recoveries_per_minute:
            return f"recovered {len(self._recovered_s)} times within a minute: see what is wrong, and wait"
        try:
            if self._robot is None:
                self._connect()
            for _ in range(2):  # after a pause, the first one is old
                state = self._robot.read_once()
            if state.robot_mode == self._franka.RobotMode.UserStopped:
                return faults.USER_STOP
            self._recovered_s.append(now_s)
            if state.robot_mode == self._franka.RobotMode.Reflex:
                self._robot.automatic_error_recovery()
        except DeviceError as error:
            return str(error)
        except self._errors as error:
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
