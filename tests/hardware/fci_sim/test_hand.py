"""The simulated Franka Hand, alone and through pylibfranka."""

import numpy as np
import pytest
from robot_rl_hardware.fci_sim.hand import Grasp, Hand, HandStatus
from robot_rl_hardware.fci_sim.plant import make_plant
from robot_rl_hardware.fci_sim.process import run_robot

from robot_rl.geometry import Pose, quaternion_exp
from robot_rl.sim.kinematics import solve_joints
from robot_rl.sim.tasks.task import TOOL_DOWN
from tests.hardware.fci_sim.clients import ask, finish, make_host, start

GRIPPER = "gripper = franka.Gripper(host)\n"


@pytest.fixture
def hand():
    hand = Hand(make_plant("table", 0))
    hand.told = []
    return hand


def run(hand, limit_ms=4000):
    """Let time pass until the command has ended; how long that took [ms]."""
    for tick in range(limit_ms):
        if not hand.is_moving:
            return tick
        hand._plant.advance(np.zeros(7))
    raise AssertionError(f"no end within {limit_ms} ms")


def test_a_move_ends_at_its_width_and_takes_its_time(hand):
    hand.move(0.03, 0.05, hand.told.append)
    took_ms = run(hand)
    assert hand.told == [HandStatus.SUCCESS]
    assert hand.width_m == pytest.approx(0.03, abs=1e-3)
    assert took_ms >= 1000  # 50 mm at 50 mm/s


def test_homing_ends_open(hand):
    hand.move(0.02, 0.1, hand.told.append)
    run(hand)
    hand.home(hand.told.append)
    assert run(hand) >= 1000  # 20 mm and 80 mm at 100 mm/s
    assert hand.told == [HandStatus.SUCCESS, HandStatus.SUCCESS]
    assert hand.width_m == pytest.approx(0.08, abs=1e-3)


def test_a_grasp_of_nothing_is_unsuccessful(hand):
    hand.grasp(Grasp(0.03, 0.005, 0.005, 20.0), 0.1, hand.told.append)
    run(hand)
    assert hand.told == [HandStatus.UNSUCCESSFUL]
    assert hand.width_m < 0.001
    assert not hand.is_grasping


def test_a_width_of_zero_can_be_grasped_as_the_tolerance_says(hand):
    hand.grasp(Grasp(0.003, 0.005, 0.005, 20.0), 0.1, hand.told.append)
    run(hand)
    assert hand.told == [HandStatus.SUCCESS]
    assert hand.is_grasping


@pytest.mark.parametrize(("width_m", "speed_m_s"), [(-0.01, 0.1), (0.081, 0.1), (0.03, 0.0), (float("nan"), 0.1)])
def test_a_move_that_makes_no_sense_fails_at_once(hand, width_m, speed_m_s):
    hand.move(width_m, speed_m_s, hand.told.append)
    assert hand.told == [HandStatus.FAIL]
    assert not hand.is_moving


def test_stop_and_the_next_command_abort_what_is_under_way(hand):
    first, second = [], []
    hand.move(0.0, 0.05, first.append)
    for _ in range(300):
        hand._plant.advance(np.zeros(7))
    hand.move(0.08, 0.05, second.append)
    assert (first, second) == ([HandStatus.ABORTED], [])
    hand.stop()
    assert second == [HandStatus.ABORTED]
    at_the_stop = hand.width_m
    for _ in range(300):
        hand._plant.advance(np.zeros(7))
    assert hand.width_m == pytest.approx(at_the_stop, abs=0.005)


# ------------------------------------------------------------------------------------ through the client


def test_a_client_moves_the_hand_while_the_arm_rests():
    with run_robot(make_host()) as robot:
        says = ask(
            robot,
            GRIPPER + "first = gripper.read_once()\n"
            "results = [gripper.move(0.05, 0.1), gripper.grasp(0.03, 0.1, 20.0, 0.005, 0.005)]\n"
            "wrong = attempt(lambda: gripper.move(0.2, 0.1))\n"
            "say(first=[first.width, first.max_width, first.is_grasped], results=results, wrong=wrong,"
            " version=gripper.server_version(), stopped=gripper.stop())",
        )
        assert robot.order("look")["width_m"] < 0.001
    assert says["first"] == [pytest.approx(0.08, abs=1e-4), 0.08, False]
    assert says["results"] == [True, False]  # there is nothing to grasp
    assert says["wrong"] == "CommandException: libfranka gripper: Command failed!"
    assert says["version"] == 3
    assert says["stopped"] is True


def test_a_second_client_stops_what_the_first_one_waits_for():
    with run_robot(make_host()) as robot:
        client = start(robot, GRIPPER + "print('here', flush=True)\nsay(why=attempt(lambda: gripper.move(0.0, 0.001)))")
        assert client.stdout.readline() == "here\n"
        while robot.order("look")["width_m"] > 0.0795:
            assert client.poll() is None
        prelude = "import sys, json\nimport pylibfranka as franka\n"
        assert ask(robot, "print(json.dumps(franka.Gripper(sys.argv[1]).stop()))", prelude) is True
        assert finish(client)["why"].startswith("CommandException")


def test_a_cube_is_grasped_and_held():
    plant = make_plant("pick_cube", 0)
    address = plant.model.joint("cube_free").qposadr[0]
    cube = plant.data.qpos[address : address + 3]
    rotation = plant.data.body("cube").xmat.reshape(3, 3)
    down = Pose(cube, TOOL_DOWN)
    yaw = float(np.arctan2(rotation[1, 0], rotation[0, 0]))
    turned = down @ Pose(quaternion=quaternion_exp([0.0, 0.0, -yaw]))
    with run_robot(make_host(), scene="pick_cube") as robot:
        robot.order("place", joints=solve_joints(plant.model, turned).tolist())
        says = ask(
            robot,
            GRIPPER + "has = gripper.grasp(0.04, 0.1, 30.0, 0.005, 0.005); time.sleep(0.1)\n"
            "state = gripper.read_once(); say(has=has, width=state.width, held=state.is_grasped)",
        )
    assert says["has"] is True
    assert says["width"] == pytest.approx(0.04, abs=0.003)
    assert says["held"] is True
