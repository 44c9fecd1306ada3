"""A millisecond of the arm: orders, watchdogs, the project's law; without sockets, so that it can be tested alone."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, Final

import numpy as np

from robot_rl.clock import NS_PER_S
from robot_rl.control.law import ImpedanceLaw
from robot_rl.control.records import Status
from robot_rl.errors import SpecError
from robot_rl.geometry import Array, Pose
from robot_rl.types import Reason, StopRecord
from robot_rl_hardware.franka.library import Model
from robot_rl_hardware.franka.presets import presets_of
from robot_rl_hardware.franka.records import get_stop, put_stop, to_bytes
from robot_rl_hardware.franka.sensing import Sensing
from robot_rl_hardware.franka.settings import ArmSettings
from robot_rl_hardware.franka.shared import SharedRecord

_NOT_FINITE: Final = int(Status.NOT_FINITE)
_LONGEST_STEP_MS: Final = 20  # the robot has stopped by then
_FIRST_RATED_TICK: Final = 200  # the robot's rate of success counts up from zero


class ArmController:
    """Obeys the orders, and tells the state.

    Attributes:
        stop: why it is stopped, or None.
        tick_count: milliseconds so far.
        target_count: equilibrium poses that were commanded so far.
    """

    def __init__(self, settings: ArmSettings, orders: SharedRecord, reports: SharedRecord) -> None:
        self._settings, self.orders, self.reports = settings, orders, reports
        self.stop: StopRecord | None = None
        self.tick_count = 0
        presets = presets_of(settings.robot)
        self._presets = tuple(presets.values())
        self._law = ImpedanceLaw(presets[settings.preset])
        told = reports.record  # fields that are written in every millisecond, looked up once
        self._stamp_ns, self._told_ticks = told["stamp_ns"].data, told["tick_count"].data
        self._is_moving, self._answered = told["is_moving"].data, told["mode_count"].data
        self._rest_ticks = told["rest_ticks"].data
        self.sensing = Sensing(settings.rotor_inertia_kg_m2, self._law.inputs, told["measured"])
        self._is_started = self._is_obeyed = False
        self._is_to_rest = False  # where the arm is, as soon as a state says where that is
        self._commanded_ns: int | None = None
        self._late_ms = self._forced_ms = 0
        self._moving_ticks = 0
        self._success = 1.0
        self.target_count = 0
        self._mode_count = self._life_count = 0
        self._preset_count = self._posture_count = self._tare_count = 0
        put_stop(self._report, None)
        self.warm_up()

    @property
    def _order(self) -> Any:
        return self.orders.record[0]

    @property
    def _report(self) -> Any:
        return self.reports.record[0]

    def warm_up(self) -> None:
        """Have everything compiled before the robot waits for it."""
        sensing = self.sensing
        sensing.read(make_resting(), RestingModel())
        self._law.start(sensing.joint_positions, sensing.pose)
        self._law.set_target(sensing.pose, 0.0)
        self._law.rest_at(sensing.pose)
        self._law.tick(1e-3)
        self._is_started = False
        sensing.quaternion[:] = 0.0  # says to whoever is told that nothing was measured yet

    def begin(self) -> None:
        """A motion begins: the law starts anew at its first good state, with no force."""
        self._is_obeyed = False  # some orders were read while nothing moved
        self._is_started, self._is_to_rest, self._commanded_ns = False, False, None
        self._late_ms = self._forced_ms = self._moving_ticks = 0
        self.sensing.rest_ticks = 0

    def sense(self, state: Any, model: Model, now_ns: int) -> None:
        """Take in, and tell, the state of another millisecond of a motion."""
        sensing = self.sensing
        sensing.read(state, model)
        self.tick_count += 1
        self._moving_ticks += 1
        if not self._is_started:
            self._start()
        elif self._is_to_rest:
            self._rest()
        self._success = state.control_command_success_rate
        # a motion is under way when its first command was taken; in lock-step time stands still only from there on
        self.tell(now_ns, is_moving=self._moving_ticks > 1)

    def command(self, now_ns: int, elapsed_ms: int) -> Array:
        """Torques without gravity [Nm] (7,) for the state taken in last, `elapsed_ms` after the one before it.

        The array is the law's own: the next one is written into it.
        """
        self._obey(now_ns)
        self._watch(now_ns, elapsed_ms, self._success)
        torque = self._law.tick(min(max(elapsed_ms, 1), _LONGEST_STEP_MS) * 1e-3)
        if self._law.flags & _NOT_FINITE:
            self.stop_softly(Reason.NOT_FINITE, "the robot reports what no arm can be: torques fade to zero", now_ns)
        return torque

    def tell(self, now_ns: int, *, is_moving: bool) -> None:
        """Show the present state, which `sensing` has written into the report."""
        self._stamp_ns[0], self._told_ticks[0] = now_ns, self.tick_count
        self._is_moving[0], self._answered[0] = is_moving, self._mode_count
        self._rest_ticks[0] = self.sensing.rest_ticks
        self.reports.write()

    def repeat(self) -> None:
        """Show that time passes without a new state."""
        self._report["tick_count"], self._report["mode_count"] = self.tick_count, self._mode_count
        self.reports.write()

    def stop_softly(self, reason: Reason, detail: str, stamp_ns: int) -> None:
        """Rest here; the first stop's record is kept."""
        if self.stop is not None:
            return
        self.set_stop(StopRecord(reason, detail, stamp_ns))
        self._rest()

    def set_stop(self, stop: StopRecord | None) -> None:
        """Record a stop, or its end."""
        self.stop = stop
        put_stop(self._report, stop)

    def is_told_to_end(self) -> bool:
        """Whether nobody wants the arm any more. Reads no orders: they are read where they are obeyed."""
        return bool(self.orders.peek("is_over"))

    def granted_ticks(self) -> int:
        """In lock-step: how far time may pass."""
        return self.orders.peek("granted_ticks")

    def is_asked_to_recover(self) -> bool:
        """While nothing moves: look at the orders; whether a recovery is asked for that was not answered yet."""
        self.orders.read()
        order = self._order
        if int(order["mode_count"]) == self._mode_count:
            return False
        if get_stop(order) is not None:  # it is stopped already
            self._mode_count = int(order["mode_count"])
            return False
        return True

    def answer_recovery(self, refusal: str = "") -> bool:
        """Say that the newest recovery is carried out, or why not; whether a motion may begin.

        None may where it was refused, nor where a stop was ordered meanwhile: a recovery can take seconds.
        """
        self.orders.read()
        self._mode_count = int(self._order["mode_count"])
        self._report["refusal"] = to_bytes(refusal)
        if refusal or get_stop(self._order) is not None:
            return False
        self.set_stop(None)
        return True

    def _start(self) -> None:
        """Start the law where the arm is; a state that does not say where that is, `command` stops at."""
        try:
            self._law.start(self.sensing.joint_positions, self.sensing.pose)
        except SpecError:
            return
        self._is_started = True

    def _rest(self) -> None:
        """Let the spring rest where the arm is; until a state says where that is, at its target of now."""
        if not self._is_started:
            return  # the law will start at rest
        try:
            self._law.rest_at(self.sensing.pose)
            self._is_to_rest = False
        except SpecError:
            self._law.rest_at(self._law.shaped_target)
            self._is_to_rest = True

    def _obey(self, now_ns: int) -> None:
        if not self.orders.read() and self._is_obeyed:
            return
        self._is_obeyed = True
        order = self._order
        if int(order["mode_count"]) != self._mode_count:
            self._mode_count = int(order["mode_count"])
            asked = get_stop(order)
            if asked is not None:
                self.stop_softly(asked.reason, asked.detail, asked.stamp_ns)
            else:
                self.set_stop(None)
                self._rest()
                self._commanded_ns = None
        if int(order["life_count"]) != self._life_count:
            self._life_count = int(order["life_count"])
            if self._commanded_ns is not None:
                self._commanded_ns = now_ns
        if int(order["preset_count"]) != self._preset_count:
            self._preset_count = int(order["preset_count"])
            self._law.set_preset(self._presets[int(order["preset"])])
        if int(order["posture_count"]) != self._posture_count:
            self._posture_count = int(order["posture_count"])
            self._law.set_posture(order["posture_rad"])
        if int(order["tare_count"]) != self._tare_count:
            self._tare_count = int(order["tare_count"])
            self.sensing.tare[:] = order["tare"]
        if int(order["target_count"]) != self.target_count:
            self.target_count = int(order["target_count"])
            if self.stop is None and int(order["target_mode_count"]) == self._mode_count:
                self._take_target(now_ns)

    def _take_target(self, now_ns: int) -> None:
        order, period_s = self._order, self._settings.period_s
        left_s = period_s - (now_ns - int(order["stamp_ns"])) / NS_PER_S
        try:
            self._law.set_target(Pose(order["position_m"], order["quaternion"]), float(np.clip(left_s, 0.0, period_s)))
        except SpecError as error:
            self.stop_softly(Reason.NOT_FINITE, str(error), now_ns)
            return
        self._commanded_ns = now_ns

    def _watch(self, now_ns: int, elapsed_ms: int, success: float) -> None:
        """Stop softly before the robot has to stop hard."""
        settings, force_n = self._settings, self.sensing.force_n
        if math.isnan(force_n):  # no force would ever exceed the limit
            self.stop_softly(Reason.NOT_FINITE, "the robot reports an external wrench that is no number", now_ns)
        self._forced_ms = self._forced_ms + elapsed_ms if force_n > settings.force_limit_n else 0
        if self._forced_ms >= settings.force_limit_ms:
            detail = f"force {force_n:.4g} N exceeds {settings.force_limit_n:g} N for {self._forced_ms} ms"
            self.stop_softly(Reason.WRENCH, detail, now_ns)
        self._late_ms = self._late_ms + elapsed_ms - 1 if elapsed_ms > 1 else 0
        if self._late_ms >= settings.late_limit_ms:
            detail = f"{self._late_ms} states missing in a row, at most {settings.late_limit_ms - 1}: free the computer"
            self.stop_softly(Reason.STALE_STATE, detail, now_ns)
        if self._moving_ticks > _FIRST_RATED_TICK and success < settings.success_limit:
            detail = f"{success:.0%} of the commands come in time, at least {settings.success_limit:.0%} must"
            self.stop_softly(Reason.STALE_COMMAND, detail, now_ns)
        if self._commanded_ns is not None and now_ns - self._commanded_ns > settings.target_timeout_s * NS_PER_S:
            detail = f"no equilibrium pose for {settings.target_timeout_s:g} s"
            self.stop_softly(Reason.WATCHDOG, detail, now_ns)


class RestingModel:
    """Model of no arm in particular, for the state of `make_resting`: something to compile the law with."""

    def __init__(self) -> None:
        directions, points = np.eye(3)[[0, 1, 2, 0, 1, 2, 0]], np.eye(3)[[1, 2, 0, 2, 0, 1, 0]]
        self._axes = np.column_stack([directions, points, make_resting().q])

    def read(self, state: Any, numbers: Array) -> Array:
        """Write what belongs to a state."""
        numbers[:49], numbers[49:] = np.eye(7).ravel(), state.dq
        return self._axes


def make_resting() -> SimpleNamespace:
    """State of an arm at rest."""
    return SimpleNamespace(
        q=[0.0, -0.8, 0.0, -2.4, 0.0, 1.6, 0.8],
        dq=[0.0] * 7,
        tau_J_d=[0.0] * 7,
        K_F_ext_hat_K=[0.0] * 6,
        O_T_EE=np.eye(4).ravel(),
    )
