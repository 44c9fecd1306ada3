"""Every limit corrects, says why, with its value and the limit; and what comes out respects all of them."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_rl.clock import to_ns
from robot_rl.control.presets import preset
from robot_rl.control.safety import SafetyFilter, SafetyLimits
from robot_rl.errors import DeviceError
from robot_rl.geometry import Pose
from robot_rl.types import ArmState, Reason, RobotCommand
from tests.contracts import assert_near, distance

LIMITS = SafetyLimits()
PERIOD_S = 0.1
PERIOD_NS = 100_000_000
NOW_NS = 10 * PERIOD_NS
DOWN = Pose(np.array([0.5, 0.0, 0.2]), np.array([1.0, 0.0, 0.0, 0.0]))


def make_state(pose=DOWN, wrench=(0.0,) * 6, stamp_ns=NOW_NS):
    zeros = np.zeros(7)
    return ArmState(stamp_ns, zeros, zeros, zeros, pose, np.zeros(6), np.array(wrench, float))


def make_filter(**limits):
    """A filter that limits no speed unless told, so that each limit can be seen alone."""
    return SafetyFilter(SafetyLimits(**{"max_speed_m_s": 9.0, "max_speed_rad_s": 90.0, **limits}), PERIOD_S)


def run(safety, pose, state=None, stamp_ns=NOW_NS, now_ns=None, width_m=None):
    return safety.filter(RobotCommand(pose, stamp_ns, width_m), state or make_state(), now_ns or stamp_ns)


def reasons(filtered):
    return [correction.reason for correction in filtered.corrections]


def tilt_rad(pose):
    return math.acos(float(np.clip(-pose.rotation[2, 2], -1.0, 1.0)))


def assert_tells(correction, reason, value, limit):
    """The correction names its reason, and its words hold the value and the limit."""
    assert correction.reason is reason
    numbers = [float(x) for x in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", correction.detail)]
    assert any(math.isclose(x, value, rel_tol=1e-3) for x in numbers), correction.detail
    assert any(math.isclose(x, limit, rel_tol=1e-3) for x in numbers), correction.detail
    assert correction.amount == pytest.approx(value - limit, rel=1e-6)


def test_a_harmless_command_passes_bit_for_bit():
    pose = DOWN @ Pose.from_rotation_vector([0.01, 0.02, 0.03], [0.01, 0.0, 0.005])
    filtered = run(make_filter(), pose, width_m=0.04)
    assert filtered.corrections == ()
    np.testing.assert_array_equal(filtered.command.pose.position, pose.position)
    np.testing.assert_array_equal(filtered.command.pose.quaternion, pose.quaternion)
    assert filtered.command.width_m == 0.04
    assert filtered.command.stamp_ns == NOW_NS


def test_a_far_step_is_shortened_along_its_way():
    filtered = run(make_filter(), Pose(DOWN.position + [0.06, 0.0, 0.08], DOWN.quaternion))
    assert_tells(filtered.corrections[0], Reason.STEP, 0.1, 0.05)
    np.testing.assert_allclose(filtered.command.pose.position - DOWN.position, [0.03, 0.0, 0.04], atol=1e-12)


def test_a_far_turn_is_shortened_about_its_axis():
    filtered = run(make_filter(), DOWN @ Pose.from_rotation_vector([0.0, 0.0, 0.9]))
    assert_tells(filtered.corrections[0], Reason.STEP, 0.9, 0.3)
    turn = (DOWN.inverse() @ filtered.command.pose).rotation_vector
    np.testing.assert_allclose(turn, [0.0, 0.0, 0.3], atol=1e-12)


def test_a_fast_command_is_slowed_down():
    safety = make_filter(max_speed_m_s=0.1, max_speed_rad_s=0.5)
    run(safety, DOWN)
    filtered = run(safety, Pose(DOWN.position + [0.04, 0.0, 0.0], DOWN.quaternion), stamp_ns=NOW_NS + PERIOD_NS,
                   state=make_state(stamp_ns=NOW_NS + PERIOD_NS))  # fmt: skip
    assert_tells(filtered.corrections[0], Reason.SPEED, 0.04, 0.01)
    np.testing.assert_allclose(filtered.command.pose.position - DOWN.position, [0.01, 0.0, 0.0], atol=1e-12)


def test_a_long_silence_allows_no_more_than_a_period():
    """The arm has one period for a command, however long it waited for it."""
    safety = make_filter(max_speed_m_s=0.1)
    run(safety, DOWN)
    later = NOW_NS + 5 * PERIOD_NS
    filtered = run(safety, far(0.04), make_state(stamp_ns=later), later)
    np.testing.assert_allclose(filtered.command.pose.position, far(0.01).position, atol=1e-12)


def test_a_refined_command_goes_from_where_the_target_is_as_far_as_time_is_left():
    """0.1 m/s: after 40 of 100 ms the target is 4 of 10 mm on its way, and 6 mm can still be gone."""
    safety = make_filter(max_speed_m_s=0.1)
    run(safety, DOWN)
    start = NOW_NS + PERIOD_NS
    run(safety, far(0.01), make_state(stamp_ns=start), start)
    now = start + to_ns(0.04)
    back = safety.filter(RobotCommand(DOWN, start), make_state(stamp_ns=now), now)
    assert back.corrections == (), "4 mm are left of 6"
    safety = make_filter(max_speed_m_s=0.1)
    run(safety, DOWN)
    run(safety, far(0.01), make_state(stamp_ns=start), start)
    beyond = safety.filter(RobotCommand(far(-0.01), start), make_state(stamp_ns=now), now)
    assert reasons(beyond) == [Reason.SPEED]
    np.testing.assert_allclose(beyond.command.pose.position, far(-0.002).position, atol=1e-12)


def test_after_the_clock_was_set_back_the_speed_counts_from_the_last_command():
    """By half a second, five periods: counted on backwards, the target were 50 mm behind where it began."""
    safety = make_filter(max_speed_m_s=0.1)
    run(safety, DOWN)
    start = NOW_NS + PERIOD_NS
    run(safety, far(0.01), make_state(stamp_ns=start), start)
    back = start - 5 * PERIOD_NS
    filtered = run(safety, far(0.03), make_state(far(0.01), stamp_ns=back), back)
    assert reasons(filtered) == [Reason.SPEED]
    np.testing.assert_allclose(filtered.command.pose.position, far(0.02).position, atol=1e-12)


def test_after_a_reset_the_speed_counts_from_where_the_arm_is():
    safety = make_filter(max_speed_m_s=0.1)
    run(safety, DOWN)
    safety.reset()
    here = far(0.03)
    assert run(safety, far(0.04), make_state(here)).corrections == ()
    safety.reset()
    filtered = run(safety, far(0.05), make_state(here))
    assert reasons(filtered) == [Reason.SPEED]
    np.testing.assert_allclose(filtered.command.pose.position, far(0.04).position, atol=1e-12)


def test_the_speed_limit_is_not_looser_than_that_of_the_impedance_presets():
    """What the law's slew limit cuts off would be stored as executed, and was not."""
    for name in ("compliant", "insertion", "precision"):
        assert preset(name).max_linear_speed_m_s >= LIMITS.max_speed_m_s, name
        assert preset(name).max_angular_speed_rad_s >= LIMITS.max_speed_rad_s, name


@pytest.mark.parametrize("axis", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.6, -0.8, 0.0]])
def test_a_tilted_tool_is_put_back_on_the_cone(axis):
    safety = make_filter(max_tilt_rad=0.1, max_step_rad=1.0)
    filtered = run(safety, DOWN @ Pose.from_rotation_vector(0.25 * np.array(axis)))
    assert_tells(filtered.corrections[0], Reason.ORIENTATION, 0.25, 0.1)
    np.testing.assert_allclose(
        (DOWN.inverse() @ filtered.command.pose).rotation_vector, 0.1 * np.array(axis), atol=1e-9
    )


def test_a_tool_that_is_upside_down_is_put_back_on_the_cone():
    upside = Pose(DOWN.position)
    safety = make_filter(max_tilt_rad=0.1, max_step_rad=4.0)
    filtered = run(safety, upside, make_state(upside))
    assert reasons(filtered) == [Reason.ORIENTATION]
    assert tilt_rad(filtered.command.pose) == pytest.approx(0.1, abs=1e-6)


def test_the_tool_may_point_elsewhere_when_told():
    forward = Pose.from_rotation_vector([0.0, math.pi / 2, 0.0], DOWN.position)
    safety = make_filter(tool_axis_base=(1.0, 0.0, 0.0))
    assert run(safety, forward, make_state(forward)).corrections == ()


def test_outside_the_box_the_nearest_point_inside_is_taken():
    edge = Pose(np.array([0.5, 0.39, 0.02]), DOWN.quaternion)
    filtered = run(make_filter(), Pose(edge.position + [0.0, 0.03, -0.03], DOWN.quaternion), make_state(edge))
    assert reasons(filtered) == [Reason.WORKSPACE]
    np.testing.assert_array_equal(filtered.command.pose.position, [0.5, 0.4, 0.0])
    assert filtered.corrections[0].amount == pytest.approx(math.hypot(0.02, 0.01))
    for number in ("0.42", "-0.01", "0.25, -0.4, 0.0", "0.75, 0.4, 0.6"):
        assert number in filtered.corrections[0].detail


def test_the_box_is_the_final_word():
    """The arm was pushed out of the box: back inside matters more than the length of the step."""
    outside = Pose(np.array([0.5, 0.0, -0.2]), DOWN.quaternion)
    filtered = run(make_filter(), outside, make_state(outside))
    assert filtered.command.pose.position[2] == 0.0
    assert reasons(filtered)[-1] is Reason.WORKSPACE


@pytest.mark.parametrize(
    ("wrench", "value", "limit"),
    [((0, 0, 61.5, 0, 0, 0), 61.5, 60.0), ((40, 40, 40, 0, 0, 0), 69.28, 60.0), ((0, 0, 0, 0, 15.5, 0), 15.5, 15.0)],
)
def test_too_much_wrench_makes_the_arm_rest_where_it_is(wrench, value, limit):
    safety = make_filter()
    run(safety, DOWN)
    here = Pose(DOWN.position + [0.0, 0.0, 0.003], DOWN.quaternion)
    filtered = run(
        safety, Pose(DOWN.position + [0.0, 0.0, -0.01], DOWN.quaternion), make_state(here, wrench), width_m=0.0
    )
    assert reasons(filtered) == [Reason.WRENCH]
    assert filtered.corrections[0].amount == pytest.approx(value - limit, abs=0.01)
    assert f"{limit:g}" in filtered.corrections[0].detail
    assert filtered.command.pose is here
    assert filtered.command.width_m is None


def test_a_wrench_that_is_not_a_number_counts_as_too_much():
    filtered = run(make_filter(), DOWN @ Pose(np.array([0.0, 0.0, 0.01])), make_state(wrench=(0, 0, np.nan, 0, 0, 0)))
    assert reasons(filtered) == [Reason.WRENCH]
    assert filtered.command.pose is DOWN


def far(metres):
    return Pose(DOWN.position + [metres, 0.0, 0.0], DOWN.quaternion)


@pytest.mark.parametrize(
    ("reason", "command", "state", "now_ns", "words"),
    [
        (Reason.NOT_FINITE, RobotCommand(Pose(np.array([np.nan, 0, 0])), NOW_NS), make_state(far(0.01)), NOW_NS, "nan"),
        (Reason.NOT_FINITE, RobotCommand(DOWN, NOW_NS, math.nan), make_state(far(0.01)), NOW_NS, "nan"),
        (Reason.STALE_COMMAND, RobotCommand(far(0.02), NOW_NS), make_state(far(0.01), stamp_ns=NOW_NS + 210_000_000),
         NOW_NS + 210_000_000, "0.21 s exceeds 0.2 s"),
        (Reason.STALE_STATE, RobotCommand(far(0.02), NOW_NS), make_state(far(0.01), stamp_ns=NOW_NS - 150_000_000),
         NOW_NS, "0.15 s exceeds 0.1 s"),
        (Reason.NOT_FINITE, RobotCommand(far(0.02), NOW_NS), make_state(Pose(np.array([0, np.inf, 0]))), NOW_NS, "inf"),
    ],
    ids=["pose", "width", "command", "state", "measured"],
)  # fmt: skip
def test_what_cannot_be_trusted_makes_the_arm_hold_its_last_rest_pose(reason, command, state, now_ns, words):
    safety = make_filter()
    last = run(safety, far(0.005)).command.pose
    filtered = safety.filter(command, state, now_ns)
    assert reasons(filtered) == [reason]
    assert words in filtered.corrections[0].detail
    assert filtered.command.pose is last
    assert filtered.command.width_m is None


@pytest.mark.parametrize("stamp_ns", [NOW_NS, NOW_NS - 150_000_000])
def test_without_an_earlier_command_the_arm_holds_where_it_is(stamp_ns):
    here = far(0.01)
    filtered = make_filter().filter(
        RobotCommand(Pose(np.full(3, np.nan)), NOW_NS), make_state(here, stamp_ns=stamp_ns), NOW_NS
    )
    assert filtered.command.pose is here


def test_with_nothing_to_hold_the_device_is_at_fault():
    with pytest.raises(DeviceError, match="no earlier command"):
        run(make_filter(), DOWN, make_state(Pose(np.full(3, np.nan))))


def test_a_hold_does_not_forget_where_the_arm_rests():
    """Hold, hold, hold: the rest pose must not creep."""
    safety = make_filter()
    last = run(safety, far(0.005)).command.pose
    for k in range(3):
        held = run(safety, Pose(np.full(3, np.nan)), make_state(far(0.01 * k))).command.pose
        assert held is last


@st.composite
def upright(draw, limits=LIMITS):
    """A pose within box and cone."""
    share = np.array(draw(st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3)))
    position = np.array(limits.box_lower_m) + share * (np.array(limits.box_upper_m) - limits.box_lower_m)
    direction, tilt, yaw = draw(st.floats(-3.1, 3.1)), draw(st.floats(0.0, 0.999)), draw(st.floats(-3.1, 3.1))
    lean = tilt * limits.max_tilt_rad * np.array([math.cos(direction), math.sin(direction), 0.0])
    turned = Pose.from_rotation_vector(lean) @ Pose(quaternion=DOWN.quaternion) @ Pose.from_rotation_vector([0, 0, yaw])
    return Pose(position, turned.quaternion)


@st.composite
def any_pose(draw):
    vector = st.lists(st.floats(-1.7, 1.7), min_size=3, max_size=3)
    return Pose.from_rotation_vector(draw(vector), draw(vector))


@st.composite
def nearby(draw, pose):
    move = np.array(draw(st.lists(st.floats(-0.08, 0.08), min_size=3, max_size=3)))
    turn = np.array(draw(st.lists(st.floats(-0.4, 0.4), min_size=3, max_size=3)))
    return pose @ Pose.from_rotation_vector(turn, move)


@given(data=st.data())
def test_whatever_is_asked_what_comes_out_respects_every_limit(data):
    measured = data.draw(upright())
    safety = SafetyFilter(LIMITS, PERIOD_S)
    last = None
    for k in range(3):
        stamp_ns = NOW_NS + k * PERIOD_NS
        wanted = data.draw(st.one_of(any_pose(), nearby(measured)))
        filtered = run(safety, wanted, make_state(measured, stamp_ns=stamp_ns), stamp_ns)
        pose = filtered.command.pose
        assert (pose.position >= LIMITS.box_lower_m).all()
        assert (pose.position <= LIMITS.box_upper_m).all()
        assert tilt_rad(pose) <= LIMITS.max_tilt_rad + 1e-7
        metres, radians = distance(pose, measured)
        assert metres <= LIMITS.max_step_m + 1e-9
        assert radians <= LIMITS.max_step_rad + 1e-3  # the cone, applied last, may turn the tool a little further
        if last is not None:
            metres, radians = distance(pose, last)
            assert metres <= LIMITS.max_speed_m_s * PERIOD_S + 1e-9
            assert radians <= LIMITS.max_speed_rad_s * PERIOD_S + 1e-3
        changed = distance(pose, wanted)
        assert bool(filtered.corrections) == (max(changed) > 1e-9), "nothing is changed silently"
        last = measured = pose


@given(pose=any_pose(), measured=any_pose())
def test_the_box_holds_wherever_the_arm_is(pose, measured):
    safety = SafetyFilter(LIMITS, PERIOD_S)
    for _ in range(2):
        out = run(safety, pose, make_state(measured)).command.pose
        assert (out.position >= LIMITS.box_lower_m).all()
        assert (out.position <= LIMITS.box_upper_m).all()
        assert tilt_rad(out) <= LIMITS.max_tilt_rad + 1e-7


@given(pose=any_pose(), measured=upright())
def test_every_correction_has_an_amount_and_words(pose, measured):
    for correction in run(make_filter(), pose, make_state(measured)).corrections:
        assert correction.amount > 0.0
        assert re.search(r"\d", correction.detail)
        assert isinstance(correction.reason, Reason)


def test_filtering_twice_changes_nothing_more():
    safety = make_filter()
    once = run(safety, Pose(np.array([2.0, 2.0, 2.0]))).command.pose
    safety.reset()
    twice = run(safety, once)
    assert twice.corrections == ()
    assert_near(twice.command.pose, once, 0.0, 1e-9)


def test_a_stamp_of_the_future_is_no_fresher_than_one_of_the_past():
    """Clocks of two machines that disagree would otherwise turn the check off."""
    safety = make_filter()
    early = run(safety, DOWN, stamp_ns=NOW_NS + 1_000_000_000, now_ns=NOW_NS)
    assert reasons(early) == [Reason.STALE_COMMAND]
    later = run(safety, DOWN, make_state(stamp_ns=NOW_NS + 1_000_000_000))
    assert reasons(later) == [Reason.STALE_STATE]
