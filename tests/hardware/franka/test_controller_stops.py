"""A millisecond of the arm, told alone: what a stop leaves of what was commanded, and numbers that are none."""

import numpy as np
import pytest
from robot_rl_hardware.franka.controller import ArmController, RestingModel, make_resting
from robot_rl_hardware.franka.records import ORDER_DTYPE, REPORT_DTYPE, get_stop, put_stop
from robot_rl_hardware.franka.settings import ArmSettings
from robot_rl_hardware.franka.shared import SharedRecord

from robot_rl.errors import DeviceError
from robot_rl.types import Reason, StopRecord

NAN = float("nan")
ASKED = StopRecord(Reason.REQUESTED, "a person", 1)


class Driven:
    """A controller, the arm's state that it is given, and who commands."""

    def __init__(self, **settings):
        self.settings = ArmSettings(target_timeout_s=60.0, **settings)
        self.controller = ArmController(self.settings, SharedRecord(ORDER_DTYPE), SharedRecord(REPORT_DTYPE))
        self.controller.begin()
        self.orders = SharedRecord(ORDER_DTYPE, self.controller.orders.file)
        self.state = make_resting()
        self.state.control_command_success_rate = 1.0

    def run(self, ticks):
        for _ in range(ticks):
            now_ns = self.controller.tick_count * 1_000_000
            self.controller.sense(self.state, RestingModel(), now_ns)
            torque = self.controller.command(now_ns, 1)
            self.state.tau_J_d = torque.tolist()
        return torque

    def run_with(self, ticks=1, **wrong):
        """Some states in which these fields are different, and then the ones of before again."""
        before = {name: getattr(self.state, name) for name in wrong}
        vars(self.state).update(wrong)
        torque = self.run(ticks)
        vars(self.state).update(before)
        return torque

    def push(self, metres):
        """The goal is so far away, and the arm does not move."""
        order = self.orders.record[0]
        order["position_m"], order["quaternion"] = (metres, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0)
        order["stamp_ns"] = self.controller.tick_count * 1_000_000
        order["target_count"] += 1
        order["target_mode_count"] = order["mode_count"]
        self.orders.write()
        self.run(1500)

    def order_mode(self, stop):
        put_stop(self.orders.record[0], stop)
        self.orders.record[0]["mode_count"] += 1
        self.orders.write()

    @property
    def stop(self):
        return self.controller.stop

    @property
    def push_n(self):
        """What the spring pushes with, before the torques' rate limit."""
        return abs(self.controller._law.state_record["commanded_wrench"][0])


@pytest.fixture
def driven():
    driven = Driven()
    driven.run(600)  # the ramp
    return driven


@pytest.mark.parametrize("asked", [ASKED, None], ids=["stop", "recover"])
@pytest.mark.parametrize("preset", ["insertion", "precision"])
def test_a_stop_and_a_recovery_end_the_push_at_once(preset, asked):
    driven = Driven(preset=preset)
    driven.run(600)
    driven.push(0.0015)
    driven.run(2000)
    driven.push(0.3)
    assert driven.push_n > 10.0
    driven.order_mode(asked)
    before = np.array(driven.state.tau_J_d)
    for _ in range(100):
        torque = driven.run(1).copy()
        assert np.abs(torque - before).max() <= 0.9 + 1e-9
        before = torque
        assert driven.push_n < 1e-6
    np.testing.assert_allclose(torque, np.zeros(7), atol=1e-6)


@pytest.mark.parametrize("field", ["O_T_EE", "q"])
def test_what_was_commanded_before_a_state_that_is_none_is_void(driven, field):
    driven.push(0.02)
    assert driven.push_n > 5.0
    driven.run_with(**{field: [NAN] * len(getattr(driven.state, field))})
    assert driven.stop.reason is Reason.NOT_FINITE
    driven.run(1)
    assert driven.push_n < 1e-6
    np.testing.assert_allclose(driven.run(200), np.zeros(7), atol=1e-6)


def test_a_goal_that_the_target_is_on_its_way_to_is_void_too(driven):
    """As long as no state says where the arm is, the target stays where it has come to."""
    driven.push(0.02)
    order = driven.orders.record[0]
    order["position_m"] = (-0.05, 0.0, 0.0)
    order["stamp_ns"] = driven.controller.tick_count * 1_000_000
    order["target_count"] += 1
    driven.orders.write()
    driven.run(20)
    before = driven.controller._law.shaped_target.position.copy()
    driven.run_with(ticks=300, O_T_EE=[NAN] * 16)
    np.testing.assert_array_equal(driven.controller._law.shaped_target.position, before)


@pytest.mark.parametrize("field", ["O_T_EE", "q"])
def test_a_first_state_that_is_none_is_a_stop(field):
    driven = Driven()
    torque = driven.run_with(**{field: [NAN] * len(getattr(driven.state, field)), "tau_J_d": [3.0] + [0.0] * 6})
    np.testing.assert_allclose(torque, [2.1, *[0.0] * 6], atol=1e-12)
    assert driven.stop.reason is Reason.NOT_FINITE
    np.testing.assert_allclose(driven.run(100), np.zeros(7), atol=1e-6)
    driven.order_mode(None)
    driven.run(500)
    assert driven.stop is None
    driven.push(0.02)
    assert driven.push_n > 5.0, "it does not move again"


@pytest.mark.parametrize("number", [0, 5])
def test_a_wrench_that_is_none_is_a_stop(driven, number):
    """Else the soft limit of the force would be off, and nobody told of it."""
    wrench = [0.0] * 6
    wrench[number] = NAN
    driven.run_with(K_F_ext_hat_K=wrench)
    assert (driven.stop.reason, "wrench" in driven.stop.detail) == (Reason.NOT_FINITE, True)


def test_a_wrench_that_is_none_spoils_no_tare(driven):
    report = driven.controller.reports.record[0]
    driven.run_with(ticks=3, K_F_ext_hat_K=[NAN] * 6)
    assert report["rest_ticks"] == 0
    np.testing.assert_array_equal(report["measured"]["mean_wrench"], np.zeros(6))
    driven.state.K_F_ext_hat_K = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    driven.run(400)
    assert report["rest_ticks"] == 400
    np.testing.assert_allclose(report["measured"]["mean_wrench"], [1.0, 0.0, 0.0, 0.0, 0.0, 0.0], atol=1e-3)
    driven.settings.check_tare(report["measured"]["mean_wrench"])
    with pytest.raises(DeviceError, match="touches the tool"):
        driven.settings.check_tare(np.array([6.0, 0.0, 0.0, 0.0, 0.0, 0.0]))


def test_velocities_that_are_none_are_no_rest(driven):
    driven.run_with(dq=[NAN] * 7)
    assert driven.controller.reports.record[0]["rest_ticks"] == 0


def test_no_motion_begins_where_a_stop_came_while_the_robot_recovered(driven):
    controller, reflex = driven.controller, StopRecord(Reason.WRENCH, "joint_reflex", 1)
    controller.set_stop(reflex)
    driven.order_mode(None)
    assert controller.is_asked_to_recover()
    driven.order_mode(ASKED)
    assert not controller.answer_recovery()
    controller.tell(2, is_moving=False)
    report = controller.reports.record[0]
    assert (report["mode_count"], get_stop(report)) == (2, reflex)
    assert not controller.is_asked_to_recover()
    driven.order_mode(None)
    assert controller.is_asked_to_recover()
    assert not controller.answer_recovery("too often")
    assert controller.stop == reflex
    driven.order_mode(None)
    assert controller.is_asked_to_recover()
    assert controller.answer_recovery()
    assert controller.stop is None
