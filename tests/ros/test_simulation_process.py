"""The simulation as a process: what it has ready before its nodes are there, and how its time passes."""

import subprocess
import sys

import numpy as np
import pytest
import rclpy
from robot_rl_ros import simulation

from robot_rl.clock import NS_PER_S, to_ns
from robot_rl.errors import ConfigError
from robot_rl.runtime.assembly import make_served_workcell, make_sim_workcell
from tests.ros import simulated

WORDS = ("task=reach", "teleop=none")

# In a process of its own: in this one other tests may have compiled everything already.
COUNT_COMPILED = """
import gc

import numpy as np
from numba.core.dispatcher import Dispatcher
from robot_rl_ros import simulation

from robot_rl.types import Reason
from tests.ros import simulated


def count():
    return {str(each): len(each.signatures) for each in gc.get_objects() if issubclass(type(each), Dispatcher)}


with simulation._opened(simulated.load("task=reach", "teleop=none")) as (cell, _):
    before = count()
    env = cell.env
    env.reset(0)
    for _ in range(3):
        env.step(np.full(env.spec.action_size, 0.1, np.float32))
    env.robot.arm.stop(Reason.REQUESTED, "a test")
    cell.simulation.advance(3)
    env.robot.arm.recover()
    cell.simulation.advance(3)
    assert sum(before.values()) > 0
    assert count() == before
"""


def test_everything_is_compiled_before_there_are_nodes_that_could_seem_dead():
    command = [sys.executable, "-c", COUNT_COMPILED]
    process = subprocess.run(command, capture_output=True, text=True, timeout=2 * simulated.PATIENCE_S, check=False)
    assert process.returncode == 0, process.stderr


def test_compiling_leaves_the_simulation_as_it_was():
    """Episodes are bit for bit those of one process."""
    cell = make_sim_workcell(simulated.load(*WORDS))
    before, at_ns = cell.simulation.save(), cell.simulation.now_ns()
    simulation._compile_law(cell.simulation)
    after = cell.simulation.save()
    assert (after.law, after.tick_count, after.stop) == (before.law, before.tick_count, before.stop)
    for name in ("physics", "torque", "wrench"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    assert cell.simulation.now_ns() == at_ns


@pytest.fixture
def in_real_time(monkeypatch):
    """(node, its simulation, a system's clock that can be set)"""
    now_ns = [1_000 * NS_PER_S]
    monkeypatch.setattr(simulation, "clock_now_ns", lambda node: now_ns[0])
    rclpy.init(args=[])
    config = simulated.load(*WORDS, "graph=real_time")
    cell = make_served_workcell(config)
    node = simulation.SimulationNode(cell, config, is_lock_step=False)
    yield node, cell.simulation, now_ns
    for each in node.nodes:
        each.destroy_node()
    rclpy.try_shutdown()


def test_time_passes_on_after_the_clock_was_set(in_real_time, monkeypatch):
    node, world, now_ns = in_real_time
    told = []
    monkeypatch.setattr(node.task, "publish", lambda reading: told.append(world.now_ns()))
    ticks = []
    for leap_s in (0.0, -30.0, 30.0, -0.2):
        now_ns[0] += to_ns(leap_s)
        node._follow()
        before = world.now_ns()
        told.clear()
        for _ in range(20):
            now_ns[0] += to_ns(0.01)
            node._follow()
        ticks.append(world.now_ns() - before)
        assert world.now_ns() == now_ns[0], "stamps are those of the system's clock"
        assert len(told) == 2, "each policy period the task speaks"
    assert ticks == [to_ns(0.2)] * 4


def test_time_does_not_leap_back_for_a_moment_that_a_reset_took(in_real_time):
    node, world, now_ns = in_real_time
    world.advance(10)
    node._follow()
    assert world.now_ns() == now_ns[0] + to_ns(0.01)


def test_a_second_robot_in_one_place_ends_at_once_and_leaves_the_first_alone(tmp_path):
    """As `ros2 launch`, typed twice, would start it."""
    folder = tmp_path / "second"
    folder.mkdir()
    with simulated.graph(tmp_path, *WORDS) as (first, here):
        with simulated.started("simulation", folder, "--config", "env", *WORDS) as second:
            assert second.popen.wait(simulated.PATIENCE_S) == ConfigError.exit_status
        assert "A robot is served already in ROS domain" in second.output()
        assert "Traceback" not in second.output()
        here.advance(0.1)
        assert first.popen.poll() is None
        assert here.cell.robot.arm.state().stop is None
