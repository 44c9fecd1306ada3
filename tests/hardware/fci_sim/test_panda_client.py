"""libfranka 0.9, as panda-python brings it along, drives the older dialect."""

import numpy as np
import pytest
from robot_rl_hardware.fci_sim.process import run_robot

from robot_rl.sim import franka
from tests.hardware.fci_sim.clients import PANDA, ask, make_host

WAVE = """
ticks = [0]
durations = set()


def wave(state, duration):
    ticks[0] += 1
    durations.add(duration.to_msec())
    command = franka.Torques([0.3 * math.sin(0.01 * ticks[0])] * 7)
    command.motion_finished = ticks[0] >= 500
    return command
"""


@pytest.fixture(scope="module")
def robot():
    with run_robot(make_host(), robot="panda") as served:
        yield served


def test_a_client_reads_and_moves(robot):
    says = ask(
        robot,
        WAVE + "first = robot.read_once()\nrobot.control(wave, False, 1000.0)\n"
        "say(q=first.q, version=robot.server_version(), ticks=ticks[0], durations=sorted(durations),"
        " last=robot.read_once().q)",
        PANDA,
    )
    assert says["q"] == franka.HOME_JOINTS.tolist()  # 64 bits
    assert says["version"] == 5
    assert says["ticks"] == 500
    assert says["durations"][-1] == 1 or says["durations"][1:] == [1]
    assert np.abs(np.array(says["last"]) - franka.HOME_JOINTS).max() > 1e-5
    assert robot.order("look")["lost_count"] == 0


def test_a_reflex_and_its_recovery(robot):
    says = ask(
        robot,
        "jump = lambda state, duration: franka.Torques([5.0] * 7)\n"
        "why = attempt(lambda: robot.control(jump, False, 1000.0))\n"
        "again = attempt(lambda: robot.control(jump, False, 1000.0))\n"
        "robot.automatic_error_recovery()\n"
        "robot.set_collision_behavior(*[[20.0] * 7] * 4, *[[20.0] * 6] * 4)\n"
        "say(why=why, again=again, mode=str(robot.read_once().robot_mode), model=attempt(robot.load_model))",
        PANDA,
    )
    assert '["controller_torque_discontinuity"]' in says["why"]
    assert "not possible in the current mode" in says["again"]
    assert says["mode"].endswith("kIdle")
    assert says["model"]  # it is a library of the real robot's, which nobody here has


def test_the_user_stop(robot):
    robot.order("press_user_stop", at_cycle=robot.order("look")["cycle_count"] + 20)
    says = ask(robot, WAVE + "say(why=attempt(lambda: robot.control(wave, False, 1000.0)))", PANDA)
    robot.order("release_user_stop")
    assert "User Stop pressed!" in says["why"]
