"""The laws of the design, one test each, as far as their parts exist. The details are tested where they live."""

from pathlib import Path

import numpy as np
import pytest

from robot_rl.control.action_map import ActionMap
from robot_rl.errors import StoppedError
from robot_rl.geometry import Pose
from robot_rl.types import Button, Outcome, Reason, Source
from tests import simcells
from tests.contracts import assert_near
from tests.fakes import Act, make_cell

LEFT = (0.0, 1.0, 0.0, 0.0, 0.0, 0.0)


def test_law_1_what_is_stored_is_what_the_robot_executed():
    """After clipping, after the safety filter, after the human: the stored action leads to the arm's last command."""
    cell = make_cell(
        [Act(0.53, 0.9, (0.7, -0.4, 0.9, 0.2, 0.0, -1.0)), Act(1.21, 1.24, LEFT)],
        takeover_hold_s=0.05, box_lower_m=(0.485, -0.012, 0.185), box_upper_m=(0.515, 0.012, 0.215), share=0.6,
    )  # fmt: skip
    cell.env.reset(seed=0)
    generator, seen = np.random.default_rng(0), set()
    for step in range(20):
        reference = cell.arm.state().tcp_pose
        action = generator.uniform(-1.8, 1.8, 6)
        if step == 4:
            action[0] = np.nan
        time_step = cell.env.step(action)
        executed = cell.env.action_map.to_pose(time_step.applied_action, reference)
        assert_near(executed, cell.arm.commands[-1][0], 1e-6, 1e-5)
        cell.env.spec.action.validate(time_step.applied_action)
        seen |= {correction.reason for correction in cell.env.corrections} | {time_step.source}
    assert seen >= {Reason.OUT_OF_RANGE, Reason.WORKSPACE, Reason.NOT_FINITE, Source.HUMAN, Source.POLICY}


def test_law_2_termination_and_truncation_are_different():
    """A time limit, an abort and a stop bootstrap; success and failure do not."""
    ends = {}
    for name, prepare in {
        "time": lambda cell: None,
        "success": lambda cell: setattr(cell.task, "outcome", Outcome(1.0, is_terminal=True, is_success=True)),
        "failure": lambda cell: cell.teleop.acts.append(Act(0.0, 9.0, buttons=frozenset({Button.FAILURE}))),
        "abort": lambda cell: cell.teleop.acts.append(Act(0.0, 9.0, buttons=frozenset({Button.ABORT}))),
        "stop": lambda cell: cell.arm.stop(Reason.WRENCH, "61 N"),
    }.items():
        cell = make_cell([], step_limit=1)
        cell.env.reset(seed=0)
        prepare(cell)
        last = cell.env.step(np.zeros(6))
        assert last.is_last
        ends[name] = last.discount
    assert ends == {"time": 1.0, "success": 0.0, "failure": 0.0, "abort": 1.0, "stop": 1.0}


def test_law_3_the_observation_has_room_for_the_base_policys_action_also_the_last_one():
    """The environment leaves it empty: only the actor, which asks the base policy, may fill it in."""
    cell = make_cell(step_limit=2)
    time_step = cell.env.reset(seed=0)
    observations = [time_step.observation]
    while not time_step.is_last:
        time_step = cell.env.step(np.zeros(6))
        observations.append(time_step.observation)
    assert [observation.base_action for observation in observations] == [None] * 3


def test_law_4_a_takeover_and_a_hand_back_can_be_told_from_every_time_step():
    """A plan is invalidated by what the source says; a period that a person touched at all is theirs."""
    cell = make_cell([Act(0.28, 0.42, LEFT)], takeover_hold_s=0.1)
    cell.env.reset(seed=0)
    sources = [cell.env.step(np.zeros(6)).source for _ in range(7)]
    # hand: 0.28 to 0.42 s, hold until 0.51 s
    assert sources == [Source.POLICY] * 2 + [Source.HUMAN] * 4 + [Source.POLICY]


def test_law_6_delta_poses_map_between_frames_by_block_diagonal_rotations_never_by_the_adjoint():
    """The peer's adjoint gave a pure +y body translation 0.55 of rotation about z."""
    pose = Pose(np.array([0.55, 0.1, 0.3]), np.array([1.0, 0.0, 0.0, 0.0]))
    moved = ActionMap(0.01, 0.06).to_pose([0, 1, 0, 0, 0, 0], pose)
    np.testing.assert_array_equal(moved.quaternion, pose.quaternion)
    np.testing.assert_allclose(moved.position - pose.position, [0.0, -0.01, 0.0], atol=1e-15)
    person = ActionMap(0.01, 0.06).from_twist_base([1, 0, 0, 0, 0, 0], pose)
    np.testing.assert_array_equal(person, np.array([1, 0, 0, 0, 0, 0], np.float32))


def test_law_6_the_simulated_robot_obeys_it_too():
    cell = simcells.make("task=reach", "task.scene.start_tilt_range_rad=0.0")
    cell.env.reset(seed=0)
    for _ in range(4):
        start = cell.simulation.tcp_pose()
        cell.env.step([0, 1, 0, 0, 0, 0])
        target = cell.simulation.law.shaped_target
        np.testing.assert_allclose(target.quaternion, start.quaternion, atol=1e-9)
        np.testing.assert_allclose(start.inverse().transform_point(target.position), [0.0, 0.01, 0.0], atol=1e-6)


def test_law_7_a_person_and_a_policy_go_through_the_same_map_and_the_same_filter():
    """The same wish, once from the policy and once through the device: the same commands, corrections and actions."""
    wish = np.array([0.9, -0.6, 0.4, 0.5, -0.3, 0.8])
    limits = {"action_frame": "base", "box_upper_m": (0.512, 0.3, 0.205), "max_tilt_rad": 0.1}
    by_policy, by_person = make_cell([], **limits), make_cell([Act(0.0, 99.0, wish)], **limits)
    for cell in (by_policy, by_person):
        cell.env.reset(seed=0)
    for _ in range(10):
        one, other = by_policy.env.step(wish), by_person.env.step(np.zeros(6))
        np.testing.assert_array_equal(one.applied_action, other.applied_action)
        assert by_policy.env.corrections == by_person.env.corrections
        assert (one.source, other.source) == (Source.POLICY, Source.HUMAN)
    assert by_policy.env.corrections, "nothing was corrected: the filter was not tested"
    for a, b in zip(by_policy.arm.commands, by_person.arm.commands, strict=True):
        assert_near(a[0], b[0], 0.0, 1e-9)


@pytest.mark.parametrize("kind", ["fake", "simulated"])
def test_law_8_every_stop_has_a_reason_and_nothing_clears_it_silently(kind):
    env = make_cell([]).env if kind == "fake" else simcells.make("task=reach").env
    env.reset(seed=0)
    record = env.robot.stop(Reason.WRENCH, "elbow against the shelf")
    last = env.step(np.ones(6))
    assert last.observation is not None
    assert any("elbow against the shelf" in c.detail for c in env.corrections)
    for _ in range(3):
        with pytest.raises(StoppedError, match="elbow against the shelf"):
            env.reset()
        env.robot.arm.set_impedance(env.config.impedance)
        assert env.robot.stop(Reason.REQUESTED, "again") == record
    assert env.robot.arm.state().stop == record
    env.robot.arm.recover()
    assert env.reset().is_first


def test_only_the_environment_decides_about_interventions():
    """One place: outside `robot_rl.env` nobody makes or reads a takeover."""
    package = Path(__file__).parents[1] / "robot_rl"
    users = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "Takeover(" in path.read_text() or "import Takeover" in path.read_text()
    }
    assert users == {"env/robot_env.py"}
