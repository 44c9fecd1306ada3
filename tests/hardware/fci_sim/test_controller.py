"""The robot's controller without a wire: how motions begin and end, what stops them, and what clears it."""

import mujoco
import numpy as np
import pytest
from robot_rl_hardware.fci_sim import limits
from robot_rl_hardware.fci_sim.controller import RobotController
from robot_rl_hardware.fci_sim.plant import PERIOD_S, make_plant
from robot_rl_hardware.fci_sim.vocabulary import ROBOT_ERRORS, Controller, Generator, Request, RobotMode, Status
from robot_rl_hardware.fci_sim.wire import FR3

from robot_rl.geometry import Pose
from robot_rl.sim import franka
from robot_rl.sim.kinematics import solve_joints
from robot_rl.sim.tasks.task import TOOL_DOWN


@pytest.fixture
def robot():
    return RobotController(make_plant("table", 0))


def command(**fields):
    record = np.zeros(1, FR3.command)[0]
    for name, value in fields.items():
        record[name] = value
    return record


def torques(value):
    return command(tau_J_d=np.broadcast_to(value, 7))


def start(robot, generator=Generator.NONE):
    controller = Controller.EXTERNAL if generator is Generator.NONE else Controller.JOINT_IMPEDANCE
    assert robot.start(controller, generator) is Status.STARTED


def errors_of(robot):
    return [name for name, is_set in zip(ROBOT_ERRORS, robot.errors, strict=True) if is_set]


def stopped_by(robot, step):
    """Errors in force after `step` has ended the motion by a reflex."""
    assert step is Status.REFLEX
    assert robot.mode is RobotMode.REFLEX
    assert (robot.last_errors == robot.errors).all()
    return errors_of(robot)


# ------------------------------------------------------------------------------------ motions


def test_a_millisecond_passes_for_every_command(robot):
    start(robot)
    before = robot.clock_ms
    assert [robot.step(torques(0.0)) for _ in range(5)] == [None] * 5
    assert (robot.clock_ms, robot.cycle_count) == (before + 5, 5)


def test_gravity_is_compensated(robot):
    start(robot)
    for _ in range(500):
        robot.step(torques(0.0))
    np.testing.assert_allclose(robot.plant.positions, franka.HOME_JOINTS, atol=1e-6)


def test_a_torque_turns_its_joint(robot):
    start(robot)
    for tick in range(200):
        robot.step(command(tau_J_d=[0.0] * 6 + [min(0.1 * tick, 1.0)]))
    moved = robot.plant.positions - franka.HOME_JOINTS
    assert moved[6] > 0.05
    assert np.abs(moved[:6]).max() < 0.1 * moved[6]


def test_a_motion_ends_when_the_client_says_so_and_the_arm_holds(robot):
    start(robot)
    for tick in range(100):
        robot.step(command(tau_J_d=[0.0] * 6 + [min(0.1 * tick, 1.0)]))
    clock_ms = robot.clock_ms
    assert robot.step(command(tau_J_d=np.zeros(7), torque_command_finished=True)) is Status.SUCCESS
    assert robot.mode is RobotMode.IDLE
    assert robot.clock_ms == clock_ms + 1
    at_the_end = robot.plant.positions.copy()
    robot.settle()
    assert robot.plant.is_at_rest()
    np.testing.assert_allclose(robot.plant.positions, at_the_end, atol=0.02)


def test_the_end_of_a_motion_does_not_pull_the_arm_back(robot):
    start(robot)
    for tick in range(110):
        robot.step(command(tau_J_d=[0.0] * 6 + [0.1 * min(tick, 100 - tick, 10) * (tick < 100)]))
    while robot.plant.velocities[6] > 0.1:
        robot.step(torques(0.0))
    assert robot.plant.positions[6] - franka.HOME_JOINTS[6] > 0.05
    robot.step(command(torque_command_finished=True))
    assert 0.0 < robot.plant.velocities[6] < 0.1  # braked, but not towards where the motion began


def test_between_motions_only_the_clock_runs(robot):
    before, clock_ms = robot.plant.data.qpos.copy(), robot.clock_ms
    for _ in range(10):
        robot.rest(is_advancing=False)
    assert robot.clock_ms == clock_ms + 10
    assert (robot.plant.data.qpos == before).all()


def test_a_second_motion_is_refused(robot):
    start(robot)
    assert robot.start(Controller.EXTERNAL, Generator.NONE) is Status.NOT_POSSIBLE


def test_stop_preempts(robot):
    assert robot.stop() is None
    start(robot)
    assert robot.stop() is Status.PREEMPTED
    assert robot.mode is RobotMode.IDLE


# ------------------------------------------------------------------------------------ what stops a motion


def test_a_jump_of_the_torque_is_an_error(robot):
    start(robot)
    assert robot.step(torques(1.0)) is None
    assert robot.step(torques(2.0)) is None
    clock_ms = robot.clock_ms
    assert stopped_by(robot, robot.step(torques(3.01))) == ["controller_torque_discontinuity"]
    assert np.abs(robot.torque).max() < 1.0  # what is refused is not executed: the arm is held
    assert robot.clock_ms == clock_ms + 1


def test_the_first_torque_is_near_zero(robot):
    start(robot)
    assert stopped_by(robot, robot.step(torques(1.01))) == ["controller_torque_discontinuity"]


def test_a_torque_beyond_the_motors_is_an_error():
    previous = np.array([86.9] + [0.0] * 6)
    assert limits.torque_error(np.array([87.0] + [0.0] * 6), previous) is None
    assert limits.torque_error(np.array([87.1] + [0.0] * 6), previous) == "tau_j_range_violation"


def test_what_is_not_finite_ends_the_motion_as_an_error_of_the_input(robot):
    start(robot)
    assert robot.step(torques(np.nan)) is Status.INPUT_ERROR
    assert robot.mode is RobotMode.IDLE


def test_twenty_lost_commands_in_a_row_stop_the_robot(robot):
    start(robot)
    for _ in range(3):
        assert [robot.step(None) for _ in range(19)] == [None] * 19
        assert robot.step(torques(0.0)) is None
    assert [robot.step(None) for _ in range(19)] == [None] * 19
    assert stopped_by(robot, robot.step(None)) == ["communication_constraints_violation"]
    assert robot.lost_count == 3 * 19 + 20


def test_a_lost_command_leaves_the_torque_as_it_was(robot):
    start(robot)
    robot.step(torques(0.7))
    robot.step(None)
    assert robot.torque.tolist() == [0.7] * 7


def test_the_success_rate_counts_the_last_hundred(robot):
    assert robot.success_rate == 0.0
    start(robot)
    for tick in range(400):
        robot.step(None if tick % 4 == 0 else torques(0.0))
    assert robot.success_rate == 0.75


@pytest.mark.parametrize(("joint", "place"), [(0, "upper"), (3, "lower")])
def test_speed_is_limited_by_the_way_that_is_left_for_braking(joint, place):
    """Joint 1, 0.1 rad before its end: sqrt(2 * 6 * 0.1) - 0.6599 = 0.4355; joint 4: sqrt(2 * 4 * 0.1) - 0.3533."""
    positions = franka.HOME_JOINTS.copy()
    limit = franka.JOINT_UPPER if place == "upper" else franka.JOINT_LOWER
    positions[joint] = limit[joint] + (-0.1 if place == "upper" else 0.1)
    lower, upper = limits.joint_speed_limits(positions)
    expected = {0: 0.435_545, 3: 0.541_127}[joint]
    assert (upper if place == "upper" else -lower)[joint] == pytest.approx(expected, abs=1e-6)
    velocities = np.zeros(7)
    sign = 1.0 if place == "upper" else -1.0
    velocities[joint] = sign * (expected - 0.01)
    assert limits.joint_error(positions, velocities) is None
    velocities[joint] = sign * (expected + 0.05)
    assert limits.joint_error(positions, velocities) == "joint_velocity"


def test_far_from_the_limits_the_data_sheet_counts():
    lower, upper = limits.joint_speed_limits(np.array([0.0, 0.0, 0.0, -1.5, 0.0, 2.5, 0.0]))
    assert upper.tolist() == franka.VELOCITY_LIMITS.tolist()
    assert (lower == -upper).all()


def test_beyond_a_joint_limit_only_a_person_can_help(robot):
    robot.plant.positions[6] = franka.JOINT_UPPER[6] + 0.01
    start_status = robot.start(Controller.EXTERNAL, Generator.NONE)
    assert start_status is Status.STARTED
    assert stopped_by(robot, robot.step(torques(0.0))) == ["joint_position_limits"]
    robot.plant.positions[6] = franka.JOINT_UPPER[6] + 0.01
    assert robot.recover() is Status.NEEDS_MANUAL_RECOVERY
    assert robot.mode is RobotMode.REFLEX
    robot.place(franka.HOME_JOINTS)
    assert robot.recover() is Status.SUCCESS


def test_a_fast_tool_is_an_error():
    assert limits.tool_error(np.array([2.0, 2.0, 0.0, 0.0, 0.0, 0.0])) is None
    assert limits.tool_error(np.array([2.0, 2.0, 2.0, 0.0, 0.0, 0.0])) == "cartesian_velocity"
    assert limits.tool_error(np.array([0.0, 0.0, 0.0, 0.0, -2.6, 0.0])) == "cartesian_velocity"


def test_no_tool_is_too_fast_where_its_speed_is_not_computed():
    """What is skipped to save time could not have been an error, wherever the arm stands."""
    plant, generator = make_plant("table", 0), np.random.default_rng(0)
    checked = 0
    for _ in range(300):
        plant.place(generator.uniform(franka.JOINT_LOWER, franka.JOINT_UPPER))
        velocities = generator.uniform(-1.0, 1.0, 7) * generator.uniform(0.1, 1.0)
        if not limits.may_tool_be_too_fast(velocities):
            tool = plant.flange() @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0.1034], [0, 0, 0, 1.0]])
            assert limits.tool_error(plant.jacobian(tool[:3, 3]) @ velocities) is None
            checked += 1
    assert checked > 100


def test_physics_that_leave_the_finite_numbers_stop_the_robot(robot):
    start(robot)
    robot.step(torques(0.0))
    robot.plant.data.qvel[8] = np.nan
    assert stopped_by(robot, robot.step(torques(0.0))) == ["instability_detected"]
    assert np.isfinite(robot.plant.data.qpos).all()
    assert np.isfinite(robot.plant.data.qvel).all()


# ------------------------------------------------------------------------------------ after a stop


def test_a_reflex_refuses_motion_until_it_is_cleared(robot):
    start(robot)
    robot.step(torques(5.0))
    assert robot.start(Controller.EXTERNAL, Generator.NONE) is Status.NOT_POSSIBLE
    assert robot.recover() is Status.SUCCESS
    assert (robot.mode, errors_of(robot)) == (RobotMode.IDLE, [])
    assert robot.last_errors.any()  # what ended the motion can still be read
    start(robot)
    assert not robot.last_errors.any()


def test_the_user_stop_is_released_by_the_person_alone(robot):
    start(robot)
    assert robot.press_user_stop() is Status.USER_STOP
    assert robot.mode is RobotMode.USER_STOPPED
    assert robot.recover() is Status.USER_STOP
    assert robot.start(Controller.EXTERNAL, Generator.NONE) is Status.NOT_POSSIBLE
    robot.release_user_stop()
    assert robot.mode is RobotMode.IDLE
    start(robot)


def test_a_user_stop_does_not_clear_a_reflex(robot):
    start(robot)
    robot.step(torques(5.0))
    assert robot.press_user_stop() is None
    robot.release_user_stop()
    assert robot.mode is RobotMode.REFLEX


# ------------------------------------------------------------------------------------ contact


def over_the_table(robot, height_m):
    """Put the tool that high above the table, in front of the robot; fingers reach 8 mm below the TCP."""
    pose = Pose(np.array([0.5, 0.0, height_m]), TOOL_DOWN)
    robot.place(solve_joints(robot.plant.model, pose))


def press(robot, limit_n, count):
    """Press down with a force that grows to a limit; how the motion ended, or None."""
    tool = robot.settings.flange_to_tool
    for tick in range(count):
        point = (robot.plant.flange() @ tool)[:3, 3]
        jacobian = robot.plant.jacobian(point)
        force = np.array([0.0, 0.0, -min(0.02 * tick, limit_n), 0.0, 0.0, 0.0])
        damping = np.array([200.0, 200.0, 200.0, 20.0, 20.0, 20.0]) * (jacobian @ robot.plant.velocities)
        torque = jacobian.T @ (force - damping)
        ended = robot.step(command(tau_J_d=np.clip(torque, robot.torque - 0.9, robot.torque + 0.9)))
        if ended is not None:
            return ended
    return None


def test_the_wrench_is_what_the_robot_exerts_on_the_world(robot):
    """The floor of the estimate: its z equals the contact forces of the physics, its sign is the robot's push."""
    over_the_table(robot, 0.012)
    start(robot)
    assert press(robot, 12.0, 2500) is None
    pushed_n = 0.0
    for number in range(robot.plant.data.ncon):
        wrench = np.zeros(6)
        mujoco.mj_contactForce(robot.plant.model, robot.plant.data, number, wrench)
        axis = robot.plant.data.contact[number].frame.reshape(3, 3)
        pushed_n += abs((axis.T @ wrench[:3])[2])
    assert pushed_n > 3.0
    assert robot.contact.wrench_base[2] == pytest.approx(-pushed_n, rel=0.02)
    down = robot.contact.wrench[:3]  # the tool points down: pushing down is its +z
    assert down[2] == pytest.approx(pushed_n, rel=0.05)


def test_a_collision_stops_the_robot_and_stays_marked(robot):
    over_the_table(robot, 0.012)
    thresholds = {f"{side}_torque_{phase}": np.full(7, 80.0) for side in ("lower", "upper") for phase in PHASES}
    thresholds |= {f"lower_force_{phase}": np.full(6, 4.0) for phase in PHASES}
    thresholds |= {f"upper_force_{phase}": np.full(6, 8.0) for phase in PHASES}
    assert robot.apply(Request.SET_COLLISION_BEHAVIOR, thresholds) is Status.SUCCESS
    start(robot)
    assert stopped_by(robot, press(robot, 30.0, 4000)) == ["cartesian_reflex"]
    assert robot.contact.cartesian_collision.tolist() == [False, False, True, False, False, False]
    assert robot.contact.wrench[2] > 8.0
    robot.place(franka.HOME_JOINTS)
    robot.settle()
    assert robot.contact.cartesian_collision[2]
    assert robot.recover() is Status.SUCCESS
    assert not robot.contact.cartesian_collision.any()


PHASES = ("acceleration", "nominal")


def test_joint_torques_have_thresholds_of_their_own(robot):
    over_the_table(robot, 0.012)
    thresholds = {f"{side}_force_{phase}": np.full(6, 80.0) for side in ("lower", "upper") for phase in PHASES}
    thresholds |= {f"{side}_torque_{phase}": np.full(7, 3.0) for side in ("lower", "upper") for phase in PHASES}
    assert robot.apply(Request.SET_COLLISION_BEHAVIOR, thresholds) is Status.SUCCESS
    start(robot)
    assert stopped_by(robot, press(robot, 30.0, 4000)) == ["joint_reflex"]


def test_a_contact_is_marked_before_it_is_a_collision(robot):
    over_the_table(robot, 0.012)
    thresholds = {f"{side}_torque_{phase}": np.full(7, 80.0) for side in ("lower", "upper") for phase in PHASES}
    thresholds |= {f"lower_force_{phase}": np.full(6, 3.0) for phase in PHASES}
    thresholds |= {f"upper_force_{phase}": np.full(6, 60.0) for phase in PHASES}
    assert robot.apply(Request.SET_COLLISION_BEHAVIOR, thresholds) is Status.SUCCESS
    start(robot)
    assert press(robot, 12.0, 2500) is None
    assert robot.contact.cartesian_contact[2]
    assert not robot.contact.cartesian_collision.any()


def set_force_thresholds(robot, upper_n):
    thresholds = {f"{side}_torque_{phase}": np.full(7, 80.0) for side in ("lower", "upper") for phase in PHASES}
    thresholds |= {f"{side}_force_{phase}": np.full(6, upper_n) for side in ("lower", "upper") for phase in PHASES}
    assert robot.apply(Request.SET_COLLISION_BEHAVIOR, thresholds) is Status.SUCCESS


@pytest.fixture
def pressing(robot):
    """Between motions, while the hand still pushes on the table with some newtons; nothing was marked so far."""
    over_the_table(robot, 0.012)
    set_force_thresholds(robot, 60.0)
    start(robot)
    assert press(robot, 30.0, 3000) is None
    assert robot.step(command(torque_command_finished=True)) is Status.SUCCESS
    assert not robot.contact.cartesian_collision.any()
    return robot


def test_a_collision_between_motions_is_marked_and_stops_no_later_motion(pressing):
    robot = pressing
    set_force_thresholds(robot, 2.0)
    for _ in range(50):
        robot.rest(is_advancing=True)
    assert robot.contact.cartesian_collision.any()
    assert (robot.mode, errors_of(robot)) == (RobotMode.IDLE, [])
    robot.place(franka.HOME_JOINTS)
    robot.settle()
    assert robot.contact.cartesian_collision.any()  # shown until something begins anew
    start(robot)
    assert not robot.contact.cartesian_collision.any()
    assert [robot.step(torques(0.0)) for _ in range(50)] == [None] * 50


def test_what_still_pushes_stops_a_motion_in_its_first_millisecond(pressing):
    robot = pressing
    robot.settle()
    assert robot.contact.wrench[2] > 2.5
    set_force_thresholds(robot, 2.0)
    start(robot)
    assert stopped_by(robot, robot.step(torques(0.0))) == ["cartesian_reflex"]


# ------------------------------------------------------------------------------------ settings


def test_settings_are_refused_while_the_robot_moves(robot):
    load = {"m_load": 0.5, "F_x_Cload": np.zeros(3), "I_load": np.zeros(9)}
    start(robot)
    assert robot.apply(Request.SET_LOAD, load) is Status.NOT_POSSIBLE
    robot.stop()
    assert robot.apply(Request.SET_LOAD, load) is Status.SUCCESS
    assert robot.settings.load_mass == 0.5


@pytest.mark.parametrize(
    ("request_", "payload"),
    [
        (Request.SET_LOAD, {"m_load": -0.1, "F_x_Cload": np.zeros(3), "I_load": np.zeros(9)}),
        (Request.SET_JOINT_IMPEDANCE, {"K_theta": np.full(7, -1.0)}),
        (Request.SET_CARTESIAN_IMPEDANCE, {"K_x": np.full(6, 1000.0)}),
        (Request.SET_NE_TO_EE, {"NE_T_EE": np.ones(16)}),
        (Request.SET_EE_TO_K, {"EE_T_K": np.zeros(16)}),
    ],
)
def test_a_setting_that_makes_no_sense_changes_nothing(robot, request_, payload):
    assert robot.apply(request_, payload) is Status.INVALID
    assert robot.settings.version == 0


# ------------------------------------------------------------------------------------ generators of motions


def test_joints_follow_commanded_positions(robot):
    start(robot, Generator.JOINT_POSITION)
    goal = franka.HOME_JOINTS + np.array([0.2, 0.0, 0.0, 0.1, 0.0, 0.0, 0.0])
    for tick in range(1001):
        share = 0.5 - 0.5 * np.cos(np.pi * tick / 1000)
        step = command(q_c=franka.HOME_JOINTS + share * (goal - franka.HOME_JOINTS))
        assert robot.step(step) is None
    finish = command(q_c=goal, motion_generation_finished=True)
    assert robot.step(finish) is Status.SUCCESS
    robot.settle()
    np.testing.assert_allclose(robot.plant.positions, goal, atol=1e-3)


@pytest.mark.parametrize(
    ("offset", "error"),
    [(0.0001, "joint_mg_velocity_discontinuity"), (0.1, "joint_position_mg_start_pose_invalid")],
)
def test_a_jump_of_commanded_positions_is_an_error(robot, offset, error):
    start(robot, Generator.JOINT_POSITION)
    assert stopped_by(robot, robot.step(command(q_c=franka.HOME_JOINTS + offset))) == [error]


def test_a_jolt_of_commanded_velocities_is_an_error(robot):
    """6 rad/s^2 at once are less than the largest acceleration, but a jerk of 6000 rad/s^3."""
    start(robot, Generator.JOINT_VELOCITY)
    assert stopped_by(robot, robot.step(command(dq_c=[0.006] + [0.0] * 6))) == ["joint_mg_acceleration_discontinuity"]


def test_a_generator_that_goes_too_fast_near_a_joint_limit_is_an_error(robot):
    start(robot, Generator.JOINT_VELOCITY)
    ended = None
    for tick in range(3000):
        ended = robot.step(command(dq_c=[0.0] * 6 + [min(0.004 * tick, 1.5)]))
        if ended is not None:
            break
    assert stopped_by(robot, ended) == ["joint_mg_velocity_limits"]
    left = (1.5 + 0.4628) ** 2 / (2 * 17.0)  # where sqrt(2 * 17 * left) - 0.4628 is 1.5
    assert robot.servo.positions[6] == pytest.approx(franka.JOINT_UPPER[6] - left, abs=0.005)


def test_a_motion_may_not_end_in_full_swing(robot):
    start(robot, Generator.JOINT_VELOCITY)
    for tick in range(200):
        assert robot.step(command(dq_c=[0.004 * tick] + [0.0] * 6)) is None
    last = command(dq_c=[0.8] + [0.0] * 6, motion_generation_finished=True)
    assert stopped_by(robot, robot.step(last)) == ["joint_mg_velocity_discontinuity"]


def test_a_generator_goes_on_where_commands_are_missing(robot):
    start(robot, Generator.JOINT_VELOCITY)
    for tick in range(200):
        assert robot.step(command(dq_c=[0.001 * tick] + [0.0] * 6)) is None
    before = robot.servo.positions[0]
    for _ in range(10):
        assert robot.step(None) is None
    expected = before + sum((0.199 + 0.001 * k) * PERIOD_S for k in range(1, 11))
    assert robot.servo.positions[0] == pytest.approx(expected, abs=1e-12)


def test_the_tool_follows_commanded_poses(robot):
    start(robot, Generator.CARTESIAN_POSITION)
    tool = robot.settings.flange_to_tool
    first = robot.servo.desired_flange() @ tool
    for tick in range(1001):
        pose = first.copy()
        pose[:3, 3] += 0.03 * (0.5 - 0.5 * np.cos(np.pi * tick / 1000)) * np.array([1.0, -1.0, 1.0])
        assert robot.step(command(O_T_EE_c=pose.T.ravel())) is None
    np.testing.assert_allclose(robot.servo.desired_flange() @ tool, pose, atol=1e-6)
    assert robot.step(command(O_T_EE_c=pose.T.ravel(), motion_generation_finished=True)) is Status.SUCCESS


def test_the_tool_follows_commanded_twists(robot):
    start(robot, Generator.CARTESIAN_VELOCITY)
    first = robot.servo.desired_flange() @ robot.settings.flange_to_tool
    for tick in range(1001):
        assert robot.step(command(O_dP_EE_c=[0.0, 0.0, 0.02 * np.sin(np.pi * tick / 1000), 0.0, 0.0, 0.0])) is None
    moved = (robot.servo.desired_flange() @ robot.settings.flange_to_tool - first)[:3, 3]
    np.testing.assert_allclose(moved, [0.0, 0.0, 0.02 * 2.0 / np.pi], atol=2e-5)


TOOL_ACCELERATION = np.array([-1.2, 0.9, -1.0, 0.6, -0.8, 1.5])
"""Of the tool: [m/s^2], [rad/s^2]."""


def accelerate_tool(robot, generator, missing, last):
    """Constant acceleration from rest, without the commands of some milliseconds; how the motion ended, or None."""
    start(robot, generator)
    pose = robot.servo.desired_flange() @ robot.settings.flange_to_tool
    twist, acceleration, turn = np.zeros(6), np.zeros(6), np.empty(4)
    for tick in range(last):
        acceleration = TOOL_ACCELERATION * min(0.1 * tick, 1.0)  # within the largest jerk
        twist = twist + acceleration * PERIOD_S
        pose = pose.copy()
        pose[:3, 3] += twist[:3] * PERIOD_S
        angle = np.linalg.norm(twist[3:]) * PERIOD_S
        mujoco.mju_axisAngle2Quat(turn, twist[3:] / max(np.linalg.norm(twist[3:]), 1e-12), angle)
        rotation = np.empty(9)
        mujoco.mju_quat2Mat(rotation, turn)
        pose[:3, :3] = rotation.reshape(3, 3) @ pose[:3, :3]
        is_pose = generator is Generator.CARTESIAN_POSITION
        asked = command(O_T_EE_c=pose.T.ravel()) if is_pose else command(O_dP_EE_c=twist)
        ended = robot.step(None if tick in missing else asked)
        if ended is not None:
            return ended
    return None


CARTESIAN_GENERATORS = [Generator.CARTESIAN_POSITION, Generator.CARTESIAN_VELOCITY]


@pytest.mark.parametrize("generator", CARTESIAN_GENERATORS)
@pytest.mark.parametrize("count", [1, 3, 19])
def test_a_smooth_motion_of_the_tool_bears_missing_commands(robot, generator, count):
    """Even again and again: the command after the last missing one asks for nothing sudden."""
    missing = {first + one for first in (60, 100, 140) for one in range(count)}
    assert accelerate_tool(robot, generator, missing, 180) is None, errors_of(robot)


@pytest.mark.parametrize("generator", CARTESIAN_GENERATORS)
def test_the_tool_goes_on_at_constant_acceleration_where_commands_are_missing(robot, generator):
    reference = RobotController(make_plant("table", 0))
    assert accelerate_tool(reference, generator, missing=(), last=119) is None
    assert accelerate_tool(robot, generator, missing=range(100, 119), last=119) is None
    tool = robot.settings.flange_to_tool
    np.testing.assert_allclose(robot.desired_twist, reference.desired_twist, atol=5e-4)
    expected = TOOL_ACCELERATION * PERIOD_S * (118 - 4.5)  # the first ten milliseconds bring 4.5 of them
    np.testing.assert_allclose(robot.desired_twist, expected, atol=5e-3)
    desired = robot.servo.desired_flange() @ tool
    np.testing.assert_allclose(desired, reference.servo.desired_flange() @ tool, atol=1e-5)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"O_T_EE_c": np.zeros(16)}, "cartesian_position_mg_invalid_frame"),
        ({"O_T_EE_c": np.eye(4).ravel()}, "cartesian_position_mg_start_pose_invalid"),
    ],
)
def test_a_pose_that_makes_no_sense_is_an_error(robot, fields, error):
    start(robot, Generator.CARTESIAN_POSITION)
    assert stopped_by(robot, robot.step(command(**fields))) == [error]


def test_an_elbow_is_not_followed_so_it_is_refused(robot):
    start(robot, Generator.CARTESIAN_VELOCITY)
    assert robot.step(command(valid_elbow=True, elbow_c=[0.1, -1.0])) is Status.INPUT_ERROR


def test_the_same_commands_lead_to_the_same_bits():
    ends = []
    for _ in range(2):
        robot = RobotController(make_plant("table", 0))
        over_the_table(robot, 0.012)
        start(robot)
        press(robot, 12.0, 800)
        robot.stop()
        robot.settle()
        ends.append(robot.plant.data.qpos.tobytes() + robot.contact.torque.tobytes())
    assert ends[0] == ends[1]
