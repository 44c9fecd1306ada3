"""pylibfranka drives the simulated robot: reading, models, motions, settings, and how clients come and go."""

import mujoco
import numpy as np
import pytest
from robot_rl_hardware.fci_sim.process import run_robot

from robot_rl.geometry import Pose
from robot_rl.sim import franka
from robot_rl.sim.kinematics import solve_joints
from robot_rl.sim.simulation import Simulation
from robot_rl.sim.tasks.task import TOOL_DOWN
from robot_rl.sim.workcell import make_workcell_spec
from tests.hardware.fci_sim.clients import ask, finish, make_host, start

FLOAT32 = 1e-6
JOINTS = [0.3, -0.5, 0.2, -1.9, -0.4, 1.8, 0.6]


@pytest.fixture(scope="module")
def served():
    with run_robot(make_host()) as robot:
        yield robot


@pytest.fixture
def robot(served):
    """The robot of this module, at its ready pose, whatever happened to it before."""
    served.order("release_user_stop")
    served.order("place", joints=franka.HOME_JOINTS.tolist())
    ask(served, "robot.automatic_error_recovery(); say()")
    return served


@pytest.fixture(scope="module")
def twin():
    """The same scene in this process."""
    return Simulation(make_workcell_spec())


# ------------------------------------------------------------------------------------ reading


def test_a_client_reads_where_the_arm_is(robot, twin):
    robot.order("place", joints=JOINTS)
    state = ask(
        robot,
        "state = robot.read_once()\n"
        "say(q=state.q, dq=state.dq, tau=state.tau_J, pose=state.O_T_EE, mode=str(state.robot_mode),"
        " desired=state.q_d, mass=state.m_total, success=state.control_command_success_rate)",
    )
    np.testing.assert_allclose(state["q"], JOINTS, atol=FLOAT32)
    np.testing.assert_allclose(state["desired"], JOINTS, atol=FLOAT32)
    assert state["dq"] == [0.0] * 7
    assert state["mode"] == "RobotMode.Idle"
    assert state["success"] == 0.0
    twin.place_robot(np.array(JOINTS), 0.08)
    pose = np.reshape(state["pose"], (4, 4)).T
    np.testing.assert_allclose(pose[:3, :3], twin.tcp_pose().rotation, atol=FLOAT32)
    np.testing.assert_allclose(pose[:3, 3], twin.tcp_pose().position, atol=FLOAT32)
    mujoco.mj_forward(twin.model, twin.data)
    np.testing.assert_allclose(state["tau"], twin.data.qfrc_gravcomp[:7], atol=1e-5)
    assert state["mass"] == pytest.approx(0.73 + 2 * 0.015, abs=FLOAT32)  # the hand with its fingers


def test_the_clients_model_is_that_of_the_physics(robot, twin):
    robot.order("place", joints=JOINTS)
    says = ask(
        robot,
        "state, model = robot.read_once(), robot.load_model()\n"
        "say(q=state.q, jacobian=list(model.zero_jacobian(state)), mass=list(model.mass(state)),"
        " gravity=list(model.gravity(state)), coriolis=list(model.coriolis(state)))",
    )
    # closed fingers: the hand is one body for the client
    twin.place_robot(np.array(says["q"]), 0.0)
    mujoco.mj_forward(twin.model, twin.data)
    np.testing.assert_allclose(np.reshape(says["jacobian"], (7, 6)).T, twin.tcp_jacobian(), atol=1e-6)
    mass = np.zeros((twin.model.nv, twin.model.nv))
    mujoco.mj_fullM(twin.model, twin.data, mass)
    without_rotors = mass[:7, :7] - np.diag(twin.model.dof_armature[:7])
    np.testing.assert_allclose(np.reshape(says["mass"], (7, 7)), without_rotors, atol=1e-6)
    np.testing.assert_allclose(says["gravity"], twin.data.qfrc_gravcomp[:7], atol=1e-5)
    assert says["coriolis"] == [0.0] * 7  # at rest


def test_settings_show_in_the_next_state(robot):
    says = ask(
        robot,
        "robot.set_load(0.5, [0.0, 0.0, 0.1], [1e-3, 0, 0, 0, 1e-3, 0, 0, 0, 1e-3])\n"
        "robot.set_EE([1.0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0.05, 1])\n"
        "robot.set_K([1.0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0.02, 1])\n"
        "robot.set_joint_impedance([3000.0] * 7); robot.set_cartesian_impedance([1000.0] * 3 + [100.0] * 3)\n"
        "robot.set_collision_behavior([20.0] * 7, [30.0] * 7, [20.0] * 6, [30.0] * 6)\n"
        "state = robot.read_once()\n"
        "wrong = attempt(lambda: robot.set_collision_behavior([30.0] * 7, [20.0] * 7, [20.0] * 6, [30.0] * 6))\n"
        "say(load=state.m_load, tool=state.F_T_EE, stiffness=state.EE_T_K, wrong=wrong)\n"
        "robot.set_EE([1.0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1])\n"
        "robot.set_K([1.0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1])\n"
        "robot.set_load(0.0, [0.0] * 3, [0.0] * 9)\n"
        "robot.set_collision_behavior([80.0] * 7, [80.0] * 7, [80.0] * 6, [80.0] * 6)",
    )
    assert says["load"] == pytest.approx(0.5)
    assert says["tool"][14] == pytest.approx(0.1034 + 0.05)
    assert says["stiffness"][14] == pytest.approx(0.02)
    assert "invalid argument" in says["wrong"]


# ------------------------------------------------------------------------------------ motions


def test_every_cycle_is_one_millisecond(robot):
    before = robot.order("look")["cycle_count"]
    says = ask(
        robot,
        "states = []\nmove(500, wave, states)\n"
        "modes = sorted({str(state.robot_mode) for state, _ in states})\n"
        "say(durations=sorted({duration.to_sec() for _, duration in states[1:]}), modes=modes,"
        " rate=states[-1][0].control_command_success_rate, end=str(robot.read_once().robot_mode))",
    )
    assert says["durations"] == [0.001]
    assert says["modes"] == ["RobotMode.Move"]
    assert says["rate"] == 1.0
    assert says["end"] == "RobotMode.Idle"
    after = robot.order("look")
    assert after["lost_count"] == 0
    assert after["cycle_count"] - before in {499, 500}  # the last one ends the motion


def test_the_same_torques_lead_to_the_same_bits():
    ends = []
    for _ in range(2):
        with run_robot(make_host()) as robot:
            ask(robot, "move(2000, wave); time.sleep(0.05); move(200, wave); say()")
            ends.append(robot.order("look"))
    for name in ("joint_positions", "joint_velocities", "cycle_count"):
        assert ends[0][name] == ends[1][name]
    assert np.abs(np.array(ends[0]["joint_positions"]) - franka.HOME_JOINTS).max() > 1e-4


def test_two_robots_at_once(robot):
    with run_robot(make_host()) as other:
        clients = [start(one, f"move(1500, {law}); say()") for one, law in ((robot, "still"), (other, "wave"))]
        for client in clients:
            finish(client)
        stood, moved = robot.order("look"), other.order("look")
    np.testing.assert_allclose(stood["joint_positions"], franka.HOME_JOINTS, atol=1e-6)
    assert np.abs(np.array(moved["joint_positions"]) - franka.HOME_JOINTS).max() > 1e-4
    assert moved["lost_count"] == 0


@pytest.mark.parametrize(
    ("begin", "command"),
    [
        ("joint_position", "franka.JointPositions([one + share * 0.1 for one in first.q_d])"),
        ("joint_velocity", "franka.JointVelocities([0.05 * rate] * 7)"),
        ("cartesian_pose", "franka.CartesianPose([*first.O_T_EE_c[:14], first.O_T_EE_c[14] + 0.02 * share, 1.0])"),
        ("cartesian_velocity", "franka.CartesianVelocities([0.0, 0.02 * rate, 0.0, 0.0, 0.0, 0.0])"),
    ],
)
def test_the_robot_follows_a_generator_of_motion(robot, begin, command):
    code = f"""
control = robot.start_{begin}_control(franka.ControllerMode.JointImpedance)
first, _ = control.readOnce()
for tick in range(1001):
    share, rate = 0.5 - 0.5 * math.cos(math.pi * tick / 1000), 0.5 * math.pi * math.sin(math.pi * tick / 1000)
    command = {command}
    command.motion_finished = tick == 1000
    control.writeOnce(command)
    if tick < 1000:
        state, _ = control.readOnce()
del control
last = robot.read_once()
say(mode=str(last.robot_mode), joints=[b - a for a, b in zip(first.q_d, last.q_d)],
    tool=[b - a for a, b in zip(first.O_T_EE_c[12:15], last.O_T_EE_d[12:15])])
"""
    says = ask(robot, code)
    assert says["mode"] == "RobotMode.Idle"
    if begin == "joint_position":
        np.testing.assert_allclose(says["joints"], [0.1] * 7, atol=1e-5)
    elif begin == "joint_velocity":
        np.testing.assert_allclose(says["joints"], [0.05] * 7, atol=1e-3)
    elif begin == "cartesian_pose":
        np.testing.assert_allclose(says["tool"], [0.0, 0.0, 0.02], atol=1e-5)
    else:
        np.testing.assert_allclose(says["tool"], [0.0, 0.02, 0.0], atol=1e-3)


def test_what_is_not_simulated_is_refused(robot):
    says = ask(
        robot,
        "say(why=attempt(lambda: robot.start_cartesian_pose_control(franka.ControllerMode.CartesianImpedance)))",
    )
    assert says["why"].startswith("CommandException")
    assert "not possible" in says["why"]


def test_stop_preempts_a_motion(robot):
    says = ask(
        robot,
        "control = robot.start_torque_control(); control.readOnce(); control.writeOnce(franka.Torques([0.0] * 7))\n"
        "moving = attempt(lambda: robot.set_load(0.1, [0.0] * 3, [0.0] * 9))\n"
        "robot.stop()\n"
        "say(why=attempt(control.readOnce), moving=moving)",
    )
    assert "preempted" in says["why"]
    assert 'not possible in the current mode ("Move")' in says["moving"]


# ------------------------------------------------------------------------------------ what stops it


def test_a_contact_is_felt_and_a_collision_stops_the_robot(robot, twin):
    over = solve_joints(twin.model, Pose(np.array([0.5, 0.0, 0.012]), TOOL_DOWN))
    robot.order("place", joints=over.tolist())
    says = ask(
        robot,
        "robot.set_collision_behavior([80.0] * 7, [80.0] * 7, [4.0] * 6, [9.0] * 6)\n"
        "why = attempt(lambda: move(4000, Press(30.0)))\n"
        "state = robot.read_once()\n"
        "again = attempt(lambda: move(2, still))\n"
        "robot.automatic_error_recovery()\n"
        "after = robot.read_once()\n"
        "say(why=why, mode=str(state.robot_mode), collision=list(state.cartesian_collision), force=state.O_F_ext_hat_K,"
        " errors=str(state.current_errors), again=again, after=str(after.robot_mode),"
        " cleared=str(after.current_errors), last=str(after.last_motion_errors))\n"
        "robot.set_collision_behavior([80.0] * 7, [80.0] * 7, [80.0] * 6, [80.0] * 6)\n",
    )
    assert says["why"].startswith("ControlException")
    assert 'motion aborted by reflex! ["cartesian_reflex"]' in says["why"]
    assert says["mode"] == "RobotMode.Reflex"
    assert says["collision"] == [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    assert says["force"][2] < -3.0  # it pushes the table down
    assert says["errors"] == says["last"] == '["cartesian_reflex"]'
    assert 'not possible in the current mode ("Reflex")' in says["again"]
    assert (says["after"], says["cleared"]) == ("RobotMode.Idle", "[]")


def test_a_jump_of_the_torque_stops_the_robot(robot):
    says = ask(
        robot,
        "why = attempt(lambda: move(100, lambda tick, state: [1.5 * (tick >= 50)] * 7))\n"
        "robot.automatic_error_recovery(); move(100, still)\nsay(why=why)",
    )
    assert '["controller_torque_discontinuity"]' in says["why"]


def test_the_user_stop(robot):
    robot.order("press_user_stop", at_cycle=robot.order("look")["cycle_count"] + 50)
    says = ask(
        robot,
        "why = attempt(lambda: move(100, still))\n"
        "say(why=why, mode=str(robot.read_once().robot_mode), again=attempt(lambda: move(2, still)),"
        " recovery=attempt(robot.automatic_error_recovery))",
    )
    assert "User Stop pressed!" in says["why"]
    assert says["mode"] == "RobotMode.UserStopped"
    assert 'not possible in the current mode ("User stopped")' in says["again"]
    assert "User Stop pressed!" in says["recovery"]
    robot.order("release_user_stop")
    ask(robot, "move(50, still); say()")


def test_the_user_stop_of_a_robot_that_waits_for_its_client(robot):
    """In lock-step nothing happens until the command arrives; the button must not wait for that."""
    client = start(
        robot,
        "control = robot.start_torque_control(); control.readOnce(); control.writeOnce(franka.Torques([0.0] * 7))\n"
        "control.readOnce(); print('waiting', flush=True); time.sleep(1.0)\n"
        "control.writeOnce(franka.Torques([0.0] * 7)); say(why=attempt(control.readOnce))",
    )
    assert client.stdout.readline() == "waiting\n"
    robot.order("press_user_stop")
    assert "User Stop pressed!" in finish(client)["why"]


# ------------------------------------------------------------------------------------ clients come and go


def test_a_second_client_is_refused_while_the_first_one_is_there(robot):
    client = start(robot, "print('here', flush=True); time.sleep(1.5); robot.read_once(); say(first='fine')")
    assert client.stdout.readline() == "here\n"
    prelude = "import json, sys\nimport pylibfranka as franka\n"
    says = ask(
        robot,
        "try:\n    franka.Robot(sys.argv[1], franka.RealtimeConfig.kIgnore)\n"
        "except Exception as error:\n    print(json.dumps(f'{type(error).__name__}: {error}'))",
        prelude,
    )
    assert says.startswith("NetworkException")
    assert "refused" in says
    assert finish(client) == {"first": "fine"}
    ask(robot, "robot.read_once(); say()")


def test_a_client_that_dies_in_a_motion_leaves_a_robot_that_holds(robot):
    client = start(robot, "print('here', flush=True)\nmove(10**9, wave)")
    assert client.stdout.readline() == "here\n"
    before = robot.order("look")["cycle_count"]
    while robot.order("look")["cycle_count"] < before + 20:
        assert client.poll() is None
    client.kill()
    client.communicate()
    ask(robot, "say(mode=str(robot.read_once().robot_mode)); move(50, still); say()")
    assert robot.order("look")["mode"] == "IDLE"


def test_the_robot_ends_a_motion_before_it_leaves():
    with run_robot(make_host()) as robot:
        client = start(robot, "print('here', flush=True)\nsay(why=attempt(lambda: move(10**9, still)))")
        assert client.stdout.readline() == "here\n"
        while robot.order("look")["cycle_count"] < 20:
            assert client.poll() is None
    assert "abort" in finish(client)["why"]


# ------------------------------------------------------------------------------------ real time


def test_in_real_time_a_silent_client_loses_the_robot():
    with run_robot(make_host(), is_lock_step=False) as robot:
        says = ask(
            robot,
            "control = robot.start_torque_control(); control.readOnce(); control.writeOnce(franka.Torques([0.0] * 7))\n"
            "time.sleep(0.2)\nsay(why=attempt(control.readOnce))",
        )
        assert robot.order("look")["lost_count"] >= 20
        assert robot.order("look")["mode"] == "REFLEX"
    assert '["communication_constraints_violation"]' in says["why"]


def test_in_real_time_the_robot_does_not_wait_for_a_client():
    with run_robot(make_host(), is_lock_step=False) as robot:
        says = ask(
            robot,
            "first = robot.read_once(); time.sleep(0.3); robot.read_once(); last = robot.read_once()\n"
            "say(ms=last.time.to_sec() - first.time.to_sec())",
        )
    assert says["ms"] >= 0.05
