"""The environment with fakes: what is stored is what was executed, whoever asked for it."""

from itertools import pairwise

import numpy as np
import pytest

from robot_rl.clock import to_ns
from robot_rl.control.action_map import ActionMap
from robot_rl.errors import ConfigError, EpisodeError, StoppedError
from robot_rl.geometry import Pose
from robot_rl.types import Button, Outcome, Reason, Source, StepType
from tests.contracts import EnvContract, assert_near, distance
from tests.fakes import Act, make_cell

X = np.array([1.0, 0, 0, 0, 0, 0], np.float32)
# a hand that pushes along the base's x; the fake tool points down with its x forward, so in tool axes it is x too
PUSH = (1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
LEFT = (0.0, 1.0, 0.0, 0.0, 0.0, 0.0)
FREE = {"translation_scale_m": 0.01, "takeover_hold_s": 0.03, "action_frame": "base"}


class TestFakeEnv(EnvContract):
    pictures_repeat = False  # the fake camera shows the time

    @pytest.fixture
    def make_env(self):
        return lambda: make_cell(has_camera=True, step_limit=12).env


class TestFakeEnvWithGripperAndSilentTeleop(EnvContract):
    @pytest.fixture
    def make_env(self):
        return lambda: make_cell([], has_gripper=True, step_limit=12).env


class TestFakeEnvWithLaggingArmInCommandReference(EnvContract):
    @pytest.fixture
    def make_env(self):
        return lambda: make_cell([], share=0.4, action_reference="command", step_limit=12).env


class TestFakeEnvAtThirtyHertz(EnvContract):
    @pytest.fixture
    def make_env(self):
        return lambda: (
            make_cell([], rate_hz=30.0, translation_scale_m=0.003, rotation_scale_rad=0.02, step_limit=12).env
        )


class TestFakeEnvAtTwoHertz(EnvContract):
    @pytest.fixture
    def make_env(self):
        return lambda: make_cell([], rate_hz=2.0, step_limit=12).env


def executed(cell, reference):
    """The action that the last command of the arm amounts to, by a map that knows no limits."""
    config = cell.env.config
    big = ActionMap(config.translation_scale_m, config.rotation_scale_rad, None, config.action_frame)
    return big.to_action(cell.arm.commands[-1][0], reference)


def step_and_compare(cell, action):
    """Step; check that the stored action is what the arm was last told, relative to where it was."""
    reference = cell.arm.state().tcp_pose
    time_step = cell.env.step(action)
    np.testing.assert_allclose(time_step.applied_action[:6], executed(cell, reference), atol=2e-5)
    return time_step


# ------------------------------------------------------------------------------------------- what is stored


def test_a_plain_action_is_one_command_of_the_period():
    cell = make_cell(action_frame="base")
    cell.env.reset(seed=0)
    start = cell.arm.state().tcp_pose
    stamp_ns = cell.clock.now_ns()
    cell.env.step(0.5 * X)
    assert len(cell.arm.commands) == 1
    pose, command_stamp_ns = cell.arm.commands[0]
    np.testing.assert_allclose(pose.position - start.position, [0.005, 0.0, 0.0], atol=1e-12)
    assert command_stamp_ns == stamp_ns
    assert cell.clock.now_ns() == stamp_ns + to_ns(0.1)


def test_a_clipped_action_is_stored_clipped():
    cell = make_cell()
    cell.env.reset(seed=0)
    time_step = step_and_compare(cell, [2.0, -3.0, 0.5, 0.0, 0.0, 1.5])
    np.testing.assert_array_equal(time_step.applied_action, np.array([1.0, -1.0, 0.5, 0, 0, 1.0], np.float32))


def test_what_the_safety_filter_takes_away_is_not_stored():
    cell = make_cell(action_frame="base", box_upper_m=(0.5, 0.3, 0.5), box_lower_m=(0.3, -0.3, 0.0))
    cell.env.reset(seed=0)
    cell.arm.place(Pose(np.array([0.497, 0.0, 0.2]), cell.arm.state().tcp_pose.quaternion))
    cell.env._reading = cell.env.robot.observe()
    time_step = step_and_compare(cell, X)
    assert [c.reason for c in cell.env.corrections] == [Reason.WORKSPACE]
    assert time_step.applied_action[0] == pytest.approx(0.3, abs=1e-6)


def test_random_actions_through_a_narrow_box_are_stored_as_executed():
    cell = make_cell(
        box_lower_m=(0.49, -0.01, 0.19), box_upper_m=(0.51, 0.01, 0.21), max_tilt_rad=0.06, share=0.7,
        translation_scale_m=0.02,
    )  # fmt: skip
    generator, corrected = np.random.default_rng(0), 0
    cell.env.reset(seed=0)
    for _ in range(60):
        step_and_compare(cell, generator.uniform(-1, 1, 6))
        corrected += bool(cell.env.corrections)
        position = cell.arm.commands[-1][0].position
        assert (np.abs(position - [0.5, 0.0, 0.2]) <= 0.01 + 1e-12).all()
    assert corrected > 20


def test_under_too_much_force_the_arm_rests_where_it_is_and_zero_is_stored():
    cell = make_cell()
    cell.env.reset(seed=0)
    cell.arm.wrench[2] = 100.0
    cell.env._reading = cell.env.robot.observe()
    before = cell.arm.state().tcp_pose
    time_step = cell.env.step(X)
    assert [c.reason for c in cell.env.corrections] == [Reason.WRENCH]
    np.testing.assert_allclose(time_step.applied_action, 0.0, atol=1e-6)
    assert_near(cell.arm.state().tcp_pose, before, 1e-12, 1e-9)
    assert not time_step.is_last


def test_in_command_reference_the_delta_is_added_to_the_last_command():
    cell = make_cell(action_reference="command", action_frame="base", share=0.5)
    cell.env.reset(seed=0)
    start = cell.arm.state().tcp_pose.position
    for _ in range(3):
        cell.env.step(X)
    np.testing.assert_allclose(cell.arm.commands[-1][0].position - start, [0.03, 0.0, 0.0], atol=1e-12)


def test_in_measured_reference_the_delta_is_added_to_where_the_arm_is():
    cell = make_cell(action_frame="base", share=0.5)
    cell.env.reset(seed=0)
    start = cell.arm.state().tcp_pose.position
    for _ in range(3):
        cell.env.step(X)
    np.testing.assert_allclose(cell.arm.commands[-1][0].position - start, [0.02, 0.0, 0.0], atol=1e-12)


def test_where_the_base_stands_changes_neither_observations_nor_actions():
    """Turned about the vertical, with the workspace opened wide: the same episode, seen and stored alike."""
    wide = {"box_lower_m": (-9.0, -9.0, -9.0), "box_upper_m": (9.0, 9.0, 9.0)}
    base = Pose.from_rotation_vector([0.0, 0.0, 1.1], [0.7, -0.4, 0.3])
    here, there = make_cell(**wide), make_cell(base=base, **wide)
    generator = np.random.default_rng(3)
    steps = [here.env.reset(seed=1), there.env.reset(seed=1)]
    for _ in range(10):
        for name, value in steps[0].observation.proprio.items():
            np.testing.assert_allclose(steps[1].observation.proprio[name], value, atol=1e-5, err_msg=name)
        np.testing.assert_array_equal(steps[0].applied_action, steps[1].applied_action)
        action = generator.uniform(-1, 1, 6)
        steps = [here.env.step(action), there.env.step(action)]


# ------------------------------------------------------------------------------------------- the gripper


@pytest.mark.parametrize(
    ("asked", "stored", "width"),
    [(1.0, 1.0, 0.08), (0.7, 1.0, 0.08), (0.3, 0.0, None), (0.0, 0.0, None), (-0.4, 0.0, None), (-0.9, -1.0, 0.0)],
)
def test_the_stored_gripper_action_is_one_of_three(asked, stored, width):
    cell = make_cell(has_gripper=True)
    cell.env.reset(seed=0)
    time_step = cell.env.step([0, 0, 0, 0, 0, 0, asked])
    assert time_step.applied_action[6] == stored
    assert cell.gripper.asked == ([] if width is None else [width])


def test_a_held_command_does_not_move_the_gripper():
    cell = make_cell(has_gripper=True)
    cell.env.reset(seed=0)
    cell.arm.wrench[0] = 100.0
    cell.env._reading = cell.env.robot.observe()
    time_step = cell.env.step([0, 0, 0, 0, 0, 0, -1.0])
    assert time_step.applied_action[6] == 0.0
    assert cell.gripper.asked == []


def test_a_short_press_of_the_gripper_button_is_stored():
    """The button is down for one tick in the middle of a step; the gripper closes, so a close is what is stored."""
    cell = make_cell([Act(0.04, 0.05, gripper=-1.0)], has_gripper=True, **FREE)
    cell.env.reset(seed=0)
    time_step = cell.env.step(np.zeros(7))
    assert cell.gripper.width() == 0.0
    assert time_step.applied_action[6] == -1.0
    assert time_step.source is Source.HUMAN


def test_a_policys_gripper_action_is_stored_also_when_a_person_takes_the_arm():
    cell = make_cell([Act(0.04, 1.0, PUSH)], has_gripper=True, **FREE)
    cell.env.reset(seed=0)
    time_step = cell.env.step([0, 0, 0, 0, 0, 0, -1.0])
    assert cell.gripper.asked[-1] == 0.0
    assert time_step.applied_action[6] == -1.0
    assert cell.env.step([0, 0, 0, 0, 0, 0, -1.0]).applied_action[6] == 0.0, "in the next step only the person acts"


def test_the_last_of_two_gripper_commands_in_a_step_is_stored():
    cell = make_cell([Act(0.04, 1.0, gripper=1.0)], has_gripper=True, **FREE)
    cell.env.reset(seed=0)
    time_step = cell.env.step([0, 0, 0, 0, 0, 0, -1.0])
    assert cell.gripper.asked == [0.0, 0.08]
    assert time_step.applied_action[6] == 1.0


def test_a_gripper_action_needs_a_gripper():
    from robot_rl.env.robot_env import RobotEnv
    from robot_rl.env.task import EpisodeConfig
    from robot_rl.robot.robot import Robot

    cell = make_cell()
    with pytest.raises(ConfigError, match="gripper"):
        RobotEnv(Robot(cell.arm), cell.task, cell.reset, cell.clock, EpisodeConfig(has_gripper=True))


# ------------------------------------------------------------------------------------------- takeover


def test_a_silent_device_changes_nothing():
    with_device, without = make_cell([]), make_cell()
    generator = np.random.default_rng(0)
    for cell in (with_device, without):
        cell.env.reset(seed=0)
    for _ in range(5):
        action = generator.uniform(-1, 1, 6).astype(np.float32)
        steps = [cell.env.step(action) for cell in (with_device, without)]
        assert steps[0].applied_action.tobytes() == steps[1].applied_action.tobytes() == action.tobytes()
        assert steps[0].source is steps[1].source is Source.POLICY
    for a, b in zip(with_device.arm.commands, without.arm.commands, strict=True):
        assert (a[0].position == b[0].position).all()
        assert a[1] == b[1]


def test_the_device_is_read_a_hundred_times_a_second_evenly():
    cell = make_cell([])
    cell.env.reset(seed=0)
    start_ns = cell.clock.now_ns()
    for _ in range(3):
        cell.env.step(np.zeros(6))
    assert cell.teleop.read_at_ns == [start_ns + k * 10_000_000 for k in range(30)]


@pytest.mark.parametrize("begin_s", [0.0, 0.013, 0.05, 0.093])
def test_a_takeover_reaches_the_arm_within_one_tick(begin_s):
    cell = make_cell([Act(begin_s, 9.0, LEFT)], **FREE)
    cell.env.reset(seed=0)
    start_ns = cell.clock.now_ns()
    reference = cell.arm.state().tcp_pose
    for _ in range(2):
        cell.env.step(X)
    moved_left = [pose.position[1] > reference.position[1] + 1e-6 for pose, _ in cell.arm.commands]
    sent_s = (cell.arm.sent_at_ns[moved_left.index(True)] - start_ns) / 1e9
    assert begin_s <= sent_s <= begin_s + 0.01


def test_a_takeover_in_the_middle_of_a_step_stores_the_mean_of_the_period():
    cell = make_cell([Act(0.04, 9.0, LEFT)], **FREE)
    cell.env.reset(seed=0)
    time_step = step_and_compare(cell, X)
    np.testing.assert_allclose(time_step.applied_action, [0.4, 0.6, 0, 0, 0, 0], atol=1e-6)
    assert time_step.source is Source.HUMAN
    time_step = step_and_compare(cell, X)
    np.testing.assert_allclose(time_step.applied_action, [0, 1, 0, 0, 0, 0], atol=1e-6)
    assert time_step.source is Source.HUMAN


def test_a_changing_hand_stores_the_mean_of_its_motion():
    acts = [Act(0.01 * k, 0.01 * (k + 1), (0.1 * (k + 1), 0, 0, 0, 0, 0)) for k in range(10)]
    cell = make_cell(acts, **FREE)
    cell.env.reset(seed=0)
    time_step = step_and_compare(cell, np.zeros(6))
    np.testing.assert_allclose(time_step.applied_action, [0.55, 0, 0, 0, 0, 0], atol=1e-6)


def test_a_hand_back_in_the_middle_of_a_step_does_not_wake_the_old_action():
    cell = make_cell([Act(0.0, 0.03, LEFT)], **FREE)
    cell.env.reset(seed=0)
    time_step = step_and_compare(cell, X)
    # the hand is still from 0.03 s on, and hands back; the policy chose X for a situation that is gone
    np.testing.assert_allclose(time_step.applied_action, [0, 0.3, 0, 0, 0, 0], atol=1e-6)
    assert time_step.source is Source.HUMAN
    time_step = step_and_compare(cell, X)
    np.testing.assert_array_equal(time_step.applied_action, X)
    assert time_step.source is Source.POLICY


def test_a_takeover_is_held_over_steps_and_ends_on_time():
    cell = make_cell([Act(0.05, 0.16, LEFT)], **{**FREE, "takeover_hold_s": 0.3})
    cell.env.reset(seed=0)
    sources = [cell.env.step(X).source for _ in range(7)]
    # the hand moves until 0.15 s, the hold lasts until 0.45 s: a part of the fifth step
    assert sources == [Source.HUMAN] * 5 + [Source.POLICY] * 2


def test_what_a_takeover_adds_to_is_what_was_executed_not_what_was_asked():
    """The policy asked for 10 mm and the box allowed 3: after four of ten ticks the tool has gone 1.2, not 4."""
    cell = make_cell([Act(0.04, 9.0, LEFT)], **FREE, box_upper_m=(0.5, 0.3, 0.5))
    cell.env.reset(seed=0)
    cell.arm.place(Pose(np.array([0.497, 0.0, 0.2]), cell.arm.state().tcp_pose.quaternion))
    cell.env._reading = cell.env.robot.observe()
    time_step = step_and_compare(cell, X)
    np.testing.assert_allclose(time_step.applied_action, [0.12, 0.6, 0, 0, 0, 0], atol=1e-5)


def test_a_person_cannot_leave_the_box_either():
    cell = make_cell([Act(0.0, 9.0, PUSH)], **FREE, box_upper_m=(0.53, 0.3, 0.5))
    cell.env.reset(seed=0)
    reasons = set()
    for _ in range(8):
        step_and_compare(cell, np.zeros(6))
        reasons |= {c.reason for c in cell.env.corrections}
    assert max(pose.position[0] for pose, _ in cell.arm.commands) <= 0.53
    assert reasons == {Reason.WORKSPACE}


def test_a_broken_action_does_not_keep_a_person_from_helping():
    cell = make_cell([Act(0.0, 9.0, LEFT)], **FREE)
    cell.env.reset(seed=0)
    time_step = step_and_compare(cell, np.full(6, np.nan))
    np.testing.assert_array_equal(time_step.applied_action, np.array([0, 1, 0, 0, 0, 0], np.float32))
    assert Reason.NOT_FINITE in [c.reason for c in cell.env.corrections]


def test_a_deflection_moves_the_tool_that_way_also_where_the_arm_lags_behind_its_command():
    """In command reference the delta is added to the commanded orientation: the deflection must be turned into it."""
    cell = make_cell(
        [Act(0.2, 9.0, (0.5, 0, 0, 0, 0, 0))], action_reference="command", share=0.0, translation_scale_m=0.01
    )
    cell.env.reset(seed=0)
    for _ in range(2):  # the commanded pose turns, the arm does not follow
        cell.env.step([0, 0, 0, 0, 0, 1.0])
    before = cell.arm.commands[-1][0]
    cell.env.step(np.zeros(6))
    moved = cell.arm.commands[-1][0].position - before.position
    np.testing.assert_allclose(moved, [0.005, 0.0, 0.0], atol=1e-9)


def test_at_a_slow_rate_a_takeover_late_in_a_step_is_not_stale():
    cell = make_cell([Act(0.4, 9.0, LEFT)], **FREE, rate_hz=2.0)
    cell.env.reset(seed=0)
    time_step = step_and_compare(cell, np.zeros(6))
    assert cell.env.corrections == ()
    assert time_step.applied_action[1] == pytest.approx(0.2, abs=1e-6)


# ------------------------------------------------------------------------------------------- ends of an episode


@pytest.mark.parametrize(
    ("button", "discount", "reward", "is_success"),
    [(Button.SUCCESS, 0.0, 1.0, True), (Button.FAILURE, 0.0, 0.0, False), (Button.ABORT, 1.0, 0.0, False)],
)
def test_a_button_ends_the_episode_with_its_step(button, discount, reward, is_success):
    cell = make_cell([Act(0.13, 0.14, buttons=frozenset({button}))])
    cell.env.reset(seed=0)
    assert cell.env.step(X).step_type is StepType.MID
    last = cell.env.step(X)
    assert last.is_last
    assert (last.discount, last.reward, cell.env.outcome.is_success) == (discount, reward, is_success)
    assert last.source is Source.POLICY, "a button alone is no takeover"
    assert cell.env.reset().is_first
    assert cell.env.outcome == Outcome()
    assert cell.env.step(X).step_type is StepType.MID, "the button belongs to the episode before"


def test_success_terminates():
    cell = make_cell()
    cell.env.reset(seed=0)
    cell.task.outcome = Outcome(1.0, is_terminal=True, is_success=True)
    last = cell.env.step(X)
    assert last.is_terminal
    assert (last.discount, last.reward) == (0.0, 1.0)
    with pytest.raises(EpisodeError):
        cell.env.step(X)


def test_success_in_the_last_step_of_the_time_limit_terminates():
    cell = make_cell(step_limit=2)
    cell.env.reset(seed=0)
    cell.env.step(X)
    cell.task.outcome = Outcome(1.0, is_terminal=True, is_success=True)
    assert cell.env.step(X).is_terminal


def test_a_reward_without_an_end_is_passed_on():
    cell = make_cell(step_limit=2)
    cell.env.reset(seed=0)
    cell.task.outcome = Outcome(0.25)
    assert cell.env.step(X).reward == 0.25
    last = cell.env.step(X)
    assert (last.reward, last.discount, last.is_last) == (0.25, 1.0, True)


def test_a_stop_in_the_middle_of_a_step_truncates_it():
    cell = make_cell()
    cell.env.reset(seed=0)
    sleep = cell.clock.sleep_until_ns

    def stop_while_sleeping(stamp_ns):
        cell.arm.stop(Reason.WATCHDOG, "no command for 0.1 s")
        sleep(stamp_ns)

    cell.clock.sleep_until_ns = stop_while_sleeping
    last = cell.env.step(X)
    assert last.is_last
    assert last.discount == 1.0
    assert "no command for 0.1 s" in cell.env.corrections[-1].detail


def test_a_reset_that_fails_leaves_no_episode_behind():
    cell = make_cell()
    cell.env.reset(seed=0)

    def fail(robot, clock, safety, seed):
        robot.stop(Reason.WRENCH, "stuck")
        raise StoppedError("stuck")

    cell.reset.run = fail
    with pytest.raises(StoppedError):
        cell.env.reset()
    with pytest.raises(EpisodeError):
        cell.env.step(X)


def test_an_arm_that_stops_during_the_reset_starts_no_episode():
    cell = make_cell()
    cell.reset.run = lambda robot, clock, safety, seed: robot.stop(Reason.WRENCH, "bumped into the box")
    with pytest.raises(StoppedError, match="bumped into the box"):
        cell.env.reset(seed=0)
    with pytest.raises(EpisodeError):
        cell.env.step(X)


def test_the_arm_is_as_stiff_as_the_task_wants_after_a_reset():
    cell = make_cell()
    cell.env.reset(seed=0)
    assert cell.arm.preset == cell.env.config.impedance


# ------------------------------------------------------------------------------------------- time


def test_a_slow_policy_delays_the_schedule_and_is_not_caught_up_with():
    cell = make_cell([])
    cell.env.reset(seed=0)
    cell.env.step(X)
    cell.waste(0.45)
    for _ in range(4):
        start_ns = cell.clock.now_ns()
        cell.env.step(0.1 * X)
        assert cell.clock.now_ns() - start_ns == to_ns(0.1), "each step after an overrun still lasts a whole period"


def test_a_policy_that_thinks_within_its_period_keeps_the_rate():
    cell = make_cell([])
    first = cell.env.reset(seed=0)
    stamps = [first.observation.stamp_ns]
    for _ in range(5):
        cell.waste(0.06)
        stamps.append(cell.env.step(0.1 * X).observation.stamp_ns)
    np.testing.assert_array_equal(np.diff(stamps), to_ns(0.1))


def test_a_clock_that_is_set_back_does_not_hold_up_the_robot():
    cell = make_cell([])
    cell.env.reset(seed=0)
    sleep_until_ns, slept_ns = cell.clock.sleep_until_ns, []

    def sleep_and_set_back(stamp_ns):
        slept_ns.append(stamp_ns - cell.clock.now_ns())
        sleep_until_ns(stamp_ns)
        if len(slept_ns) == 13:  # in the middle of the second step
            cell.clock._now_ns -= to_ns(30.0)  # the fake clock itself never goes back

    cell.clock.sleep_until_ns = sleep_and_set_back
    for _ in range(3):
        cell.env.step(0.1 * X)
    assert max(slept_ns) == to_ns(0.01), "no tick waits for the time that was"


@pytest.mark.parametrize(("is_before_reading", "reasons"), [(True, []), (False, [Reason.STALE_STATE])])
def test_a_clock_that_is_set_back_between_two_steps_makes_no_command_of_the_future(is_before_reading, reasons):
    """What the arm said before holds the robot for a step; a command of the future would stop it."""
    cell = make_cell([])
    cell.env.reset(seed=0)

    def set_back():
        cell.clock._now_ns -= to_ns(30.0)  # the fake clock itself never goes back

    sleep_until_ns = cell.clock.sleep_until_ns
    end_ns = cell.clock.now_ns() + to_ns(0.1)

    def sleep(stamp_ns):
        sleep_until_ns(stamp_ns)
        if is_before_reading and stamp_ns == end_ns:
            set_back()

    cell.clock.sleep_until_ns = sleep
    cell.env.step(0.1 * X)
    if not is_before_reading:
        set_back()
    start_ns = cell.clock.now_ns()
    assert start_ns == end_ns - to_ns(30.0)
    cell.env.step(0.1 * X)
    assert [correction.reason for correction in cell.env.corrections] == reasons
    assert cell.arm.commands[-1][1] == start_ns
    assert cell.clock.now_ns() == start_ns + to_ns(0.1)


def test_after_a_long_pause_the_first_command_holds_because_the_state_is_old(caplog):
    cell = make_cell(share=0.5, action_frame="base")
    cell.env.reset(seed=0)
    cell.env.step(X)
    rest = cell.arm.commands[-1][0]
    cell.waste(1.0)
    cell.env.step(X)
    assert [c.reason for c in cell.env.corrections] == [Reason.STALE_STATE]
    assert cell.arm.commands[-1][0] is rest
    cell.env.step(X)
    assert cell.env.corrections == ()
    for _ in range(2):
        cell.waste(1.0)
        cell.env.step(X)
    assert [record.message for record in caplog.records] == ["step 2: the robot holds: state age 1 s exceeds 0.1 s"], (
        "once an episode"
    )


def test_the_target_never_moves_faster_than_the_speed_limit_in_an_episode():
    acts = [Act(0.15, 0.62, (1, 1, 1, 1, 1, 1)), Act(0.9, 1.3, (-1, -1, -1, -1, -1, -1))]
    cell = make_cell(acts, share=0.5, translation_scale_m=0.05, rotation_scale_rad=0.3)
    cell.env.reset(seed=0)
    generator = np.random.default_rng(0)
    for _ in range(15):
        cell.env.step(generator.uniform(-1, 1, 6))
    sent = list(zip(cell.arm.commands, cell.arm.sent_at_ns, strict=True))
    (target, _), _ = sent[0]
    for ((last, last_stamp_ns), last_sent_ns), ((pose, stamp_ns), now_ns) in pairwise(sent):
        # the target moves in a straight line, to be there when the command's period ends
        end_ns = last_stamp_ns + 100_000_000
        target = target.interpolate(last, min(1.0, (now_ns - last_sent_ns) / (end_ns - last_sent_ns)))
        metres, radians = distance(target, pose)
        left_s = (stamp_ns - now_ns) * 1e-9 + 0.1
        assert metres <= 0.25 * left_s + 1e-9
        assert radians <= 1.0 * left_s + 1e-3


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rate_hz", 0.0),
        ("rate_hz", -10.0),
        ("step_limit", 0),
        ("teleop_rate_hz", 0.0),
        ("takeover_hold_s", -1.0),
        ("takeover_dead_band", 1.0),
        ("max_tilt_rad", float("nan")),
        ("max_force_n", 0.0),
        ("box_lower_m", (0.8, -0.3, 0.0)),
    ],
)
def test_an_impossible_episode_is_refused(key, value):
    with pytest.raises(ConfigError, match=key.split("_")[0]):
        make_cell(**{key: value})
