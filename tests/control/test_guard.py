"""The guard stops at its limits, which are a little wider than the filter's, and may be tightened."""

from dataclasses import replace

import numpy as np
import pytest

from robot_rl.control.guard import Guard, GuardMargins
from robot_rl.control.safety import SafetyLimits
from robot_rl.geometry import Pose
from robot_rl.types import ArmState, Reason

FILTERED = SafetyLimits()
DOWN = np.array([1.0, 0.0, 0.0, 0.0])


def make_state(position=(0.5, 0.0, 0.2), force_n=0.0):
    zeros = np.zeros(7)
    wrench = np.array([0.0, 0.0, force_n, 0.0, 0.0, 0.0])
    return ArmState(0, zeros, zeros, zeros, Pose(np.array(position), DOWN), np.zeros(6), wrench)


def test_its_limits_are_those_of_the_filter_and_the_margins():
    limits = Guard(FILTERED, GuardMargins(distance_m=0.02, angle_rad=0.1, share=1.0, age_s=0.1)).limits
    assert limits.max_force_n == 120.0
    assert limits.max_speed_m_s == 0.5
    assert limits.max_step_m == pytest.approx(0.07)
    assert limits.max_tilt_rad == pytest.approx(0.62)
    assert limits.max_command_age_s == pytest.approx(0.3)
    assert limits.box_lower_m == pytest.approx((0.23, -0.42, -0.02))
    assert limits.box_upper_m == pytest.approx((0.77, 0.42, 0.62))
    assert limits.max_state_age_s == FILTERED.max_state_age_s, "a state is judged when it is there"


def test_what_is_tightened_is_where_it_stops():
    guard = Guard(FILTERED)
    pushed = make_state(force_n=20.5)
    assert guard.check_state(pushed) is None
    guard.limits = replace(guard.limits, max_force_n=20.0)
    violation = guard.check_state(pushed)
    assert violation.reason is Reason.WRENCH
    assert violation.detail == "force 20.5 N exceeds 20 N"
    assert guard.check_state(make_state(force_n=19.5)) is None


@pytest.mark.parametrize(
    ("change", "age_s", "reason"),
    [
        ([0.071, 0.0, 0.0], 0.0, Reason.STEP),
        ([0.0, 0.0, 0.0], 0.31, Reason.STALE_COMMAND),
        ([0.0, 0.0, 0.0], -0.31, Reason.STALE_COMMAND),
        ([0.069, 0.0, 0.0], 0.29, None),
    ],
)
def test_a_command_too_far_away_or_of_another_time_is_forbidden(change, age_s, reason):
    state = make_state()
    pose = Pose(state.tcp_pose.position + np.array(change), state.tcp_pose.quaternion)
    violation = Guard(FILTERED).check_command(pose, 0, state, round(age_s * 1e9))
    assert (violation and violation.reason) == reason


def test_a_command_outside_the_box_is_forbidden():
    state, guard = make_state(position=(0.5, 0.4, 0.3)), Guard(FILTERED)
    assert guard.check_command(Pose(np.array([0.5, 0.419, 0.3]), DOWN), 0, state, 0) is None
    violation = guard.check_command(Pose(np.array([0.5, 0.421, 0.3]), DOWN), 0, state, 0)
    assert violation.reason is Reason.WORKSPACE
    assert "[0.77, 0.42, 0.62]" in violation.detail
