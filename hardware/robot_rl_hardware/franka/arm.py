"""A Franka Research 3 or a Panda, as an arm of the project."""

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
from typing import Any, Final, Self

import numpy as np

from robot_rl.clock import Clock, MonotonicClock
from robot_rl.control.presets import PRESETS, preset
from robot_rl.errors import DeviceError, SetupError, SpecError, StoppedError
from robot_rl.geometry import Array, Pose
from robot_rl.types import ArmState, Reason, StopRecord, check_not_stopped
from robot_rl_hardware.franka import arm_process
from robot_rl_hardware.franka.child import Child
from robot_rl_hardware.franka.lock_step import LockStepClock
from robot_rl_hardware.franka.presets import check_posture
from robot_rl_hardware.franka.records import ORDER_DTYPE, REPORT_DTYPE, get_stop, put_stop, to_text
from robot_rl_hardware.franka.settings import ArmSettings
from robot_rl_hardware.franka.shared import SharedRecord

_log = logging.getLogger(__name__)

_START_S: Final = 180.0  # on a machine that has never run the law, it is compiled first
_RECOVER_S: Final = 10.0
_TARE_MS: Final = 250  # five time constants of the mean
_NUMBERS: Final = {name: number for number, name in enumerate(PRESETS)}


class FrankaArm:
    """An arm; a context manager during which `arm_process` drives it with the project's law.

    It may be used from several threads. Where the process is killed, the robot ends the motion and holds; `recover`
    starts another process.
    """

    def __init__(
        self,
        settings: ArmSettings,
        clock: Clock | None = None,
        pause: Callable[[float], None] = time.sleep,
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        """Store what is driven.

        Args:
            settings: the arm's.
            clock: of the stamps; the machine's by default. In lock-step it is the arm's own, `clock`.
            pause: lets some seconds pass while something is waited for; who serves the simulated robot in the same
                thread does it here.
            on_stop: called whenever a stop is seen, and once at least before it is recovered from: what else was
                commanded before a stop, such as the hand's opening, is void, too.
        """
        self._settings, self._pause, self._on_stop = settings, pause, on_stop
        self._time = clock or MonotonicClock()
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._died: StopRecord | None = None
        self._told: tuple[StopRecord, StopRecord] | None = None
        self._newest: Any = None

    def __enter__(self) -> Self:
        """Connect, and hold the arm where it is; a robot that cannot move yet is a stop, and no error.

        Raises:
            SetupError: the robot's library is missing.
            DeviceError: no robot answers.
        """
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Bring the arm to rest and end the motion."""
        self._end()

    @property
    def clock(self) -> LockStepClock:
        """In lock-step: the robot's time, which passes when it is slept on."""
        return LockStepClock(self._read_ticks, self._grant_ticks)

    @property
    def is_real_time(self) -> bool:
        """Whether its loop has real-time scheduling."""
        with self._lock:
            return bool(self._read()["is_real_time"])

    @property
    def process_number(self) -> int:
        """Of the process that drives it, for those who watch it."""
        assert self._child is not None, "inside the context"
        return self._child.number

    def state(self) -> ArmState:
        """Newest state. Where no other process could be started in the place of a dead one, that of the dead one."""
        with self._lock:
            self._read()
            stop, report = self._stop(), self._newest
            if report is None:
                raise DeviceError("The arm has not told its state yet.")
            measured = report["measured"].copy()
            return ArmState(
                stamp_ns=int(report["stamp_ns"]) + self._offset_ns(),
                joint_positions=measured["joint_positions"],
                joint_velocities=measured["joint_velocities"],
                joint_torques=measured["joint_torques"],
                tcp_pose=Pose(measured["position_m"], measured["quaternion"]),
                tcp_twist_base=measured["twist"],
                tcp_wrench=measured["wrench"],
                stop=stop,
            )

    def set_equilibrium_pose(self, pose: Pose, stamp_ns: int) -> None:
        """Reach `pose` one policy period after `stamp_ns`."""
        if not np.isfinite(pose.to_vector()).all():
            raise SpecError(f"equilibrium pose must be finite, got {pose}.")
        with self._lock:
            self._read()
            check_not_stopped(self._stop())
            order = self._order
            order["position_m"], order["quaternion"] = pose.position, pose.quaternion
            order["stamp_ns"] = stamp_ns - self._offset_ns()
            order["target_mode_count"] = order["mode_count"]
            order["target_count"] += 1
            self._orders.write()

    def sustain(self) -> None:
        """The newest equilibrium pose is still wanted, for another `target_timeout_s`."""
        with self._lock:
            self._order["life_count"] += 1
            self._orders.write()

    def set_impedance(self, preset_name: str) -> None:
        """Change to a named preset, smoothly."""
        preset(preset_name)
        with self._lock:
            self._order["preset"] = _NUMBERS[preset_name]
            self._order["preset_count"] += 1
            self._orders.write()

    def set_posture(self, joint_positions: Array) -> None:
        """Have the null space return to these joint positions [rad], shape (7,)."""
        posture = np.asarray(joint_positions, np.float64)
        check_posture(self._settings.robot, self._settings.preset, posture)
        with self._lock:
            self._order["posture_rad"] = posture
            self._order["posture_count"] += 1
            self._orders.write()

    def tare(self) -> bool:
        """Take what is felt now off the wrench; the robot's own thresholds know nothing of it."""
        with self._lock:
            report = self._read()
            check_not_stopped(self._stop())
            if int(report["rest_ticks"]) < _TARE_MS:
                return False
            felt = report["measured"]["mean_wrench"]
            self._settings.check_tare(felt)
            self._order["tare"] = felt
            self._order["tare_count"] += 1
            self._orders.write()
            return True

    def stop(self, reason: Reason = Reason.REQUESTED, detail: str = "") -> StopRecord:
        """Hold softly here."""
        with self._lock:
            report = self._read()
            present = self._stop()
            if present is not None:
                return present
            stop = StopRecord(reason, detail, int(report["stamp_ns"]))
            put_stop(self._order, stop)
            self._order["mode_count"] += 1
            self._orders.write()
            self._on_stop()
            return self._to_own_time(stop)

    def recover(self) -> None:
        """Allow motion again. After an error of the robot this waits for the robot's own recovery.

        Raises:
            StoppedError: it cannot be recovered: the user stop is pressed, or it was recovered too often.
            DeviceError: the process that drives it had died, and no new one reaches the robot.
        """
        is_lost = self._child is None or self._child.status is not None
        if self._child is not None:
            self.state()  # a stop that nobody has seen yet is told to others, and kept until the arm is driven again
        if is_lost:
            self._end()
            self._start()
            with self._lock:
                self._read()
                stop = self._stop()
            if stop is not None:
                raise StoppedError(f"The arm cannot move: {stop.detail}.")
            return
        with self._lock:
            put_stop(self._order, None)
            self._order["mode_count"] += 1
            self._orders.write()
            if self._read()["is_moving"]:
                return
        self._wait_for_recovery()

    # --- the other process ---------------------------------------------------------------------------------------

    @property
    def _order(self) -> Any:
        return self._orders.record[0]

    def _start(self) -> None:
        settings = self._settings
        self._orders, self._reports = SharedRecord(ORDER_DTYPE), SharedRecord(REPORT_DTYPE)
        put_stop(self._order, None)
        self._orders.write()
        files = (self._orders.file, self._reports.file)
        words = [str(os.getpid()), *map(str, files), json.dumps(asdict(settings))]
        self._child = Child([*self._make_command(), *words], files, self._pause)
        try:
            self._wait_for_start(self._child)
        except (SetupError, DeviceError):
            self._end()
            raise
        self._died = None

    def _make_command(self) -> list[str]:
        """What starts the process, less its words; benchmarks start one that takes the time."""
        return [sys.executable, "-P", "-m", arm_process.__name__]

    def _wait_for_start(self, child: Child) -> None:
        def is_there() -> bool:
            report = self._read()
            return self._reports.was_written and (bool(report["is_moving"]) or get_stop(report) is not None)

        if not self._wait(is_there, _START_S):
            raise arm_process.to_start_error(child.status, to_text(self._read()["refusal"]), _START_S)
        if self._newest is None:  # the connection was lost before the first state came
            raise DeviceError(to_text(self._read()["stop_detail"]))
        if not self._settings.is_lock_step and not self.is_real_time:
            _log.warning("the arm's loop has no real-time scheduling: allow rtprio in /etc/security/limits.conf")

    def _end(self) -> None:
        if self._child is None:
            return
        with self._lock:
            self._order["is_over"] = 1
            self._orders.write()
        self._child.end()
        self._orders.close()
        self._reports.close()
        self._child = None

    def _wait_for_recovery(self) -> None:
        def is_answered() -> bool:
            report = self._read()
            is_seen = int(report["mode_count"]) == int(self._order["mode_count"])
            return is_seen and bool(report["is_moving"] or get_stop(report) is not None)

        if not self._wait(is_answered, _RECOVER_S):
            raise StoppedError(f"The arm is not recovered: no answer within {_RECOVER_S:g} s.")
        with self._lock:
            report = self._read()
            stop = self._stop()
        if stop is not None:
            raise StoppedError(f"The arm is not recovered: {to_text(report['refusal']) or stop.detail}.")

    def _wait(self, is_true: Callable[[], bool], limit_s: float) -> bool:
        """See `Child.wait`."""

        def is_true_now() -> bool:
            with self._lock:
                return is_true()

        assert self._child is not None
        return self._child.wait(is_true_now, limit_s)

    def _read(self) -> Any:
        self._reports.read()
        report = self._reports.record[0]
        if report["measured"]["quaternion"].any():  # else nothing was measured yet
            self._newest = report
        return report

    def _stop(self) -> StopRecord | None:
        """The stop in force, which others are told of."""
        stop = self._find_stop()
        if stop is not None:
            self._on_stop()
        return stop

    def _find_stop(self) -> StopRecord | None:
        """That of a dead process, of the arm, or one that is on its way to it."""
        report = self._reports.record[0]
        status = self._child.status if self._child is not None else 0
        stop = get_stop(report)
        is_unseen = int(report["mode_count"]) != int(self._order["mode_count"])
        if status is not None and self._died is None:
            detail = f"the process that drives the arm has ended with status {status}; recover() starts another one"
            self._died = stop or StopRecord(Reason.STALE_STATE, detail, int(report["stamp_ns"]))
        if self._died is not None:
            return self._to_own_time(self._died)
        if is_unseen and not (stop is not None and not report["is_moving"]):
            stop = get_stop(self._order) if stop is None or get_stop(self._order) is None else stop
        return None if stop is None else self._to_own_time(stop)

    def _to_own_time(self, stop: StopRecord) -> StopRecord:
        """The same object for the same stop: between two clocks its moment would be another at every look."""
        if self._told is None or self._told[0] != stop:
            self._told = stop, StopRecord(stop.reason, stop.detail, stop.stamp_ns + self._offset_ns())
        return self._told[1]

    def _offset_ns(self) -> int:
        """From the time of the process to that of the stamps."""
        if self._settings.is_lock_step or isinstance(self._time, MonotonicClock):
            return 0
        return self._time.now_ns() - time.monotonic_ns()

    def _read_ticks(self) -> int:
        with self._lock:
            return int(self._read()["tick_count"])

    def _grant_ticks(self, ticks: int) -> None:
        """Let time pass until so many milliseconds, and wait for it."""
        with self._lock:
            self._order["granted_ticks"] = ticks
            self._orders.write()
        if not self._wait(lambda: int(self._read()["tick_count"]) >= ticks, _START_S):
            _log.warning("the arm's time has ended at %d ms", self._read()["tick_count"])
