"""The scripted expert solves every task through the device of a person, and nothing else."""

import numpy as np
import pytest

from robot_rl.geometry import Pose
from robot_rl.sim.expert import Deflection, ScriptedExpert
from robot_rl.sim.tasks.task import View
from robot_rl.types import Source
from tests import simcells

DEFLECTION = Deflection(0.01, 0.06)


@pytest.mark.parametrize(
    ("task", "episodes", "reset"),
    [
        ("reach", 10, "teleport"),
        ("peg", 20, "teleport"),
        ("peg_hard", 10, "teleport"),
        ("plug", 20, "teleport"),
        ("pick_cube", 10, "teleport"),
        ("peg", 3, "scripted"),
        ("pick_cube", 3, "scripted"),
    ],
)
def test_the_expert_succeeds(task, episodes, reset):
    cell = simcells.make(f"task={task}", "teleop=expert", f"reset={reset}")
    failures = []
    for episode in range(episodes):
        is_success, steps = simcells.play(cell, 0 if episode == 0 else None)
        if not is_success:
            failures.append(episode)
        assert {step.source for step in steps[1:]} == {Source.HUMAN}
        assert np.abs([step.applied_action for step in steps]).max() <= 1.0
    assert len(failures) <= episodes // 20, f"failed in episodes {failures}"


def test_a_scripted_reset_brings_the_tool_to_its_start():
    for task in ("peg", "pick_cube"):
        cell = simcells.make(f"task={task}", "reset=scripted", "teleop=expert")
        starts = []
        arrange = cell.task.arrange
        cell.task.arrange = lambda generator, draw=arrange, seen=starts: seen.append(draw(generator)) or seen[-1]
        for _ in range(2):
            simcells.play(cell, None)
            cell.env.reset()
            present = cell.simulation.tcp_pose()
            error = starts[-1].inverse() @ present
            assert np.linalg.norm(error.position) < 0.003
            assert np.linalg.norm(error.rotation_vector) < 0.02
            assert cell.env.robot.gripper.width() == pytest.approx(cell.task.grasp_width_m, abs=0.002)


def test_the_blind_script_believes_the_estimate():
    cell = simcells.make("task=peg")
    cell.env.reset(seed=0)
    expert = ScriptedExpert(cell.task, DEFLECTION, View.TRUTH)
    blind = ScriptedExpert(cell.task, DEFLECTION, View.ESTIMATE)
    assert not np.allclose(expert.read().twist_base, blind.read().twist_base)
    goal = cell.task.find_goal(View.ESTIMATE).tcp_pose
    tip = cell.task.estimated_target_pose.inverse() @ goal @ cell.task.nominal_tip()
    np.testing.assert_allclose(tip.position[:2], 0.0, atol=1e-9)


def test_a_deflection_points_from_here_to_there_in_base_axes():
    here = Pose(np.array([0.5, 0.0, 0.2]), np.array([1.0, 0.0, 0.0, 0.0]))
    there = Pose.from_rotation_vector([0.0, 0.0, 0.03]) @ Pose(np.zeros(3), here.quaternion)
    there = Pose(here.position + [0.005, 0.0, -0.0025], there.quaternion)
    np.testing.assert_allclose(DEFLECTION.towards(there, here), [0.5, 0.0, -0.25, 0.0, 0.0, 0.5], atol=1e-9)
    np.testing.assert_allclose(DEFLECTION.towards(there, here, 4.0), [1.0, 0.0, -0.5, 0.0, 0.0, 1.0], atol=1e-9)


def test_the_expert_remembers_nothing():
    cell = simcells.make("task=plug")
    cell.env.reset(seed=3)
    expert = ScriptedExpert(cell.task, DEFLECTION)
    first = expert.read().twist_base
    for _ in range(5):
        np.testing.assert_array_equal(expert.read().twist_base, first)
