"""The conventions by hand-computed numbers, the formulas by laws, and both against SciPy."""

import math

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from scipy.linalg import expm
from scipy.spatial.transform import Rotation

from robot_rl.errors import SpecError
from robot_rl.geometry import (
    Pose,
    block_diagonal,
    matrix_to_quaternion,
    quaternion_exp,
    quaternion_log,
    quaternion_multiply,
    quaternion_to_matrix,
    skew,
    so3_exp,
    so3_log,
)

HALF = math.sqrt(0.5)


def vectors(size=3, limit=2.0):
    return st.lists(st.floats(-limit, limit, allow_subnormal=False), min_size=size, max_size=size).map(np.array)


@st.composite
def unit_vectors(draw):
    vector = draw(vectors())
    norm = np.linalg.norm(vector)
    assume(norm > 1e-3)
    return vector / norm


@st.composite
def rotation_vectors(draw):
    """Every angle in [0, pi), the small ones where formulas change and the large ones as often as the rest."""
    angle = draw(
        st.floats(0.0, 3.14)
        | st.floats(0.0, 12.0).map(lambda digits: 10.0**-digits)
        | st.floats(2.0, 9.0).map(lambda digits: math.pi - 10.0**-digits)
    )
    return angle * draw(unit_vectors())


@st.composite
def poses(draw):
    return Pose.from_rotation_vector(draw(rotation_vectors()), draw(vectors()))


def hat(tangent):
    """The 4x4 matrix of (rho, theta), for SciPy's matrix exponential."""
    out = np.zeros((4, 4))
    out[:3, :3] = skew(tangent[3:])
    out[:3, 3] = tangent[:3]
    return out


def to_matrix(pose):
    out = np.eye(4)
    out[:3, :3] = pose.rotation
    out[:3, 3] = pose.position
    return out


def assert_same_rotation(a, b, atol=1e-12):
    """Quaternions q and -q are the same rotation."""
    np.testing.assert_allclose(a * np.sign(np.dot(a, b)), b, atol=atol)


# ------------------------------------------------------------------------------------ hand-computed numbers


def test_skew_of_known_vectors():
    np.testing.assert_array_equal(skew([1.0, 2.0, 3.0]), [[0, -3, 2], [3, 0, -1], [-2, 1, 0]])
    np.testing.assert_array_equal(skew([1, 0, 0]) @ [0, 1, 0], [0, 0, 1])


def test_a_quarter_turn_about_z():
    quaternion = quaternion_exp([0.0, 0.0, math.pi / 2])
    np.testing.assert_allclose(quaternion, [0, 0, HALF, HALF], atol=1e-15)  # (x, y, z, w)
    np.testing.assert_allclose(quaternion_to_matrix(quaternion), [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-15)


def test_a_half_turn_about_x_points_the_tool_down():
    pose = Pose(np.array([0.5, 0.0, 0.3]), np.array([1.0, 0.0, 0.0, 0.0]))
    np.testing.assert_allclose(pose.rotation, np.diag([1, -1, -1]), atol=1e-15)
    np.testing.assert_allclose(pose.transform_point([0.0, 0.0, 0.1]), [0.5, 0.0, 0.2], atol=1e-15)
    np.testing.assert_allclose(pose.rotation_vector, [math.pi, 0, 0], atol=1e-15)


def test_hamilton_product_of_the_units():
    i, j, k, one = np.eye(4)
    np.testing.assert_array_equal(quaternion_multiply(i, j), k)
    np.testing.assert_array_equal(quaternion_multiply(j, k), i)
    np.testing.assert_array_equal(quaternion_multiply(k, i), j)
    np.testing.assert_array_equal(quaternion_multiply(j, i), -k)
    np.testing.assert_array_equal(quaternion_multiply(i, i), -one)


def test_composition_reads_from_right_to_left():
    # b stands at (1, 0, 0) of a, turned left by 90 degrees; c stands at (2, 0, 0) of b. So c is at (1, 2, 0) of a.
    pose_ab = Pose(np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, HALF, HALF]))
    pose_bc = Pose(np.array([2.0, 0.0, 0.0]))
    np.testing.assert_allclose((pose_ab @ pose_bc).position, [1, 2, 0], atol=1e-15)
    np.testing.assert_allclose((pose_bc @ pose_ab).position, [3, 0, 0], atol=1e-15)
    np.testing.assert_allclose(pose_ab.inverse().position, [0, 1, 0], atol=1e-15)


def test_adjoint_of_a_known_twist():
    # b stands at (1, 0, 0) of a, unturned, and spins about its own z: a's origin is then carried along -y.
    twist_a = Pose(np.array([1.0, 0.0, 0.0])).adjoint() @ [0, 0, 0, 0, 0, 1]
    np.testing.assert_allclose(twist_a, [0, -1, 0, 0, 0, 1], atol=1e-15)


def test_screw_motion_of_a_known_tangent():
    # Moving forward pi/2 while turning left by pi/2: a quarter of the unit circle.
    pose = Pose.exp([math.pi / 2, 0, 0, 0, 0, math.pi / 2])
    np.testing.assert_allclose(pose.position, [1, 1, 0], atol=1e-15)
    np.testing.assert_allclose(pose.quaternion, [0, 0, HALF, HALF], atol=1e-15)


def test_the_default_pose_is_the_identity():
    np.testing.assert_array_equal(to_matrix(Pose()), np.eye(4))
    np.testing.assert_array_equal(Pose().log(), np.zeros(6))


# ------------------------------------------------------------------------------------ rotations against SciPy


@given(rotation_vectors())
def test_exponentials_agree_with_scipy(vector):
    expected = Rotation.from_rotvec(vector)
    assert_same_rotation(quaternion_exp(vector), expected.as_quat())
    np.testing.assert_allclose(so3_exp(vector), expected.as_matrix(), atol=1e-12)


@given(vectors(4, 1.0))
def test_quaternions_agree_with_scipy(raw):
    assume(np.linalg.norm(raw) > 1e-2)
    quaternion = raw / np.linalg.norm(raw)
    expected = Rotation.from_quat(quaternion)
    np.testing.assert_allclose(quaternion_to_matrix(quaternion), expected.as_matrix(), atol=1e-12)
    assert_same_rotation(matrix_to_quaternion(expected.as_matrix()), quaternion)
    np.testing.assert_allclose(so3_exp(quaternion_log(quaternion)), expected.as_matrix(), atol=1e-9)


@given(rotation_vectors(), rotation_vectors())
def test_the_product_agrees_with_scipy(a, b):
    product = quaternion_multiply(quaternion_exp(a), quaternion_exp(b))
    assert_same_rotation(product, (Rotation.from_rotvec(a) * Rotation.from_rotvec(b)).as_quat())


@pytest.mark.parametrize("axis", [*np.eye(3), *-np.eye(3), np.array([0.6, 0.8, 0.0])])
def test_every_pivot_of_the_matrix_conversion(axis):
    """Half turns, where w is zero and each of x, y, z is the largest in turn."""
    matrix = Rotation.from_rotvec(math.pi * axis).as_matrix()
    quaternion = matrix_to_quaternion(matrix)
    np.testing.assert_allclose(quaternion_to_matrix(quaternion), matrix, atol=1e-12)
    assert quaternion[3] >= 0.0


@given(rotation_vectors())
def test_log_undoes_exp(vector):
    np.testing.assert_allclose(quaternion_log(quaternion_exp(vector)), vector, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(so3_log(so3_exp(vector)), vector, atol=1e-7)


@pytest.mark.parametrize("angle", [0.0, 1e-300, 1e-17, 1e-9, 0.99e-8, 1.01e-8, 1e-7, 1e-4])
def test_log_keeps_all_digits_of_small_angles(angle):
    vector = angle * np.array([2.0, -3.0, 6.0]) / 7.0
    np.testing.assert_allclose(quaternion_log(quaternion_exp(vector)), vector, rtol=1e-14, atol=0.0)


@pytest.mark.parametrize("angle", [1e-17, 1e-9, 0.99e-8, 1.01e-8, 1e-7, 1e-5, 1e-4, 1e-3, 1e-2])
def test_exp_keeps_all_digits_of_small_angles(angle):
    expected = [0.0, 0.0, math.sin(angle / 2), math.cos(angle / 2)]
    np.testing.assert_allclose(quaternion_exp([0.0, 0.0, angle]), expected, rtol=1e-15, atol=0.0)


@pytest.mark.parametrize("gap", [1e-2, 1e-6, 1e-9, 1e-12])
def test_log_turns_the_short_way_round(gap):
    """Just beyond a half turn the vector flips: the angle stays within pi."""
    vector = quaternion_log(quaternion_exp([0.0, math.pi + gap, 0.0]))
    np.testing.assert_allclose(vector, [0.0, -(math.pi - gap), 0.0], atol=1e-14)


@given(rotation_vectors())
def test_the_logarithm_of_minus_q_is_that_of_q(vector):
    quaternion = quaternion_exp(vector)
    assume(quaternion[3] > 1e-9)
    np.testing.assert_array_equal(quaternion_log(-quaternion), quaternion_log(quaternion))


@given(rotation_vectors())
def test_rotations_are_orthonormal_and_right_handed(vector):
    rotation = so3_exp(vector)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0, abs=1e-12)


# ------------------------------------------------------------------------------------ the group SE(3)


@given(poses(), poses(), poses())
def test_composition_is_associative(a, b, c):
    assert ((a @ b) @ c).is_close(a @ (b @ c), 1e-9, 1e-7)


@given(poses())
def test_the_inverse_is_an_inverse_on_both_sides(pose):
    assert (pose @ pose.inverse()).is_close(Pose(), 1e-12, 1e-12)
    assert (pose.inverse() @ pose).is_close(Pose(), 1e-12, 1e-12)


@given(poses())
def test_the_identity_changes_nothing(pose):
    assert (pose @ Pose()).is_close(pose, 1e-12, 1e-12)
    assert (Pose() @ pose).is_close(pose, 1e-12, 1e-12)


@given(poses(), poses(), vectors())
def test_composition_is_that_of_matrices_and_acts_on_points(a, b, point):
    np.testing.assert_allclose(to_matrix(a @ b), to_matrix(a) @ to_matrix(b), atol=1e-12)
    np.testing.assert_allclose((a @ b).transform_point(point), a.transform_point(b.transform_point(point)), atol=1e-11)


@given(rotation_vectors(), vectors())
def test_the_exponential_is_the_matrix_exponential(theta, rho):
    tangent = np.concatenate([rho, theta])
    np.testing.assert_allclose(to_matrix(Pose.exp(tangent)), expm(hat(tangent)), atol=1e-12)


@given(rotation_vectors(), vectors())
@example(np.array([0.99e-5, 0.0, 0.0]), np.array([0.1, 1.0, -2.0]))  # either side of the change of formula
@example(np.array([1.01e-5, 0.0, 0.0]), np.array([0.1, 1.0, -2.0]))
@example(np.array([0.0, math.pi - 1e-9, 0.0]), np.array([0.1, 1.0, -2.0]))
def test_the_logarithm_undoes_the_exponential(theta, rho):
    tangent = np.concatenate([rho, theta])
    np.testing.assert_allclose(Pose.exp(tangent).log(), tangent, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("angle", [1e-7, 0.99e-5, 1.01e-5, 1e-4])
def test_a_small_screw_is_its_series(angle):
    """About z, where the formula changes: exp moves by (1, angle / 2) - (angle² / 6, angle³ / 24), log undoes it."""
    pose = Pose.exp([1.0, 0.0, 0.0, 0.0, 0.0, angle])
    position = [1.0 - angle**2 / 6.0, angle / 2.0 - angle**3 / 24.0, 0.0]
    np.testing.assert_allclose(pose.position, position, rtol=0.0, atol=1e-15)
    np.testing.assert_allclose(pose.log(), [1.0, 0.0, 0.0, 0.0, 0.0, angle], rtol=0.0, atol=1e-15)


@given(poses())
def test_the_exponential_undoes_the_logarithm(pose):
    assert Pose.exp(pose.log()).is_close(pose, 1e-9, 1e-9)


@given(poses())
def test_a_pose_is_read_back_from_its_parts(pose):
    assert Pose.from_matrix(pose.rotation, pose.position).is_close(pose, 1e-12, 1e-7)
    vector = pose.to_vector()
    assert vector.shape == (6,)
    assert Pose.from_rotation_vector(vector[3:], vector[:3]).is_close(pose, 1e-12, 1e-9)


# ------------------------------------------------------------------------------------ twists


@given(poses(), vectors(6, 1.0))
def test_the_adjoint_moves_a_tangent_across_a_pose(pose, tangent):
    """T exp(x) T^-1 = exp(Ad_T x)."""
    left = pose @ Pose.exp(tangent) @ pose.inverse()
    right = Pose.exp(pose.adjoint() @ tangent)
    np.testing.assert_allclose(to_matrix(left), to_matrix(right), atol=1e-11)


@given(poses(), poses())
def test_the_adjoint_is_a_homomorphism(a, b):
    np.testing.assert_allclose((a @ b).adjoint(), a.adjoint() @ b.adjoint(), atol=1e-11)
    np.testing.assert_allclose(a.inverse().adjoint() @ a.adjoint(), np.eye(6), atol=1e-11)


@given(poses(), vectors(6, 1.0))
def test_the_adjoint_by_finite_differences(pose, twist_b):
    """Move the body by its own twist for a moment: the motion of the world's frame is that seen through Ad."""
    step_s = 1e-6
    moved, back = (pose @ Pose.exp(sign * step_s * twist_b) for sign in (1.0, -1.0))
    rate = (to_matrix(moved) - to_matrix(back)) / (2.0 * step_s)
    np.testing.assert_allclose(rate @ np.linalg.inv(to_matrix(pose)), hat(pose.adjoint() @ twist_b), atol=1e-8)


@given(rotation_vectors())
def test_block_diagonal_is_the_adjoint_without_a_lever(vector):
    pose = Pose.from_rotation_vector(vector)
    np.testing.assert_array_equal(block_diagonal(pose.rotation), pose.adjoint())


@given(poses(), vectors(6, 1.0))
def test_block_diagonal_gives_the_velocity_of_the_point_itself(pose, twist_b):
    """Finite differences again: where the TCP goes, in base axes; with a lever, the adjoint says something else."""
    step_s = 1e-6
    moved, back = (pose @ Pose.exp(sign * step_s * twist_b) for sign in (1.0, -1.0))
    velocity = (moved.position - back.position) / (2.0 * step_s)
    omega = (moved @ back.inverse()).rotation_vector / (2.0 * step_s)
    twist_a = block_diagonal(pose.rotation) @ twist_b
    np.testing.assert_allclose(np.concatenate([velocity, omega]), twist_a, atol=1e-8)
    lever = np.cross(pose.position, twist_a[3:])
    np.testing.assert_allclose((pose.adjoint() @ twist_b)[:3] - twist_a[:3], lever, atol=1e-12)


# ------------------------------------------------------------------------------------ Pose as a value


def test_a_pose_keeps_read_only_copies():
    position, quaternion = np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.0, 0.0, 1.0])
    pose = Pose(position, quaternion)
    position[0] = quaternion[0] = 99.0
    np.testing.assert_array_equal(pose.position, [1, 2, 3])
    np.testing.assert_array_equal(pose.quaternion, [0, 0, 0, 1])
    for array in (pose.position, pose.quaternion, Pose().position, Pose().quaternion):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0


@given(rotation_vectors())
def test_a_unit_quaternion_passes_bit_for_bit(vector):
    quaternion = Pose(quaternion=quaternion_exp(vector)).quaternion
    np.testing.assert_array_equal(Pose(quaternion=quaternion).quaternion, quaternion)


def test_another_quaternion_is_normalised():
    np.testing.assert_allclose(Pose(quaternion=np.array([0.0, 0.0, 3.0, 4.0])).quaternion, [0, 0, 0.6, 0.8])


@pytest.mark.parametrize(
    ("position", "quaternion", "message"),
    [
        (np.zeros(2), [0, 0, 0, 1], r"position must have shape \(3,\), got \(2,\)"),
        (np.zeros((3, 1)), [0, 0, 0, 1], r"position must have shape \(3,\), got \(3, 1\)"),
        (np.zeros(3), [0, 0, 1], r"quaternion must have shape \(4,\), got \(3,\)"),
        (np.zeros(3), np.zeros(4), "quaternion must not be zero"),
    ],
)
def test_a_bad_pose_is_refused_by_name(position, quaternion, message):
    with pytest.raises(SpecError, match=message):
        Pose(position, quaternion)


def test_is_close_weighs_position_and_angle_apart():
    near = Pose.from_rotation_vector([0.0, 0.0, 0.01], [0.001, 0.0, 0.0])
    assert Pose().is_close(near, position_m=0.002, angle_rad=0.02)
    assert not Pose().is_close(near, position_m=0.0005, angle_rad=0.02)
    assert not Pose().is_close(near, position_m=0.002, angle_rad=0.005)


def test_nothing_is_close_to_a_pose_that_is_not_finite():
    assert not Pose().is_close(Pose(np.array([np.nan, 0.0, 0.0])), 1.0, 1.0)


def test_half_way_is_half_the_line_and_half_the_turn():
    start = Pose.from_rotation_vector([0.3, 0.0, 0.0], [1.0, 0.0, 0.0])
    goal = start @ Pose.from_rotation_vector([0.0, 0.0, 0.8])
    goal = Pose([3.0, 2.0, 0.0], goal.quaternion)
    half = start.interpolate(goal, 0.5)
    np.testing.assert_allclose(half.position, [2.0, 1.0, 0.0])
    np.testing.assert_allclose((start.inverse() @ half).rotation_vector, [0.0, 0.0, 0.4], atol=1e-12)
    assert start.interpolate(goal, 0.0).is_close(start)
    assert start.interpolate(goal, 1.0).is_close(goal)
