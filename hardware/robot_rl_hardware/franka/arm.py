"""A Franka Research 3 or a Panda, as an arm of the project."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from robot_rl.clock import Clock, MonotonicClock
from robot_rl.control.presets import PRESETS, preset
from robot_rl.errors import DeviceError, SpecError, StoppedError
from robot_rl.geometry import Array, Pose
from robot_rl.types import ArmState, Reason, StopRecord, check_not_stopped
from robot_rl_hardware.franka import arm_process
from robot_rl_hardware.franka.arm_link import START_S, ArmLink
from robot_rl_hardware.franka.lock_step import LockStepClock
from robot_rl_hardware.franka.presets import check_posture
from robot_rl_hardware.franka.records import ORDER_DTYPE, get_stop, to_text
from robot_rl_hardware.franka.settings import ArmSettings

_log = logging.getLogger(__name__)

_RECOVER_S: Final = 10.0
_TARE_MS: Final = 250  # five time constants of the mean
_NUMBERS: Final = {name: number for number, name in enumerate(PRESETS)}


class FrankaArm:
    """An arm; a context manager during which `arm_process` drives it with the project's law.

    It may be used from several threads. Where the process is killed or hangs, the robot ends the motion and holds;
    `recover` starts another process in the place of one that has ended.
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
        self._settings, self._on_stop = settings, on_stop
        self._time = clock or MonotonicClock()
        self._link = ArmLink(settings, pause)
        self._lost: StopRecord | None = None  # with the process, which has ended or is silent
        self._told: tuple[StopRecord, StopRecord] | None = None

    def __enter__(self) -> Self:
        """Connect, and hold the arm where it is; a robot that cannot move yet is a stop, and no error.

        Raises:
            SetupError: the robot's library is missing.
            DeviceError: no robot answers.
        """
        self._start(np.zeros(1, ORDER_DTYPE)[0])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Bring the arm to rest and end the motion."""
        self._link.end()

    @property
    def clock(self) -> LockStepClock:
        """In lock-step: the robot's time, which passes when it is slept on."""
        return LockStepClock(self._read_ticks, self._grant_ticks)

    @property
    def is_real_time(self) -> bool:
        """Whether its loop has real-time scheduling."""
        with self._link.lock:
            return bool(self._link.read()["is_real_time"])

    @property
    def process_number(self) -> int:
        """Of the process that drives it, for those who watch it."""
        return self._link.number

    def state(self) -> ArmState:
        """Newest state. Where no other process could be started in the place of a dead one, that of the dead one."""
        with self._link.lock:
            self._link.read()
            stop, report = self._stop(), self._link.newest
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
        with self._link.lock:
            self._link.read()
            check_not_stopped(self._stop())
            order = self._link.order
            order["position_m"], order["quaternion"] = pose.position, pose.quaternion
            order["stamp_ns"] = stamp_ns - self._offset_ns()
            order["target_mode_count"] = order["mode_count"]
            order["target_count"] += 1
            self._link.send()

    def sustain(self) -> None:
        """The newest equilibrium pose is still wanted, for another `target_timeout_s`."""
        with self._link.lock:
            self._link.order["life_count"] += 1
            self._link.send()

    def set_impedance(self, preset_name: str) -> None:
        """Change to a named preset, smoothly."""
        preset(preset_name)
        with self._link.lock:
            self._link.order["preset"] = _NUMBERS[preset_name]
            self._link.order["preset_count"] += 1
            self._link.send()

    def set_posture(self, joint_positions: Array) -> None:
        """Have the null space return to these joint positions [rad], shape (7,)."""
        posture = np.asarray(joint_positions, np.float64)
        check_posture(self._settings.robot, self._settings.preset, posture)
        with self._link.lock:
            self._link.order["posture_rad"] = posture
            self._link.order["posture_count"] += 1
            self._link.send()

    def tare(self) -> bool:
        """Take what is felt now off the wrench; the robot's own thresholds know nothing of it."""
        with self._link.lock:
            report = self._link.read()
            check_not_stopped(self._stop())
            if int(report["rest_ticks"]) < _TARE_MS:
                return False
            felt = report["measured"]["mean_wrench"]
            self._settings.check_tare(felt)
            self._link.order["tare"] = felt
            self._link.order["tare_count"] += 1
            self._link.send()
            return True

    def stop(self, reason: Reason = Reason.REQUESTED, detail: str = "") -> StopRecord:
        """Hold softly here."""
        with self._link.lock:
            report = self._link.read()
            stop = self._find_stop() or StopRecord(reason, detail, int(report["stamp_ns"]))
            if get_stop(self._link.order) is None:  # also where it is stopped: a recovery may be under way, and is void
                self._link.send_mode(stop)
            self._on_stop()
            return self._to_own_time(stop)

    def recover(self) -> None:
        """Allow motion again. After an error of the robot this waits for the robot's own recovery.

        Raises:
            StoppedError: it cannot be recovered: the user stop is pressed, it was recovered too often, it was stopped
                again meanwhile, or the process that drives it does not answer; it stays stopped then.
            DeviceError: the process that drives it had died, and no new one reaches the robot.
        """
        is_lost = self._link.status is not None
        if self._link.newest is not None:
            self.state()  # a stop that nobody has seen yet is told to others, and kept until the arm is driven again
        with self._link.lock:
            self._link.send_mode(None)
            is_moving = bool(self._link.read()["is_moving"])
        if is_lost:
            self._link.end()
            self._start(self._link.order)
            with self._link.lock:
                self._link.read()
                stop = self._stop()
            if stop is not None:
                raise StoppedError(f"The arm cannot move: {stop.detail}.")
        elif not (is_moving and self._settings.is_lock_step):  # time that stands still for us brings no answer
            self._wait_for_recovery()

    def _start(self, before: Any) -> None:
        self._link.start(self._make_command(), before)
        self._lost = None

    def _make_command(self) -> list[str]:
        """What starts the process, less its words; benchmarks start one that takes the time."""
        return [sys.executable, "-P", "-m", arm_process.__name__]

    def _wait_for_recovery(self) -> None:
        def is_answered() -> bool:
            report = self._link.read()
            is_seen = int(report["mode_count"]) == int(self._link.order["mode_count"])
            return is_seen and bool(report["is_moving"] or get_stop(report) is not None)

        self._link.wait(is_answered, _RECOVER_S)
        with self._link.lock:
            if not is_answered():
                present = self._withdraw_recovery()
                raise StoppedError(f"The arm is not recovered: no answer within {_RECOVER_S:g} s; {present.detail}.")
            self._lost = None
            report = self._link.read()
            stop = self._stop()
        if stop is not None:
            raise StoppedError(f"The arm is not recovered: {to_text(report['refusal']) or stop.detail}.")

    def _withdraw_recovery(self) -> StopRecord:
        """The arm stays stopped, also where the process comes to see the recovery later."""
        detail = "a recovery was asked for and not answered"
        stop = self._find_stop() or StopRecord(Reason.STALE_STATE, detail, int(self._link.read()["stamp_ns"]))
        if get_stop(self._link.order) is None:
            self._link.send_mode(stop)
        return stop

    def _stop(self) -> StopRecord | None:
        """The stop in force, which others are told of."""
        stop = self._find_stop()
        if stop is None:
            return None
        self._on_stop()
        return self._to_own_time(stop)

    def _find_stop(self) -> StopRecord | None:
        """That of a lost process, of the arm, or one that is on its way to it; in the time of the process."""
        report = self._link.report
        stop = get_stop(report)
        self._look_for_loss(stop)
        if self._lost is not None:
            return self._lost
        is_unseen = int(report["mode_count"]) != int(self._link.order["mode_count"])
        if is_unseen and not (stop is not None and not report["is_moving"]):
            stop = get_stop(self._link.order) if stop is None or get_stop(self._link.order) is None else stop
        return stop

    def _look_for_loss(self, stop: StopRecord | None) -> None:
        """Note that nobody drives the arm; it stays a stop until it is recovered."""
        detail = "" if self._lost is not None else self._link.find_loss()
        if not detail:
            return
        self._lost = stop or StopRecord(Reason.STALE_STATE, detail, int(self._link.report["stamp_ns"]))
        if self._link.status is None and get_stop(self._link.order) is None:
            self._link.send_mode(self._lost)  # should the process go on, it finds itself stopped

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
        with self._link.lock:
            return int(self._link.read()["tick_count"])

    def _grant_ticks(self, ticks: int) -> None:
        """Let time pass until so many milliseconds, and wait for it."""
        with self._link.lock:
            self._link.order["granted_ticks"] = ticks
            self._link.send()
        if not self._link.wait(lambda: int(self._link.read()["tick_count"]) >= ticks, START_S):
            _log.warning("the arm's time has ended at %d ms", self._link.read()["tick_count"])
