"""Inverse kinematics, checked with the simulator's forward kinematics."""

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_rl.geometry import Pose
from robot_rl.sim import franka
from robot_rl.sim.kinematics import UnreachableError, solve_joints
from robot_rl.sim.workcell import make_workcell_spec

MODEL = make_workcell_spec().compile()
DOWN = np.array([1.0, 0.0, 0.0, 0.0])


def forward(joints):
    data = mujoco.MjData(MODEL)
    data.qpos[:7] = joints
    mujoco.mj_forward(MODEL, data)
    site = MODEL.site(franka.TCP_SITE_NAME).id
    return Pose.from_matrix(data.site_xmat[site].reshape(3, 3), data.site_xpos[site])


@settings(max_examples=40)
@given(
    x=st.floats(0.35, 0.65), y=st.floats(-0.25, 0.25), z=st.floats(0.03, 0.4),
    yaw=st.floats(-0.7, 0.7), tilt=st.tuples(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2)),
)  # fmt: skip
def test_the_solution_is_right_and_within_the_limits(x, y, z, yaw, tilt):
    pose = Pose(np.array([x, y, z]), DOWN) @ Pose.from_rotation_vector([*tilt, yaw])
    joints = solve_joints(MODEL, pose)
    assert forward(joints).is_close(pose, 1e-6, 1e-6)
    assert (joints > franka.JOINT_LOWER).all()
    assert (joints < franka.JOINT_UPPER).all()


def test_home_is_found_at_home():
    np.testing.assert_allclose(solve_joints(MODEL, forward(franka.HOME_JOINTS)), franka.HOME_JOINTS, atol=1e-6)


def test_equal_poses_have_equal_solutions():
    pose = Pose(np.array([0.45, 0.1, 0.1]), DOWN)
    np.testing.assert_array_equal(solve_joints(MODEL, pose), solve_joints(MODEL, pose))


@pytest.mark.parametrize(
    "pose",
    [
        Pose(np.array([1.5, 0.0, 0.2]), DOWN),
        Pose(np.array([0.0, 0.0, -3.0]), DOWN),
        Pose(np.array([0.5, 0.0, np.nan]), DOWN),
        Pose(np.array([0.05, 0.0, 0.3])),
    ],
    ids=["far", "below the floor", "nan", "inside itself"],
)
def test_an_unreachable_pose_is_named(pose):
    with pytest.raises(UnreachableError, match=r"cannot reach Pose\(position=.*remain"):
        solve_joints(MODEL, pose)
