"""The simulated tasks: what is drawn, what the policy is told, and that success is only claimed when it is true."""

import mujoco
import numpy as np
import pytest

from robot_rl.errors import ConfigError, UnknownNameError
from robot_rl.geometry import Pose
from robot_rl.sim import franka
from robot_rl.sim.kinematics import UnreachableError, solve_joints
from robot_rl.sim.tasks import TASKS, make_task
from robot_rl.sim.tasks.scene import SceneConfig
from robot_rl.sim.tasks.task import View
from tests import simcells
from tests.contracts import distance

INSERTIONS = ("peg", "peg_hard", "plug")


@pytest.fixture(scope="module", params=simcells.TASKS)
def cell(request):
    return simcells.make(f"task={request.param}")


def tip_stands(cell, position, rotation_vector=(0.0, 0.0, 0.0)):
    """Put the true tip at a pose in the target's frame; return whether that is a success."""
    pose = cell.task.to_tcp(Pose.from_rotation_vector(rotation_vector, position), View.TRUTH)
    simcells.stand(cell, pose, cell.task.grasp_width_m)
    return cell.task.is_success()


# ------------------------------------------------------------------------------------------- drawing


def test_two_hundred_starts_can_be_reached_and_lie_in_their_ranges(cell):
    task, scene, episode = cell.task, cell.task.config, cell.env.config
    nominal = task.nominal_target()
    seen, tips = [], []
    for seed in range(200):
        start = task.arrange(seed)
        joints = solve_joints(cell.simulation.model, start)
        assert (joints > franka.JOINT_LOWER).all()
        assert (joints < franka.JOINT_UPPER).all()
        assert (start.position > episode.box_lower_m).all(), "a start outside the workspace"
        assert (start.position < episode.box_upper_m).all()
        offset = task.target.position - nominal
        yaw = np.arctan2(task.target.rotation[1, 0], task.target.rotation[0, 0])
        np.testing.assert_allclose(task.target.rotation[:, 2], [0, 0, -1], atol=1e-9)
        tip = task.target.inverse() @ start @ task.nominal_tip()
        assert np.abs(offset[:2]).max() <= scene.target_position_range_m + 1e-12
        assert offset[2] == pytest.approx(0.0, abs=1e-12)
        assert abs(yaw) <= scene.target_yaw_range_rad + 1e-9
        assert np.abs(tip.position[:2]).max() <= scene.start_lateral_range_m + 1e-9
        assert scene.start_height_range_m[0] - 1e-9 <= -tip.position[2] <= scene.start_height_range_m[1] + 1e-9
        assert np.abs(tip.rotation_vector).max() <= scene.start_tilt_range_rad + 1e-9
        seen.append([*offset[:2], yaw])
        tips.append([*tip.position, *tip.rotation_vector])
    spread = np.max(seen, axis=0) - np.min(seen, axis=0)
    wanted = 2 * np.array([scene.target_position_range_m, scene.target_position_range_m, scene.target_yaw_range_rad])
    assert (spread > 0.9 * wanted).all(), "the whole range is used"
    assert (np.ptp(tips, axis=0)[:2] > 1.8 * scene.start_lateral_range_m).all()


def test_the_start_touches_nothing(cell):
    for seed in range(5):
        cell.env.reset(seed=seed)
        mujoco.mj_forward(cell.simulation.model, cell.simulation.data)
        simcells.sleep(cell, 0.2)
        if cell.task.name == "pick_cube":
            continue  # the cube lies on its table
        np.testing.assert_array_equal(cell.env.robot.arm.state().tcp_wrench, 0.0)


def test_nothing_is_solved_at_the_start(cell):
    for seed in range(20):
        cell.env.reset(seed=seed)
        assert not cell.task.is_success()


def test_estimate_errors_stay_in_their_range_and_use_it(cell):
    scene = cell.task.config
    errors = []
    for seed in range(100):
        cell.task.arrange(seed)
        error = cell.task.target.inverse() @ cell.task.estimated_target_pose
        errors.append([*error.position, *error.rotation_vector])
    largest = np.abs(errors).max(axis=0)
    limit = np.array([scene.estimate_position_error_m] * 3 + [0.0, 0.0, scene.estimate_yaw_error_rad])
    assert (largest <= limit + 1e-9).all()
    assert (largest >= 0.9 * limit).all()


def test_the_estimate_error_is_the_same_for_the_whole_episode(cell):
    cell.env.reset(seed=5)
    errors, generator = [], np.random.default_rng(0)
    for _ in range(6):
        cell.env.step(generator.uniform(-1, 1, cell.env.action_map.action_size))
        estimated = cell.task.estimated_target_pose
        error = cell.task.target.inverse() @ estimated
        errors.append([*error.position, *error.rotation_vector])
    np.testing.assert_allclose(np.ptp(errors, axis=0), 0.0, atol=1e-9)


def test_the_policy_is_told_the_nominal_tip_in_the_estimated_target(cell):
    first = cell.env.reset(seed=2)
    told = cell.task.estimated_target_pose @ Pose.from_rotation_vector(
        first.observation.proprio["task"][3:], first.observation.proprio["task"][:3]
    )
    truth = cell.simulation.tcp_pose() @ Pose(np.array([0.0, 0.0, cell.task.tool_length_m]))
    metres, radians = distance(told, truth)
    assert metres < 1e-6
    assert radians < 1e-5


@pytest.mark.parametrize("name", INSERTIONS)
def test_the_grasp_is_off_within_its_range_and_the_part_is_where_the_truth_says(name):
    cell = simcells.make(f"task={name}")
    scene, largest = cell.task.config, np.zeros(6)
    for seed in range(30):
        cell.env.reset(seed=seed)
        error = (cell.task.true_tip() @ cell.task.nominal_tip().inverse()).to_vector()
        error = (cell.simulation.tcp_pose().inverse() @ cell.simulation.body_pose(cell.task.tool_body)).to_vector()
        part = cell.simulation.body_pose(cell.task.tool_body) @ cell.task.nominal_tip()
        metres, radians = distance(part, cell.simulation.tcp_pose() @ cell.task.true_tip())
        assert metres < 1e-9
        assert radians < 1e-6
        largest = np.maximum(largest, np.abs(error))
    assert (largest[:3] <= scene.in_hand_position_error_m + 1e-9).all()
    assert (largest[:3] >= 0.8 * scene.in_hand_position_error_m).all()
    assert (largest[3:] <= scene.in_hand_rotation_error_rad + 1e-6).all()


def test_reach_tells_the_truth():
    cell = simcells.make("task=reach")
    cell.env.reset(seed=0)
    assert cell.task.estimated_target_pose.is_close(cell.task.target, 1e-12, 1e-7)


# ------------------------------------------------------------------------------------------- success


@pytest.mark.parametrize("name", INSERTIONS)
def test_an_insertion_succeeds_at_depth_in_the_hole_and_nowhere_else(name):
    cell = simcells.make(f"task={name}")
    cell.env.reset(seed=1)
    depth = cell.task.success_depth_m
    assert tip_stands(cell, (0.0, 0.0, depth + 0.0003))
    assert not tip_stands(cell, (0.0, 0.0, depth - 0.0005)), "not deep enough"
    assert not tip_stands(cell, (0.0, 0.0, -0.001)), "above the hole"
    assert not tip_stands(cell, (0.0, 0.0, -depth - 0.001)), "the sign of depth"
    for side in ((0.05, 0.0), (0.0, 0.06), (-0.045, -0.045), (0.004, 0.0), (0.0, -0.0035)):
        assert not tip_stands(cell, (*side, depth + 0.0005)), "beside the hole at depth"


@pytest.mark.parametrize("name", INSERTIONS)
def test_an_insertion_upside_down_is_no_success(name):
    cell = simcells.make(f"task={name}")
    cell.env.reset(seed=1)
    inside = cell.task.target @ Pose(np.array([0.0, 0.0, cell.task.success_depth_m + 0.001]))
    above = Pose(inside.position + [0.0, 0.0, 2.0 * cell.task.success_depth_m + 0.04], inside.quaternion)
    simcells.stand(cell, above @ cell.task.true_tip().inverse(), cell.task.grasp_width_m)
    assert not cell.task.is_success()


def test_pushing_the_peg_down_beside_its_block_or_on_the_rim_is_no_success():
    cell = simcells.make("task=peg")
    for seed, side in enumerate(((0.012, 0.0), (0.0, -0.012), (0.06, 0.0))):
        cell.env.reset(seed=seed)
        tip_stands(cell, (*side, -0.004))
        simcells.push_to(cell, cell.task.to_tcp(Pose(np.array([*side, 0.04])), View.TRUTH), 1.0)
        assert not cell.task.is_success()


def test_the_hole_is_a_hole_and_its_block_is_solid():
    cell = simcells.make("task=peg")
    cell.env.reset(seed=0)
    tip_stands(cell, (0.0, 0.0, -0.002))
    simcells.push_to(cell, cell.task.to_tcp(Pose(np.array([0.0, 0.0, 0.022])), View.TRUTH), 1.5)
    assert cell.task.is_success()
    tip_stands(cell, (0.02, 0.0, -0.002))
    simcells.push_to(cell, cell.task.to_tcp(Pose(np.array([0.02, 0.0, 0.022])), View.TRUTH), 1.5)
    assert cell.task.tip_in_target(View.TRUTH).position[2] < 0.001


@pytest.mark.parametrize(
    ("position", "rotation", "is_success"),
    [
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), True),
        ((0.0039, 0.0, 0.0), (0.0, 0.0, 0.0), True),
        ((0.0, 0.0, -0.0042), (0.0, 0.0, 0.0), False),
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.039), True),
        ((0.0, 0.0, 0.0), (0.0, 0.041, 0.0), False),
        ((0.003, 0.003, 0.0), (0.0, 0.0, 0.0), False),
    ],
)
def test_reach_succeeds_within_its_tolerance(position, rotation, is_success):
    cell = simcells.make("task=reach")
    cell.env.reset(seed=0)
    assert tip_stands(cell, position, rotation) is is_success


def test_a_cube_is_picked_when_it_is_up_not_when_the_hand_is():
    cell = simcells.make("task=pick_cube")
    cell.env.reset(seed=0)
    simcells.stand(cell, cell.task.to_tcp(Pose(np.array([0.0, 0.0, -0.2])), View.TRUTH), 0.0)
    assert not cell.task.is_success()
    lifted = cell.simulation.body_pose("cube")
    for height, is_success in ((0.079, False), (0.081, True)):
        pose = Pose(np.array([*lifted.position[:2], 0.02 + height]), lifted.quaternion)
        cell.simulation.set_free_body_pose("cube_free", pose)
        assert cell.task.is_success() is is_success


def test_the_cubes_estimate_follows_the_cube():
    cell = simcells.make(
        "task=pick_cube", "task.scene.estimate_position_error_m=0", "task.scene.estimate_yaw_error_rad=0"
    )
    cell.env.reset(seed=0)
    moved = Pose.from_rotation_vector([0.0, 0.0, 0.3], [0.52, -0.05, 0.02])
    cell.simulation.set_free_body_pose("cube_free", moved)
    told = cell.task.estimated_target_pose
    np.testing.assert_allclose(told.position, moved.position, atol=1e-9)
    np.testing.assert_allclose(told.rotation[:, 0], moved.rotation[:, 0], atol=1e-9)


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("face", [(0, 0, 0), (np.pi / 2, 0, 0), (0, -np.pi / 2, 0), (np.pi, 0, 0)])
def test_of_a_cubes_orientation_only_the_yaw_within_a_quarter_matters(face, quarters):
    cell = simcells.make("task=pick_cube")
    turned = Pose.from_rotation_vector([0.0, 0.0, 0.2 + quarters * np.pi / 2], [0.5, 0.0, 0.02])
    cell.simulation.set_free_body_pose("cube_free", turned @ Pose.from_rotation_vector(face))
    target, _ = cell.task.seen(View.TRUTH)
    np.testing.assert_allclose(target.rotation[:, 2], [0, 0, -1], atol=1e-9)
    assert np.arctan2(target.rotation[1, 0], target.rotation[0, 0]) == pytest.approx(0.2, abs=1e-6)


# ------------------------------------------------------------------------------------------- the latch


def test_the_latch_waits_where_its_travel_begins():
    cell = simcells.make("task=plug")
    cell.env.reset(seed=0)
    simcells.sleep(cell, 1.0)
    assert float(cell.simulation.data.joint("latch").qpos[0]) == pytest.approx(0.0, abs=2e-4)
    assert cell.task.latch_force_n() == pytest.approx(7.0, abs=0.2)


def test_the_latch_resists_with_seven_to_ten_newtons():
    cell = simcells.make(
        "task=plug", "task.scene.in_hand_position_error_m=0", "task.scene.in_hand_rotation_error_rad=0"
    )
    cell.env.reset(seed=0)
    tip_stands(cell, (0.0, 0.0, 0.006))
    rest = []
    for goal_mm in np.arange(7.0, 20.0, 0.5):
        simcells.push_to(cell, cell.task.to_tcp(Pose(np.array([0.0, 0.0, goal_mm / 1000])), View.TRUTH), 1.0)
        depth_m = float(cell.task.tip_in_target(View.TRUTH).position[2])
        force_n = float(cell.env.robot.arm.state().tcp_wrench[2])
        rest.append((depth_m, force_n))
        if cell.task.is_success():
            break
        if depth_m > 0.0092:
            assert force_n == pytest.approx(7.0 + 1000.0 * (depth_m - 0.009), abs=0.5)
            assert cell.task.latch_force_n() == pytest.approx(force_n, abs=0.5)
    before = [force for depth, force in rest if depth < 0.0085]
    assert len(before) >= 2
    assert np.abs(before).max() < 0.5, "free until the latch"
    assert cell.task.is_success()
    assert all(6.8 < force < 11.0 for depth, force in rest if depth > 0.0092)


def test_let_go_the_latch_pushes_the_plug_out():
    cell = simcells.make("task=plug")
    cell.env.reset(seed=0)
    tip_stands(cell, (0.0, 0.0, 0.0115))
    cell.env.robot.arm.set_impedance("compliant")
    simcells.sleep(cell, 0.5)
    assert cell.task.tip_in_target(View.TRUTH).position[2] < 0.0112


# ------------------------------------------------------------------------------------------- names, errors


def test_an_unknown_task_is_answered_with_the_known_ones():
    with pytest.raises(UnknownNameError, match="peg, pick_cube, plug, reach"):
        make_task("welding", SceneConfig())


def test_every_task_is_known_by_its_name():
    assert {name: task.name for name, task in TASKS.items()} == {name: name for name in TASKS}


def test_an_impossible_scene_says_so():
    cell = simcells.make("task=peg", "task.scene.start_height_range_m=[2.0,3.0]")
    with pytest.raises(UnreachableError, match="cannot reach"):
        cell.env.reset(seed=0)


@pytest.mark.parametrize("clearance_m", [0.0002, 0.0005, 0.002])
def test_the_clearance_is_what_was_asked_for(clearance_m):
    cell = simcells.make("task=peg", f"task.scene.clearance_m={clearance_m}", "task.scene.in_hand_position_error_m=0",
                         "task.scene.in_hand_rotation_error_rad=0")  # fmt: skip
    cell.env.reset(seed=0)
    model, data = cell.simulation.model, cell.simulation.data

    def deepest(offset):
        tip_stands(cell, (offset, 0.0, 0.01))
        mujoco.mj_forward(model, data)
        return min([c.dist for c in data.contact], default=0.0)

    assert deepest(0.9 * clearance_m) == 0.0
    assert deepest(-0.9 * clearance_m) == 0.0
    assert deepest(clearance_m + 0.0001) == pytest.approx(-0.0001, abs=2e-5)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("task.scene.clearance_m=-0.001", "clearance_m must be positive, got -0.001"),
        ("task.scene.clearance_m=0", "clearance_m must be positive"),
        ("task.scene.estimate_position_error_m=-1", "estimate_position_error_m must not be negative"),
        ("task.scene.start_height_range_m=[0.06,0.03]", "lowest, highest"),
    ],
)
def test_an_impossible_scene_is_a_clear_error(word, expected):
    with pytest.raises(ConfigError, match=expected):
        simcells.make("task=peg", word)


# --------------------------------------------------------------------------------------- displacement


def test_what_the_task_is_about_can_be_bumped_into(cell):
    task = cell.task
    task.arrange(5)
    before, _ = task.seen(View.TRUTH)
    told = task.estimated_target_pose
    task.displace((0.01, -0.02), 0.1)
    after, _ = task.seen(View.TRUTH)
    np.testing.assert_allclose(after.position - before.position, [0.01, -0.02, 0.0], atol=1e-9)
    turned = after.rotation @ before.rotation.T
    np.testing.assert_allclose(Pose.from_matrix(turned, np.zeros(3)).rotation_vector, [0.0, 0.0, 0.1], atol=1e-9)
    error, error_before = after.inverse() @ task.estimated_target_pose, before.inverse() @ told
    np.testing.assert_allclose(error.to_vector(), error_before.to_vector(), atol=1e-9)  # the policy is told
