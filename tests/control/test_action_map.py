"""Actions and their meaning: round trips, frames by hand-computed numbers, and independence of the base."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_rl.control.action_map import GRIPPER_THRESHOLD, ActionMap, shrink_into_box
from robot_rl.errors import ActionError, ConfigError
from robot_rl.geometry import Pose, so3_log
from tests.contracts import assert_near

T_M, R_RAD = 0.02, 0.1
MAPS = [
    ActionMap(T_M, R_RAD, width, frame, reference)
    for width in (None, 0.08)
    for frame in ("tcp", "base")
    for reference in ("measured", "command")
]
TCP, BASE = ActionMap(T_M, R_RAD), ActionMap(T_M, R_RAD, frame="base")

# Half a metre in front of the base, tool pointing down: x forward, y to the robot's right, z down.
DOWN = Pose(np.array([0.5, 0.1, 0.2]), np.array([1.0, 0.0, 0.0, 0.0]))

units = st.floats(-1.0, 1.0, width=32, allow_subnormal=False)


@st.composite
def poses(draw):
    vector = np.array(draw(st.lists(st.floats(-1.7, 1.7), min_size=3, max_size=3)))
    position = draw(st.lists(st.floats(-2.0, 2.0), min_size=3, max_size=3))
    return Pose.from_rotation_vector(vector, position)


def actions(size=6):
    return st.lists(units, min_size=size, max_size=size).map(lambda values: np.array(values, np.float32))


@pytest.mark.parametrize("index", range(3))
def test_a_pure_translation_of_the_tool_gives_no_rotation(index):
    """The peer's adjoint turned a +y body translation into a rotation that grew with the distance from the base."""
    action = np.zeros(6)
    action[index] = 1.0
    for action_map in (TCP, BASE):
        pose = action_map.to_pose(action, DOWN)
        np.testing.assert_array_equal(pose.quaternion, DOWN.quaternion)
    np.testing.assert_allclose(
        TCP.to_pose(action, DOWN).position - DOWN.position, T_M * np.diag([1.0, -1.0, -1.0])[index], atol=1e-15
    )
    np.testing.assert_allclose(BASE.to_pose(action, DOWN).position - DOWN.position, T_M * np.eye(3)[index], atol=1e-15)


@pytest.mark.parametrize("index", range(3))
def test_a_pure_rotation_of_the_tool_does_not_move_its_point(index):
    action = np.zeros(6)
    action[3 + index] = 1.0
    for action_map, axes in ((TCP, DOWN.rotation), (BASE, np.eye(3))):
        pose = action_map.to_pose(action, DOWN)
        np.testing.assert_array_equal(pose.position, DOWN.position)
        turn_base = so3_log(pose.rotation @ DOWN.rotation.T)
        np.testing.assert_allclose(turn_base, R_RAD * axes[:, index], atol=1e-12)


def test_a_turn_by_hand_computed_numbers():
    quarter = ActionMap(1.0, math.pi / 2).to_pose([0, 0, 0, 0, 0, 1], DOWN)
    # the tool looks down; a quarter turn about its own z takes its x axis to its y axis, the robot's -y
    np.testing.assert_allclose(quarter.rotation[:, 0], [0.0, -1.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(quarter.rotation[:, 2], [0.0, 0.0, -1.0], atol=1e-12)
    # about the base's z it goes the other way
    other = ActionMap(1.0, math.pi / 2, frame="base").to_pose([0, 0, 0, 0, 0, 1], DOWN)
    np.testing.assert_allclose(other.rotation[:, 0], [0.0, 1.0, 0.0], atol=1e-12)


@pytest.mark.parametrize("action_map", MAPS)
@given(data=st.data())
def test_an_action_survives_the_way_to_a_pose_and_back(action_map, data):
    action, reference = data.draw(actions()), data.draw(poses())
    # three rotation elements may add up to more than half a turn only with absurd scales; here they do not
    back = action_map.to_action(action_map.to_pose(action, reference), reference)
    assert back.shape == (action_map.action_size,)
    np.testing.assert_allclose(back[:6], action, atol=1e-5)


@pytest.mark.parametrize("action_map", MAPS)
@given(data=st.data())
def test_a_near_pose_survives_the_way_to_an_action_and_back(action_map, data):
    reference, step = data.draw(poses()), data.draw(actions())
    pose = Pose(
        reference.position + T_M / math.sqrt(3) * step[:3].astype(float),
        (reference @ Pose.from_rotation_vector(R_RAD / math.sqrt(3) * step[3:].astype(float))).quaternion,
    )
    action = action_map.to_action(pose, reference)
    assert_near(action_map.to_pose(action, reference), pose, 1e-8, 1e-7)


@pytest.mark.parametrize("action_map", MAPS)
@given(pose=poses(), reference=poses())
def test_an_action_towards_a_far_pose_stays_in_the_box_and_keeps_its_direction(action_map, pose, reference):
    action = action_map.to_action(pose, reference).astype(float)
    assert np.abs(action).max() <= 1.0
    wanted = pose.position - reference.position
    if action_map.frame == "tcp":
        wanted = reference.rotation.T @ wanted
    norm = np.linalg.norm(wanted)
    if norm > 1e-3:
        np.testing.assert_allclose(np.cross(action[:3], wanted / norm), 0.0, atol=1e-6)
        assert action[:3] @ wanted >= 0.0


@pytest.mark.parametrize("action_map", [TCP, MAPS[5]])
@given(action=actions(), reference=poses(), base=poses())
def test_tool_actions_do_not_know_where_the_base_stands(action_map, action, reference, base):
    moved = action_map.to_pose(action, base @ reference)
    still = base @ action_map.to_pose(action, reference)
    assert_near(moved, still, 1e-12, 1e-7)
    np.testing.assert_allclose(action_map.to_action(still, base @ reference)[:6], action, atol=1e-5)


@given(action=actions(), reference=poses())
def test_base_and_tool_actions_differ_by_block_diagonal_rotations(action, reference):
    rotation = reference.rotation
    in_base = np.concatenate([rotation @ action[:3], rotation @ action[3:]])
    assert_near(TCP.to_pose(action, reference), BASE.to_pose(in_base, reference), 1e-12, 1e-7)


@given(twist=actions(), reference=poses())
def test_a_persons_deflection_in_tool_axes_stays_in_the_box_and_keeps_its_direction(twist, reference):
    action = TCP.from_twist_base(twist, reference).astype(float)
    assert np.abs(action).max() <= 1.0
    for part in (slice(0, 3), slice(3, 6)):
        wanted = reference.rotation.T @ twist[part]
        norm = np.linalg.norm(wanted)
        np.testing.assert_allclose(np.cross(action[part], wanted), 0.0, atol=1e-6)
        assert action[part] @ wanted >= 0.0
        if np.abs(wanted).max() <= 1.0:
            np.testing.assert_allclose(action[part], wanted, atol=1e-6)
        else:
            assert np.abs(action[part]).max() == pytest.approx(1.0)
            assert np.linalg.norm(action[part]) <= norm + 1e-6


@given(twist=actions(), reference=poses())
def test_a_persons_deflection_moves_the_tool_that_way_in_the_base(twist, reference):
    """Through either frame the tool goes where the hand pointed, as far as the box allows."""
    for action_map in (TCP, BASE):
        moved = action_map.to_pose(action_map.from_twist_base(twist, reference), reference)
        step = (moved.position - reference.position) / T_M
        np.testing.assert_allclose(np.cross(step, twist[:3]), 0.0, atol=1e-6)
        assert step @ twist[:3].astype(float) >= 0.0


def test_translation_and_rotation_of_a_deflection_do_not_mix():
    far = Pose.from_rotation_vector([0.4, 0.3, 0.2], [10.0, 10.0, 10.0])
    np.testing.assert_array_equal(TCP.from_twist_base([1, 0, 0, 0, 0, 0], far)[3:], 0.0)
    np.testing.assert_array_equal(TCP.from_twist_base([0, 0, 0, 1, 0, 0], far)[:3], 0.0)


@pytest.mark.parametrize(
    ("element", "width"),
    [
        (1.0, 0.08),
        (0.51, 0.08),
        (GRIPPER_THRESHOLD, None),
        (0.0, None),
        (-GRIPPER_THRESHOLD, None),
        (-0.51, 0.0),
        (-1.0, 0.0),
    ],
)
def test_the_gripper_opens_stays_or_closes(element, width):
    action = np.zeros(7)
    action[6] = element
    assert ActionMap(T_M, R_RAD, 0.08).to_width(action) == width


@pytest.mark.parametrize(("width", "element"), [(0.08, 1.0), (0.0, -1.0), (None, 0.0)])
def test_a_width_becomes_a_gripper_action_and_back(width, element):
    action_map = ActionMap(T_M, R_RAD, 0.08)
    action = action_map.to_action(DOWN, DOWN, width)
    assert action[6] == element
    assert action_map.to_width(action) == width


def test_without_a_gripper_there_is_no_width():
    assert TCP.to_width(np.ones(6)) is None
    assert TCP.action_size == 6
    assert TCP.to_action(DOWN, DOWN, 0.08).shape == (6,)


def test_a_persons_gripper_is_clipped():
    assert ActionMap(T_M, R_RAD, 0.08).from_twist_base(np.zeros(6), DOWN, -7.0)[6] == -1.0


def test_validate_copies_to_float32():
    given_action = np.full(6, 0.1)
    action = TCP.validate(given_action)
    assert action.dtype == np.float32
    given_action[:] = 1.0
    assert action[0] == np.float32(0.1)


def test_validate_leaves_values_alone():
    np.testing.assert_array_equal(
        TCP.validate([9.0, np.nan, np.inf, 0, 0, -2]), np.array([9, np.nan, np.inf, 0, 0, -2])
    )


@pytest.mark.parametrize(
    "wrong", [np.zeros(5), np.zeros(7), np.zeros((6, 1)), 1.0, None, "x", [None] * 6, [[1], [2, 3]]]
)
def test_validate_says_what_an_action_is(wrong):
    with pytest.raises(ActionError, match="6"):
        TCP.validate(wrong)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frame": "world"}, "tcp, base"),
        ({"reference": "goal"}, "measured, command"),
        ({"translation_scale_m": 0.0}, "positive"),
        ({"rotation_scale_rad": -1.0}, "positive"),
        ({"translation_scale_m": math.nan}, "positive"),
        ({"max_width_m": 0.0}, "gripper"),
    ],
)
def test_a_wrong_map_is_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        ActionMap(**{"translation_scale_m": T_M, "rotation_scale_rad": R_RAD, **arguments})


@given(vector=st.lists(st.floats(-50.0, 50.0), min_size=3, max_size=3).map(np.array))
def test_shrinking_keeps_the_direction_and_what_fits(vector):
    out = shrink_into_box(vector)
    assert np.abs(out).max() <= 1.0
    if np.abs(vector).max() <= 1.0:
        np.testing.assert_array_equal(out, vector)
    else:
        np.testing.assert_allclose(np.cross(out, vector), 0.0, atol=1e-12)
