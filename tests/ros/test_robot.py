"""The real robot's process, with the real driver, on a robot that is simulated behind the wire of the real one."""

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from robot_rl_hardware.fci_sim.process import run_robot
from robot_rl_ros.process import NEEDED_S

from robot_rl.errors import ConfigError, RobotRLError
from robot_rl.runtime.processes.graph import list_processes
from robot_rl.sim.simulation import Simulation
from robot_rl.sim.tasks import make_task
from robot_rl.sim.tasks.scene import SceneConfig
from robot_rl.sim.workcell import make_workcell_spec
from robot_rl.types import Reason
from tests.hardware.fci_sim.clients import make_host
from tests.ros import simulated
from tests.ros.foreign_controller import ForeignController
from tests.ros.test_up import find_processes

TOOL_M, DEPTH_M = 0.04, 0.02
PLACE = ("task.place.target_m=[0.5,0.0,0.05]", "task.place.success_depth_m=0.02")


def find_target():
    """Mouth of the hole in the scene of seed 0, and its turn: what somebody would measure."""
    task, spec = make_task("peg", SceneConfig()), make_workcell_spec()
    task.add_to(spec)
    task.attach(Simulation(spec))
    task.arrange(0)
    x_axis = task.target.rotation[:, 0]
    return task.target.position, float(np.arctan2(x_axis[1], x_axis[0]))


@pytest.fixture(scope="module")
def served():
    with run_robot(make_host(), scene="peg") as robot:
        yield robot


@pytest.fixture
def words(served):
    (x, y, z), yaw_rad = find_target()
    return (
        "task=peg",
        "robot=fr3",
        f"robot.franka.host={served.host}",
        f"task.place.target_m=[{x},{y},{z}]",
        f"task.place.target_yaw_rad={yaw_rad}",
        f"task.place.tool_length_m={TOOL_M}",
        f"task.place.success_depth_m={DEPTH_M}",
        "reward=task",
        "teleop=none",
        "demonstrations=0",
        "graph.lease_s=5.0",  # the tests' processes share two cores
        "graph.patience_s=20.0",
    )


def wait_until(is_reached, patience_s=60.0):
    end_s = time.monotonic() + patience_s
    while not is_reached():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def test_episodes_on_a_robot_whose_task_is_at_a_measured_place(served, words, tmp_path):
    """The peg goes in because the place says where: no simulated task has a part in it."""
    with simulated.started("robot", tmp_path, *words) as process:
        with simulated.joined(simulated.load(*words)) as here:
            env = here.cell.env
            step = env.reset(0)
            start = step.observation.proprio["task"]
            np.testing.assert_allclose(start[:3], [0.0, 0.0, -0.04], atol=0.01)
            while not step.is_last:
                estimate = step.observation.proprio["task"]
                action = np.zeros(env.action_map.action_size)
                action[:2] = np.clip(-200.0 * estimate[:2], -1.0, 1.0)  # the axes of tool and target agree
                action[2] = 0.5
                step = env.step(action)
            assert env.outcome.is_success, (step.observation.proprio["task"], env.corrections, process.output())
            assert step.reward == 1.0
            assert step.observation.proprio["task"][2] >= DEPTH_M
            here.advance(2.5)  # between two episodes nobody commands: the arm is held all the same
            assert here.cell.robot.arm.state().stop is None
            env.reset(1)
        assert process.end() == 0, process.output()
    wait_until(lambda: served.order("look")["mode"] == "IDLE")


def test_a_lost_hand_stops_the_arm_and_the_reason_is_told(served, words, tmp_path):
    with simulated.started("robot", tmp_path, *words) as process, simulated.joined(simulated.load(*words)) as here:
        here.cell.env.reset(0)
        (watcher,) = [
            number
            for number in find_processes("robot_rl_hardware.franka.hand_process", served.host)
            if b"\0watch\0" in Path(f"/proc/{number}/cmdline").read_bytes()
        ]
        os.kill(watcher, signal.SIGKILL)
        arm = here.cell.robot.arm
        here.wait_for(lambda: arm.state().stop is not None)
        assert arm.state().stop.reason is Reason.STALE_STATE
        assert "hand is lost" in arm.state().stop.detail
        here.advance(0.5)
        assert process.output().count("the robot is stopped") == 1, "told once, however often somebody looks"
        with pytest.raises(RobotRLError, match="hand is lost"):
            here.cell.env.reset(1)
        assert process.popen.poll() is None


def test_a_killed_process_leaves_an_arm_that_holds(served, words, tmp_path):
    with simulated.started("robot", tmp_path, *words) as process, simulated.joined(simulated.load(*words)) as here:
        here.cell.env.reset(0)
        before = served.order("look")
        assert before["mode"] == "MOVE"
        process.kill()
        wait_until(lambda: served.order("look")["mode"] == "IDLE")
        after = served.order("look")
        assert np.abs(np.subtract(after["joint_positions"], before["joint_positions"])).max() < 0.05
        assert np.abs(after["joint_velocities"]).max() < 0.01


class WallClock:
    """The time of ROS."""

    def now_ns(self):
        return time.time_ns()

    def sleep_until_ns(self, stamp_ns):
        time.sleep(max(0, stamp_ns - self.now_ns()) * 1e-9)


def test_a_robot_behind_somebody_elses_controller(tmp_path):
    words = (
        "task=reach",
        "robot=external",
        "robot.external.recovery=''",
        "robot.external.max_age_s=2.0",  # the tests' processes share two cores
        "robot.external.patience_s=60",
        *PLACE,
        "task.place.start_height_m=0.1",
        "reward=task",
        "teleop=none",
        "demonstrations=0",
        "graph.lease_s=5.0",
        "graph.patience_s=20.0",
    )
    foreign, is_over = ForeignController(WallClock()), threading.Event()

    def live():
        while not is_over.is_set():
            foreign.advance(0.01)

    thread = threading.Thread(target=live)
    thread.start()
    try:
        with simulated.started("robot", tmp_path, *words) as process:
            with simulated.joined(simulated.load(*words)) as here:
                env = here.cell.env
                start = env.reset(0).observation.proprio["task"]
                np.testing.assert_allclose(start[:3], [0.0, 0.0, -0.1], atol=0.01)
                for _ in range(5):
                    step = env.step(np.array([0.0, 0.0, 0.5, 0.0, 0.0, 0.0]))
                assert step.observation.proprio["task"][2] > start[2] + 0.003
            assert process.end() == 0, process.output()
    finally:
        is_over.set()
        thread.join()
        foreign.close()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("task.place.target_m=null",), "task.place.target_m is not set"),
        (("graph=lock_step",), "graph=real_time"),
        (("reset=teleport",), "reset=scripted"),
        (("teleop=human",), "simulated person"),
        (("reward=task", "task.place.success_depth_m=null"), "success_depth_m"),
        (("robot.cameras=[wrist]",), "camera=realsense"),
        (("demonstrations=20",), "demonstrations_from=FOLDER"),
        (("task.place.start_height_m=0",), "start_height_m must be positive"),
        (("robot=external", "task=pick_cube"), "needs a gripper"),
    ],
)
def test_what_only_a_simulator_has_is_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        list_processes("train_peg", ["robot=fr3", *PLACE, "demonstrations=0", *given])


def test_its_graph_has_a_person_and_a_robot():
    for robot in ("fr3", "panda", "external"):
        words = [f"robot={robot}", *PLACE, "demonstrations=0"]
        names = [process.name for process in list_processes("train_peg", words)]
        assert names == ["robot", "teleop", "learner", "actor"]


@pytest.mark.parametrize("robot", ["fr3", "sim"])
def test_a_robot_that_is_told_to_end_serves_until_whoever_moves_it_was_urged_to(robot):
    """All are told at once where the supervisor has died; the robot's own turn to be urged comes after both."""
    processes = list_processes("train_peg", [f"robot={robot}", *PLACE, "demonstrations=0"])
    (driver,) = [process for process in processes if process.moves_robot]
    assert driver.patience_s < NEEDED_S < processes[0].patience_s
