"""Determinism, save and restore, blow-ups, and the sign and size of what the robot feels."""

import mujoco
import numpy as np
import pytest

from robot_rl.geometry import Pose
from robot_rl.sim.kinematics import solve_joints
from robot_rl.sim.tasks.task import View
from robot_rl.types import Reason, Source
from tests import simcells
from tests.contracts import EnvContract, assert_near

DOWN = np.array([1.0, 0.0, 0.0, 0.0])
TABLE_STIFFNESS_N = 2000.0 * 0.008
"""What the preset `insertion` pushes down with at most."""


class SimEnvContract(EnvContract):
    overrides = ("task=reach",)
    steps = 6

    @pytest.fixture
    def make_env(self):
        return lambda: simcells.make(*self.overrides).env


class TestReach(SimEnvContract):
    overrides = ("task=reach", "task.episode.step_limit=10")


class TestPegWithSilentPerson(SimEnvContract):
    overrides = ("task=peg", "teleop=human", "teleop.human.patience_s=99", "task.episode.step_limit=10")


class TestPickCubeWithPixels(SimEnvContract):
    overrides = ("task=pick_cube", "robot.cameras=[wrist]", "robot.image_size=32", "task.episode.step_limit=8")


class TestPlugWithScriptedReset(SimEnvContract):
    overrides = ("task=plug", "reset=scripted", "task.episode.step_limit=8")
    same_seed_is_exact = False  # the arm arrives at the start from where it was


def state_of(cell):
    """Everything that a continuation depends on and that a policy or a test could see."""
    simulation = cell.simulation
    arm = cell.env.robot.arm.state()
    return np.concatenate(
        [
            simulation.data.qpos,
            simulation.data.qvel,
            arm.joint_torques,
            arm.tcp_wrench,
            np.frombuffer(simulation.law.save(), np.uint8),
        ]
    )


def trajectory(cell, steps=15, seed=1):
    generator = np.random.default_rng(seed)
    out = []
    for _ in range(steps):
        time_step = cell.env.step(generator.uniform(-1, 1, cell.env.action_map.action_size))
        out.append(np.concatenate([simcells.flat(time_step), state_of(cell)]))
        if time_step.is_last:
            break
    return np.array(out)


# ------------------------------------------------------------------------------------------- determinism


@pytest.mark.parametrize("task", ["peg", "plug", "pick_cube"])
def test_a_seed_gives_the_same_trajectory_bit_for_bit(task):
    one, other = simcells.make(f"task={task}"), simcells.make(f"task={task}")
    runs = []
    for cell in (one, one, other):
        cell.env.reset(seed=4)
        runs.append(trajectory(cell))
    assert runs[0].tobytes() == runs[1].tobytes() == runs[2].tobytes()


def test_a_reset_leaves_nothing_of_the_episode_before():
    """The plug's latch was pressed at the end of a success; the next episode must find it as a fresh one does."""
    used, fresh = simcells.make("task=plug", "teleop=expert"), simcells.make("task=plug", "teleop=expert")
    assert simcells.play(used, 0)[0]
    used.env.reset(seed=7)
    fresh.env.reset(seed=7)
    np.testing.assert_array_equal(used.simulation.data.qpos, fresh.simulation.data.qpos)
    np.testing.assert_array_equal(used.simulation.data.qvel, fresh.simulation.data.qvel)


def test_how_time_is_cut_into_pieces_does_not_matter():
    """A device is read a hundred times a second: reading alone must not change the physics."""
    whole, pieces = simcells.make("task=peg"), simcells.make("task=peg", "teleop=human", "teleop.human.patience_s=99")
    runs = []
    for cell in (whole, pieces):
        cell.env.reset(seed=4)
        runs.append(trajectory(cell, 8))
    assert runs[0].tobytes() == runs[1].tobytes()


# ------------------------------------------------------------------------------------------- save and restore


def push_peg_onto_the_rim(cell, seed=3):
    """In the middle of a contact: wrench filter charged, law clipped, gains on their way to another preset."""
    cell.env.reset(seed=seed)
    rim = cell.task.to_tcp(Pose(np.array([0.012, 0.0, -0.003])), View.TRUTH)
    simcells.stand(cell, rim, cell.task.grasp_width_m)
    cell.env._reading = cell.env.robot.observe()
    for _ in range(6):
        cell.env.step([0.2, 0.1, 1.0, 0.0, 0.1, 0.0])
    assert cell.env.robot.arm.state().tcp_wrench[2] > 5.0


def continue_(cell, steps=40):
    """Drive the devices only, so that nothing but the simulation decides what happens."""
    generator, out = np.random.default_rng(9), []
    arm = cell.env.robot.arm
    for _ in range(steps):
        arm.set_equilibrium_pose(
            arm.state().tcp_pose @ Pose.from_rotation_vector(*(generator.uniform(-1, 1, (2, 3)) * 0.01)),
            cell.env.clock.now_ns(),
        )
        simcells.sleep(cell, 0.013)
        out.append(state_of(cell))
    return np.array(out)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same object", "new object"])
@pytest.mark.parametrize("preset", ["insertion", "compliant"])
def test_a_restored_simulation_continues_bit_for_bit(elsewhere, preset):
    cell = simcells.make("task=peg")
    push_peg_onto_the_rim(cell)
    cell.env.robot.arm.set_impedance(preset)
    simcells.sleep(cell, 0.02)
    saved = cell.simulation.save()
    now_ns = cell.env.clock.now_ns()
    expected = continue_(cell)
    if elsewhere:
        cell = simcells.make("task=peg")
        cell.env.reset(seed=99)
    else:
        cell.env.reset(seed=99)
        cell.env.robot.arm.set_impedance("serl")
    cell.simulation.restore(saved)
    assert cell.env.clock.now_ns() == now_ns
    assert continue_(cell).tobytes() == expected.tobytes()


def test_restoring_brings_back_where_things_stand_and_why_the_arm_stopped():
    cell = simcells.make("task=peg")
    untouched = cell.simulation.save()
    hole = cell.simulation.body_pose("hole")
    cell.env.reset(seed=0)
    arranged = cell.simulation.body_pose("hole")
    cell.env.robot.stop(Reason.WRENCH, "61 N")
    stopped = cell.simulation.save()
    cell.simulation.restore(untouched)
    assert_near(cell.simulation.body_pose("hole"), hole, 0.0, 1e-9)
    assert cell.env.robot.arm.state().stop is None
    cell.simulation.restore(stopped)
    assert_near(cell.simulation.body_pose("hole"), arranged, 0.0, 1e-9)
    assert cell.env.robot.arm.state().stop.detail == "61 N"


def test_a_snapshot_does_not_change_with_what_follows():
    cell = simcells.make("task=reach")
    saved = cell.simulation.save()
    before = (saved.physics.copy(), saved.torque.copy(), saved.wrench.copy())
    cell.env.reset(seed=0)
    trajectory(cell, 3)
    for old, now in zip(before, (saved.physics, saved.torque, saved.wrench), strict=True):
        np.testing.assert_array_equal(old, now)


# ------------------------------------------------------------------------------------------- blow-ups


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e15])
@pytest.mark.parametrize("task", ["reach", "pick_cube"])
def test_physics_that_blow_up_stop_the_arm_with_a_reason(task, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes its warnings there
    cell = simcells.make(f"task={task}")
    cell.env.reset(seed=0)
    cell.env.step(np.zeros(cell.env.action_map.action_size))
    before = cell.env.robot.arm.state()
    cell.simulation.data.qvel[-1 if task == "pick_cube" else 2] = value
    last = cell.env.step(np.full(cell.env.action_map.action_size, 0.5))
    assert last.is_last
    assert last.discount == 1.0
    cell.env.spec.observation.validate(last.observation)
    state = cell.env.robot.arm.state()
    assert state.stop.reason is Reason.UNSTABLE
    np.testing.assert_allclose(state.joint_positions, before.joint_positions, atol=1e-9)
    assert np.isfinite(cell.simulation.peak_force).all()
    simcells.sleep(cell, 0.3)  # stopped, it goes on living
    assert np.isfinite(cell.simulation.data.qpos).all()
    assert_near(cell.env.robot.arm.state().tcp_pose, before.tcp_pose, 2e-3, 0.02)
    cell.env.robot.arm.recover()
    cell.env.reset(seed=0)
    fresh = simcells.make(f"task={task}")
    fresh.env.reset(seed=0)
    assert trajectory(cell, 4).tobytes() == trajectory(fresh, 4).tobytes()


# ------------------------------------------------------------------------------------------- rest and wrench


@pytest.mark.parametrize("position", [(0.5, 0.0, 0.2), (0.4, 0.25, 0.1), (0.62, -0.2, 0.35)])
def test_an_arm_at_rest_stays_and_feels_nothing(position):
    """Gravity is compensated, also that of the part in the hand."""
    cell = simcells.make("task=peg")
    pose = Pose(np.array(position), DOWN)
    simcells.stand(cell, pose, cell.task.grasp_width_m)
    simcells.sleep(cell, 3.0)
    state = cell.env.robot.arm.state()
    assert_near(state.tcp_pose, pose, 1e-4, 1e-3)
    np.testing.assert_array_equal(state.tcp_wrench, 0.0)
    assert np.abs(state.joint_torques).max() < 0.5


def test_in_free_motion_the_wrench_is_exactly_zero():
    cell = simcells.make("task=reach")
    cell.env.reset(seed=0)
    generator = np.random.default_rng(0)
    for _ in range(10):
        time_step = cell.env.step(generator.uniform(-1, 1, 6) * [1, 1, 0, 1, 1, 1])
        np.testing.assert_array_equal(time_step.observation.proprio["tcp_force"], 0.0)
        np.testing.assert_array_equal(time_step.observation.proprio["tcp_torque"], 0.0)


def contact_wrench(simulation):
    """Wrench of the hand on the world about the TCP in TCP axes, summed from MuJoCo's contacts one by one."""
    model, data = simulation.model, simulation.data
    mujoco.mj_forward(model, data)
    hand = model.body("hand").id

    def is_hand(body):
        while body not in (0, hand):
            body = model.body_parentid[body]
        return body == hand

    force, torque, orders = np.zeros(3), np.zeros(3), set()
    tcp = data.site("tcp").xpos
    for index in range(data.ncon):
        contact, local = data.contact[index], np.zeros(6)
        first, second = (is_hand(model.geom_bodyid[geom]) for geom in (contact.geom1, contact.geom2))
        if first == second:
            continue
        mujoco.mj_contactForce(model, data, index, local)
        axes = contact.frame.reshape(3, 3).T
        sign = 1.0 if first else -1.0  # MuJoCo's force is what the first geom does to the second
        force += sign * axes @ local[:3]
        torque += sign * (axes @ local[3:] + np.cross(contact.pos - tcp, axes @ local[:3]))
        if local[0] > 0.5:
            orders.add(first)
    rotation = data.site("tcp").xmat.reshape(3, 3)
    return np.concatenate([rotation.T @ force, rotation.T @ torque]), orders


def press_fingers_on_table(cell):
    simcells.stand(cell, Pose(np.array([0.5, 0.1, 0.015]), DOWN))
    simcells.push_to(cell, Pose(np.array([0.5, 0.1, -0.05]), DOWN), 1.5)


def test_pressing_on_the_table_pushes_with_stiffness_times_clip():
    cell = simcells.make("task=reach")
    press_fingers_on_table(cell)
    wrench = cell.env.robot.arm.state().tcp_wrench
    # the tool's z points down, and the robot pushes the table down: positive; friction keeps a little of it
    assert wrench[2] == pytest.approx(TABLE_STIFFNESS_N, rel=0.05)


@pytest.mark.parametrize("tilt", [(0.0, 0.0, 0.0), (0.2, 0.0, 0.0), (0.0, -0.2, 0.5)])
def test_the_wrench_is_in_tool_axes(tilt):
    cell = simcells.make("task=reach")
    tilted = Pose(np.array([0.5, 0.1, 0.02]), DOWN) @ Pose.from_rotation_vector(tilt)
    simcells.stand(cell, tilted)
    simcells.push_to(cell, Pose(tilted.position - [0, 0, 0.05], tilted.quaternion), 1.5)
    force = cell.env.robot.arm.state().tcp_wrench[:3]
    force_base = cell.simulation.tcp_pose().rotation @ force
    assert force_base[2] < -0.9 * TABLE_STIFFNESS_N
    np.testing.assert_allclose(force, contact_wrench(cell.simulation)[0][:3], atol=0.2)


@pytest.mark.parametrize("offset", [(0.02, 0.0), (0.0, 0.02), (-0.02, -0.015)])
def test_an_off_centre_contact_gives_the_right_torque_about_the_tcp(offset):
    cell = simcells.make("task=peg")
    cell.env.reset(seed=0)
    start = cell.task.to_tcp(Pose(np.array([*offset, -0.003])), View.TRUTH)
    simcells.stand(cell, start, cell.task.grasp_width_m)
    simcells.push_to(cell, start @ Pose(np.array([0.0, 0.0, 0.05])), 1.5)
    measured = cell.env.robot.arm.state().tcp_wrench
    expected, _ = contact_wrench(cell.simulation)
    assert measured[2] > 10.0
    np.testing.assert_allclose(measured[:3], expected[:3], atol=0.3)
    np.testing.assert_allclose(measured[3:], expected[3:], atol=0.02)


def test_a_sideways_push_has_a_lever():
    """The peg's tip, 40 mm below the TCP, against the wall of the hole: force times lever, by hand."""
    cell = simcells.make("task=peg", "task.scene.in_hand_position_error_m=0", "task.scene.in_hand_rotation_error_rad=0")
    cell.env.reset(seed=0)
    inside = cell.task.to_tcp(Pose(np.array([0.0, 0.0, 0.004])), View.TRUTH)
    simcells.stand(cell, inside, cell.task.grasp_width_m)
    simcells.push_to(cell, inside @ Pose(np.array([0.05, 0.0, 0.0])), 1.5)
    wrench = cell.env.robot.arm.state().tcp_wrench
    assert wrench[0] > 8.0
    # torque = r x f: the wall touches between 36 and 40 mm along z, so about y it is z times the force along x
    lever_m = (wrench[4] + wrench[2] * 0.008) / wrench[0]
    assert 0.03 < lever_m < 0.05


def test_the_sign_does_not_depend_on_how_mujoco_orders_geoms():
    """The table's geom comes before the hand's, that of a fixture after: the robot pushes down in both cases."""
    orders = []
    for touch in ("table", "fixture"):
        cell = simcells.make("task=peg")
        cell.env.reset(seed=0)
        if touch == "table":
            start = Pose(np.array([0.4, 0.2, 0.043]), DOWN)
        else:
            start = cell.task.to_tcp(Pose(np.array([0.02, 0.0, -0.003])), View.TRUTH)
        simcells.stand(cell, start, cell.task.grasp_width_m)
        simcells.push_to(cell, start @ Pose(np.array([0.0, 0.0, 0.05])), 1.5)
        expected, order = contact_wrench(cell.simulation)
        orders.append(order)
        assert cell.env.robot.arm.state().tcp_wrench[2] == pytest.approx(expected[2], abs=0.3)
        assert expected[2] > 10.0
    assert orders == [{False}, {True}], "the scene no longer holds both orders: the test tests nothing"


def test_holding_a_cube_is_felt_as_its_weight():
    cell = simcells.make("task=pick_cube", "teleop=expert")
    assert simcells.play(cell, 0)[0]
    simcells.push_to(cell, cell.simulation.tcp_pose(), 1.0)
    force_base = cell.simulation.tcp_pose().rotation @ cell.env.robot.arm.state().tcp_wrench[:3]
    np.testing.assert_allclose(force_base, [0.0, 0.0, 0.1 * 9.81], atol=0.1)


@pytest.mark.parametrize(
    "overrides",
    [
        ("task=peg",),
        ("task=pick_cube",),
        ("task=peg", "teleop=human", "teleop.human.patience_s=0.3", "teleop.human.reaction_s=0.035"),
    ],
    ids=["peg", "pick_cube", "person"],
)
def test_what_is_stored_is_what_the_simulated_robot_executed(overrides):
    """Law 1 in the simulator: from the stored action alone follows where the spring's rest pose went.

    Random corners of the action box, so that the speed limits of safety filter and impedance law both matter.
    """
    cell = simcells.make(*overrides)
    cell.env.reset(seed=0)
    action_map, generator, sources = cell.env.action_map, np.random.default_rng(0), set()
    for _ in range(40):
        reference = cell.simulation.tcp_pose()
        time_step = cell.env.step(generator.uniform(-1.5, 1.5, action_map.action_size))
        expected = action_map.to_pose(time_step.applied_action, reference)
        # the cone comes after the speed limit, and may turn the tool a hair faster than the law follows
        assert_near(cell.simulation.law.shaped_target, expected, 1e-6, 2e-4)
        sources.add(time_step.source)
    assert sources == ({Source.POLICY, Source.HUMAN} if len(overrides) > 1 else {Source.POLICY})


def test_stopping_in_contact_lets_go():
    cell = simcells.make("task=reach")
    press_fingers_on_table(cell)
    assert cell.env.robot.arm.state().tcp_wrench[2] > 12.0
    cell.env.robot.stop(Reason.WRENCH, "enough")
    simcells.sleep(cell, 0.5)
    assert cell.env.robot.arm.state().tcp_wrench[2] < 6.0


def push_far_beyond_the_table(cell, preset):
    """The target is 0.3 m below the touch: seconds away at the speed that a target moves with."""
    cell.env.robot.arm.set_impedance(preset)
    simcells.stand(cell, Pose(np.array([0.5, 0.1, 0.012]), DOWN))
    simcells.push_to(cell, Pose(np.array([0.5, 0.1, -0.004]), DOWN), 4.0)
    simcells.push_to(cell, Pose(np.array([0.5, 0.1, -0.3]), DOWN), 2.0)
    return cell.env.robot.arm


@pytest.mark.parametrize("preset", ["insertion", "precision"])
def test_a_stop_takes_a_push_away_at_once_and_without_a_jump(preset):
    cell = simcells.make("task=reach")
    arm = push_far_beyond_the_table(cell, preset)
    pushed_n = arm.state().tcp_wrench[2]
    assert pushed_n > 12.0
    arm.stop(Reason.REQUESTED, "enough")
    step_nm = cell.simulation.law.parameters.torque_step_nm
    for _ in range(150):
        before = arm.state().joint_torques
        simcells.sleep(cell, 0.001)
        assert np.abs(arm.state().joint_torques - before).max() <= step_nm + 1e-9
    assert arm.state().tcp_wrench[2] < 0.2 * pushed_n


@pytest.mark.parametrize("verb", ["stop", "recover"])
def test_what_had_added_up_before_a_stop_or_a_recovery_pushes_no_more(verb):
    cell = simcells.make("task=reach")
    arm = push_far_beyond_the_table(cell, "precision")
    integral = cell.simulation.law.state_record["integral_wrench"]
    assert np.abs(integral).max() > 1.0, "there is nothing to take away"
    getattr(arm, verb)()
    np.testing.assert_array_equal(integral, 0.0)
    simcells.sleep(cell, 1.0)
    assert np.linalg.norm(arm.state().tcp_wrench[:3]) < 6.0


@pytest.mark.filterwarnings("ignore")  # MuJoCo has much to say about such a scene
def test_the_arm_must_come_first_in_the_scene(tmp_path, monkeypatch):
    from robot_rl.sim.simulation import Simulation
    from robot_rl.sim.workcell import make_workcell_spec

    monkeypatch.chdir(tmp_path)  # where MuJoCo writes its log
    spec = mujoco.MjSpec()
    ball = spec.worldbody.add_body(name="ball")
    ball.add_freejoint(name="ball_free")
    ball.add_geom(size=[0.01, 0, 0])
    frame = spec.worldbody.add_frame()
    spec.attach(make_workcell_spec(), frame=frame, prefix="")
    with pytest.raises(ValueError, match="first"):
        Simulation(spec)


def test_a_restored_robot_stands_where_it_was_placed():
    cell = simcells.make("task=reach")
    pose = Pose(np.array([0.45, 0.1, 0.3]), DOWN)
    cell.simulation.place_robot(solve_joints(cell.simulation.model, pose), 0.03)
    assert_near(cell.simulation.tcp_pose(), pose, 1e-5, 1e-5)
    assert cell.simulation.width_m == pytest.approx(0.03)
