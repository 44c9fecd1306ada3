"""What the policy sees: frames by hand-computed numbers, and nothing of where the base stands."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_rl.control.action_map import ActionMap
from robot_rl.env.observation import PROPRIO_SIZES, make_observation, make_observation_spec
from robot_rl.errors import SpecError
from robot_rl.geometry import Pose, block_diagonal
from robot_rl.robot.robot import RobotReading
from robot_rl.types import ArmState
from tests.contracts import assert_near

DOWN = Pose(np.array([0.5, 0.1, 0.2]), np.array([1.0, 0.0, 0.0, 0.0]))
WRENCH = np.array([1.0, 2.0, 3.0, 0.1, 0.2, 0.3])


def make_reading(pose, twist_base=(0.0,) * 6, width_m=0.02, images=None):
    zeros = np.zeros(7)
    state = ArmState(123, zeros, zeros, zeros, pose, np.array(twist_base, float), WRENCH)
    return RobotReading(state, width_m, images or {})


@st.composite
def poses(draw):
    vector = st.lists(st.floats(-1.7, 1.7), min_size=3, max_size=3)
    return Pose.from_rotation_vector(draw(vector), draw(vector))


sixes = st.lists(st.floats(-1.0, 1.0), min_size=6, max_size=6).map(np.array)


def test_at_the_reset_pose_the_pose_is_zero():
    observation = make_observation(make_reading(DOWN), DOWN, 0.08, np.zeros(6))
    np.testing.assert_allclose(observation.proprio["tcp_pose"], 0.0, atol=1e-7)
    assert observation.stamp_ns == 123
    assert observation.base_action is None


def test_the_pose_is_in_the_axes_of_the_reset_pose():
    now = Pose(DOWN.position + [0.01, 0.02, 0.03], DOWN.quaternion)
    observation = make_observation(make_reading(now), DOWN, 0.08, np.zeros(6))
    np.testing.assert_allclose(observation.proprio["tcp_pose"], [0.01, -0.02, -0.03, 0, 0, 0], atol=1e-7)


def test_the_twist_is_in_tool_axes_and_no_rotation_leaks_into_the_velocity():
    quarter = DOWN @ Pose.from_rotation_vector([0.0, 0.0, math.pi / 2])
    observation = make_observation(make_reading(quarter, [1, 2, 3, 4, 5, 6]), DOWN, 0.08, np.zeros(6))
    np.testing.assert_allclose(observation.proprio["tcp_twist"], [-2, -1, -3, -5, -4, -6], atol=1e-6)


def test_the_wrench_is_passed_on_in_its_tool_axes():
    observation = make_observation(make_reading(DOWN), DOWN, 0.08, np.zeros(6))
    np.testing.assert_array_equal(observation.proprio["tcp_force"], WRENCH[:3].astype(np.float32))
    np.testing.assert_array_equal(observation.proprio["tcp_torque"], WRENCH[3:].astype(np.float32))


@pytest.mark.parametrize(("width_m", "max_width_m", "share"), [(0.02, 0.08, 0.25), (0.08, 0.08, 1.0), (0.0, 0.0, 0.0)])
def test_the_gripper_is_a_share_of_its_opening(width_m, max_width_m, share):
    observation = make_observation(make_reading(DOWN, width_m=width_m), DOWN, max_width_m, np.zeros(6))
    assert observation.proprio["gripper"] == pytest.approx([share])


@given(tcp=poses(), reset=poses(), base=poses(), twist=sixes)
def test_where_the_base_stands_cannot_be_seen(tcp, reset, base, twist):
    here = make_observation(make_reading(tcp, twist), reset, 0.08, np.zeros(6))
    there = make_observation(
        make_reading(base @ tcp, block_diagonal(base.rotation) @ twist), base @ reset, 0.08, np.zeros(6)
    )
    for name in PROPRIO_SIZES:
        if name == "tcp_pose":  # at half a turn both signs of the rotation vector are right: compare the poses
            poses_seen = [Pose.from_rotation_vector(o.proprio[name][3:], o.proprio[name][:3]) for o in (here, there)]
            assert_near(*poses_seen, 1e-5, 1e-5)
        else:
            np.testing.assert_allclose(there.proprio[name], here.proprio[name], atol=1e-5, err_msg=name)


@given(tcp=poses(), reset=poses(), base=poses(), action=sixes)
def test_the_way_from_observation_to_motion_does_not_know_where_the_base_stands(tcp, reset, base, action):
    """The loop as a whole: a policy that answers what it sees moves the tool alike in front of either base."""
    action_map = ActionMap(0.02, 0.1)
    seen = make_observation(make_reading(tcp), reset, 0.08, np.zeros(6)).proprio["tcp_pose"]
    answer = np.clip(action + 0.1 * seen, -1.0, 1.0)
    seen_there = make_observation(make_reading(base @ tcp), base @ reset, 0.08, np.zeros(6)).proprio["tcp_pose"]
    if np.abs(seen_there - seen).max() > 1e-3:
        return  # half a turn: two names for one rotation
    answer_there = np.clip(action + 0.1 * seen_there, -1.0, 1.0)
    assert_near(action_map.to_pose(answer_there, base @ tcp), base @ action_map.to_pose(answer, tcp), 1e-6, 1e-5)


def test_an_observation_fits_its_spec():
    image = np.zeros((4, 6, 3), np.uint8)
    spec = make_observation_spec(3, {"wrist": (4, 6)})
    spec.validate(make_observation(make_reading(DOWN, images={"wrist": image}), DOWN, 0.08, np.zeros(3)))
    assert spec.proprio_size == 19 + 3
    with pytest.raises(SpecError, match="proprio task"):
        spec.validate(make_observation(make_reading(DOWN, images={"wrist": image}), DOWN, 0.08, np.zeros(6)))
    with pytest.raises(SpecError, match="wrist"):
        spec.validate(make_observation(make_reading(DOWN), DOWN, 0.08, np.zeros(3)))


def test_the_names_are_sorted_so_that_their_order_cannot_depend_on_a_dictionary():
    assert list(PROPRIO_SIZES) == sorted(PROPRIO_SIZES)
    assert list(make_observation_spec(6, {}).proprio) == [*PROPRIO_SIZES, "task"]
