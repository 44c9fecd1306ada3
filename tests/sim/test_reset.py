"""Resets of the simulated robot: the script and the elbow under the real law, and a policy that undoes a task."""

import numpy as np
import pytest

from robot_rl import config as configuration
from robot_rl.control.guard import Guard
from robot_rl.env.resets import play
from robot_rl.errors import ConfigError, SpecError, StoppedError
from robot_rl.runtime.assembly import make_served_workcell
from robot_rl.runtime.config import TrainConfig
from robot_rl.runtime.learning.training import Training
from robot_rl.runtime.run_folder import RunFolder
from robot_rl.sim.kinematics import solve_joints
from robot_rl.sim.tasks.task import View
from robot_rl.types import Reason
from tests import simcells
from tests.contracts import assert_near


def lean(cell):
    """Have the elbow drift while the tool stays, as hours of contact do; return how far the tool moved [m]."""
    arm = cell.env.robot.arm
    before = arm.state()
    arm.set_posture(before.joint_positions + np.array([0.6, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]))
    simcells.sleep(cell, 4.0)
    return float(np.linalg.norm(arm.state().tcp_pose.position - before.tcp_pose.position))


@pytest.mark.parametrize(("every", "least_rad", "most_rad"), [(0, 0.2, 1.0), (1, 0.0, 0.07)])
def test_the_elbow_returns_where_it_is_told_to(every, least_rad, most_rad):
    cell = simcells.make("task=peg", "reset=scripted", f"reset.posture_every={every}")
    cell.env.reset(seed=1)
    assert lean(cell) < 1e-3, "the tool stays where it is commanded"
    for seed in (2, 3, 4):
        cell.env.reset(seed=seed)
    state = cell.env.robot.arm.state()
    off_rad = np.abs(state.joint_positions - solve_joints(cell.simulation.model, state.tcp_pose)).max()
    assert least_rad <= off_rad <= most_rad


@pytest.mark.parametrize("posture", [np.zeros(6), np.full(7, np.nan), np.zeros(7)], ids=["short", "nan", "beyond"])
def test_a_posture_that_is_none_is_refused(posture):
    arm = simcells.make("task=reach").env.robot.arm
    with pytest.raises(SpecError, match="7 angles"):
        arm.set_posture(posture)


def test_after_a_pick_the_script_lets_go_lifts_and_returns():
    cell = simcells.make("task=pick_cube", "reset=scripted", "teleop=expert")
    for seed in (0, 1):
        is_success, steps = simcells.play(cell, seed)
        assert is_success
        assert steps[0].observation.proprio["gripper"][0] > 0.95, "the episode began with an open gripper"
        assert np.linalg.norm(steps[0].observation.proprio["task"][:2]) < 0.12, "and above the cube"


def test_the_script_keeps_the_limits_of_speed_and_wrench():
    cell = simcells.make("task=plug", "reset=scripted", "teleop=expert")
    cell.env.reset(seed=0)
    simcells.play(cell, 1)  # ends with the plug held by its latch
    cell.simulation.peak_force[:] = 0.0
    states = []
    for progress in cell.reset.steps(cell.env.robot, cell.env.clock, cell.env._safety, 2):
        while cell.env.clock.now_ns() < progress.until_ns:
            cell.env.clock.sleep_until_ns(cell.env.clock.now_ns() + 10_000_000)
            states.append(cell.env.robot.arm.state())
    assert 0.05 < max(np.linalg.norm(state.tcp_twist_base[:3]) for state in states) < 0.3
    limit_n = cell.env.config.max_force_n
    assert 10.0 < max(np.linalg.norm(state.tcp_wrench[:3]) for state in states) <= limit_n, "the latch was felt"
    assert cell.simulation.peak_force[0] < 2.0 * limit_n, "within what the guard lets pass"
    assert all(Guard(cell.env._safety.limits).check_state(state) is None for state in states)


def test_a_reset_that_takes_too_long_stops_the_arm():
    cell = simcells.make("task=reach", "reset=scripted", "reset.timeout_s=0.5")
    with pytest.raises(StoppedError, match=r"not over after 0\.5 s, but still (lifting|returning)"):
        cell.env.reset(seed=0)
    assert cell.env.robot.arm.state().stop.reason is Reason.TIMEOUT
    with pytest.raises(StoppedError, match="took too long"):
        cell.env.reset(seed=0)


@pytest.mark.parametrize("kind", ["teleport", "scripted"])
def test_the_start_is_drawn_from_its_box(kind):
    words = ("task=reach", f"reset={kind}")
    plain, drawn = (simcells.make(*words, *more) for more in ((), ("reset.start_half_m=[0.05,0.05,0.02]",)))
    offsets = []
    for seed in range(3):
        for cell in (plain, drawn):
            cell.env.reset(seed=seed)
        np.testing.assert_array_equal(plain.task.target.to_vector(), drawn.task.target.to_vector())
        poses = [cell.env.robot.arm.state().tcp_pose.position for cell in (plain, drawn)]
        offsets.append(poses[1] - poses[0])
    assert (np.abs(offsets) < [0.055, 0.055, 0.025]).all()
    assert (np.std(offsets, axis=0) > 2e-3).all()


# ------------------------------------------------------------------------------------ a policy that undoes the task


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A policy of `reach` that has hardly learned anything."""
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "reach")
    words = ["task=reach", "agent=bc", "agent.pretrain_updates=2", "agent.hidden=[8,8]", "device=cpu"]
    config = configuration.load(TrainConfig, "train", [*words, "demonstrations=1", "final_episodes=0"])
    folder.create(config)
    Training(config, folder, []).run()
    return folder.path


def make_backward(run, *words):
    return simcells.make("task=peg", "teleop=expert", "reset=backward_policy", f"reset.policy={run}", *words)


def test_a_policy_undoes_the_task_and_the_script_helps_it_out(run):
    cell = make_backward(run)
    phases = []
    for seed in (0, 1):
        is_success, steps = simcells.play(cell, seed)
        assert is_success, "the peg, from a start like any other"
        assert steps[0].observation.proprio["task"][2] < 0.0, "above the rim"
    for progress in cell.reset.steps(cell.env.robot, cell.env.clock, cell.env._safety, 2):
        phases.append(progress.phase)
        cell.env.clock.sleep_until_ns(progress.until_ns)
    assert phases.count("undoing the task by reach") == 50
    assert {"lifting", "returning", "lowering"} <= set(phases)
    start = cell.task.arrange(2)
    assert_near(cell.env.robot.arm.state().tcp_pose, start, 0.01, 0.05)


def test_a_policy_that_undoes_the_task_leaves_nothing_to_lift(run, monkeypatch):
    cell = make_backward(run)
    simcells.play(cell, 0)
    backward = cell.reset._procedure._env.task

    class Script:
        def reset(self):
            pass

        def __call__(self, observation):
            goal = backward.find_goal(View.TRUTH).tcp_pose.position - cell.simulation.tcp_pose().position
            up = cell.simulation.tcp_pose().position[2] < 0.16  # first out of the hole
            action = np.zeros(6, np.float32)
            action[:3] = np.clip(([0.0, 0.0, 1.0] if up else 150.0 * goal) * np.array([1.0, -1.0, -1.0]), -1.0, 1.0)
            return action

    monkeypatch.setattr(cell.reset._procedure, "_policy", Script())
    phases = {p.phase for p in stepped(cell, 1)}
    assert "undoing the task by reach" in phases
    assert "lifting" not in phases


def stepped(cell, seed):
    seen = []

    def noted():
        for progress in cell.reset.steps(cell.env.robot, cell.env.clock, cell.env._safety, seed):
            seen.append(progress)
            yield progress

    play(noted(), cell.env.clock)
    return seen


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("task=reach",), "was trained on reach itself"),
        (("task=peg", "graph.mode=real_time"), "needs graph=lock_step"),
        (("task=peg", "task.episode.rate_hz=5"), "acts 10 times a second, and the task is run at 5 Hz"),
    ],
)
def test_a_policy_that_does_not_go_with_the_task_is_refused(run, words, said):
    config = simcells.load(*words, "reset=backward_policy", f"reset.policy={run}")
    with pytest.raises(ConfigError, match=said):
        make_served_workcell(config)


def test_a_run_that_is_not_there_is_an_error():
    with pytest.raises(ConfigError, match="nowhere"):
        simcells.make("task=peg", "reset=backward_policy", "reset.policy=nowhere")
