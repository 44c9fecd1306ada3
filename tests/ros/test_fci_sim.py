"""The graph on a robot that libfranka and the real driver move: the simulated one, behind the wire of the real one."""

import json

import numpy as np
import pytest

from robot_rl.data.store_reader import StoreReader
from robot_rl.errors import ConfigError
from robot_rl.runtime.assembly import make_sim_workcell
from robot_rl.runtime.processes.graph import list_processes
from tests.hardware.fci_sim.clients import make_host
from tests.ros import simulated
from tests.ros.test_up import PATIENCE_S, STEPS, Up

WORDS = ("task=peg", "teleop=none")
FREE_STEPS, PUSH_STEPS = 60, 40


def play(env):
    """Commands that depend on nothing but their number: above the socket first, then down onto it; what is seen."""
    generator, seen = np.random.default_rng(4), [env.reset(7)]
    for step in range(FREE_STEPS + PUSH_STEPS):
        action = generator.uniform(-1.0, 1.0, env.action_map.action_size)
        action[2] = -0.05 * abs(action[2]) if step < FREE_STEPS else 1.0  # the tool's axis points down
        seen.append(env.step(action))
    return [each.observation.proprio for each in seen]


def test_the_same_commands_lead_where_they_lead_in_simulation(tmp_path, record_property):
    expected = play(make_sim_workcell(simulated.load(*WORDS, "reset=scripted")).env)
    words = (*WORDS, "robot=fci_sim", f"robot.franka.host={make_host()}")
    with simulated.graph(tmp_path, *words) as (_, here):
        seen = play(here.cell.env)
    off_m = [float(np.linalg.norm(a["task"][:3] - b["task"][:3])) for a, b in zip(seen, expected, strict=True)]
    off_rad = [float(np.linalg.norm(a["task"][3:] - b["task"][3:])) for a, b in zip(seen, expected, strict=True)]
    forces_n = [float(np.linalg.norm(each["tcp_force"])) for each in expected]
    record_property("free_mm", 1e3 * max(off_m[: FREE_STEPS + 1]))
    record_property("contact_mm", 1e3 * max(off_m))
    print(f"off by {1e3 * max(off_m[: FREE_STEPS + 1]):.3f} mm in the air, {1e3 * max(off_m):.3f} mm in contact")
    assert max(forces_n[: FREE_STEPS + 1]) < 0.5
    assert max(forces_n[FREE_STEPS:]) > 5.0, "it never touched"
    assert max(off_m[: FREE_STEPS + 1]) <= 2e-4
    assert max(off_rad[: FREE_STEPS + 1]) <= 1e-3
    moved_m = np.linalg.norm(expected[0]["task"][:3] - expected[FREE_STEPS]["task"][:3])
    assert moved_m > 0.01


def test_a_training_run_comes_to_its_end(tmp_path):
    graph = Up(tmp_path, "robot=fci_sim", f"robot.franka.host={make_host()}", "task=peg", "task.episode.step_limit=100")
    try:
        assert graph.process.wait(2 * PATIENCE_S) == 0, graph.output()
    finally:
        graph.end()
    result = json.loads(graph.output().splitlines()[-1])
    assert (result["episodes"], result["env_steps"]) == (2, STEPS)
    rows = list(StoreReader(graph.run / "experience").records())
    assert sum(not row.time_step.is_first for row in rows) == STEPS
    assert "the robot is stopped: wrench" not in graph.output()


@pytest.mark.parametrize(
    ("word", "message"), [("graph=real_time", "graph=lock_step"), ("reset=teleport", "reset=scripted")]
)
def test_it_wants_a_time_that_waits_and_a_reset_that_moves(word, message):
    with pytest.raises(ConfigError, match=message):
        list_processes("evaluate", ["robot=fci_sim", word])


def test_within_one_process_there_is_no_such_robot():
    with pytest.raises(ConfigError, match="robot-rl up"):
        make_sim_workcell(simulated.load("robot=fci_sim"))
