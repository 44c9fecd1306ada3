"""When a person has the robot."""

import numpy as np
import pytest

from robot_rl.clock import FakeClock
from robot_rl.control.action_map import ActionMap
from robot_rl.env.takeover import Takeover
from robot_rl.geometry import Pose
from robot_rl.robot.fake import FakeTeleop
from robot_rl.types import Button, Command

ACTION_MAP = ActionMap(0.02, 0.1, 0.08, frame="base")
PUSH = (0.5, 0.0, 0.0, 0.0, 0.0, 0.0)
TICK_NS = 10_000_000


def read_all(script, hold_s=0.03, dead_band=0.05, action_map=ACTION_MAP):
    """What a takeover says at each tick of 10 ms; `script` has (twist, gripper) or None per tick."""
    clock = FakeClock()
    commands = [None if s is None else Command(np.array(s[0], float), i * TICK_NS, s[1]) for i, s in enumerate(script)]
    takeover = Takeover(FakeTeleop(commands), clock, dead_band, hold_s)
    takeover.reset()
    out = []
    for i in range(len(script)):
        clock.sleep_until_ns(i * TICK_NS)
        out.append(takeover.read(action_map, Pose()))
    return out


def has_robot(actions):
    return "".join(".x"[action is not None] for action in actions)


def test_without_a_device_the_policy_keeps_the_robot():
    takeover = Takeover(None, FakeClock(), 0.05, 0.3)
    takeover.reset()
    assert takeover.read(ACTION_MAP, Pose()) is None
    assert takeover.buttons == frozenset()


def test_it_starts_at_once_is_held_and_ends_when_the_hand_has_been_still():
    actions = read_all([None, None, (PUSH, 0), (PUSH, 0), None, None, None, None, None])
    assert has_robot(actions) == "..xxxx..."
    np.testing.assert_allclose(actions[2], [*PUSH, 0.0])
    np.testing.assert_array_equal(actions[4], 0.0)


def test_a_hand_at_rest_on_the_device_does_not_hold_the_robot():
    rest = ((0.01,) * 6, 0.0)
    assert has_robot(read_all([rest, (PUSH, 0), rest, rest, rest, rest])) == ".xxx.."
    np.testing.assert_array_equal(read_all([(PUSH, 0), rest])[1], 0.0)


@pytest.mark.parametrize("axis", range(6))
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_every_axis_counts_beyond_the_dead_band(axis, sign):
    twist = np.zeros(6)
    twist[axis] = 0.0501 * sign
    assert has_robot(read_all([(twist, 0.0)])) == "x"
    twist[axis] = 0.0499 * sign
    assert has_robot(read_all([(twist, 0.0)])) == "."


@pytest.mark.parametrize("gripper", [-1.0, 1.0])
def test_a_gripper_button_takes_over_and_is_one_shot(gripper):
    actions = read_all([None, (np.zeros(6), gripper), None, None, None, None])
    assert has_robot(actions) == ".xxx.."
    assert [action[6] for action in actions[1:4]] == [gripper, 0.0, 0.0]


def test_a_gripper_button_of_a_task_without_gripper_action_takes_nothing_over():
    without = ActionMap(0.02, 0.1, frame="base")
    actions = read_all([(np.zeros(6), 1.0), (PUSH, -1.0), None], hold_s=0.0, action_map=without)
    assert has_robot(actions) == ".x."
    np.testing.assert_allclose(actions[1], PUSH)


def test_without_holding_it_still_lasts_while_the_hand_moves():
    assert has_robot(read_all([None, (PUSH, 0), (PUSH, 0), None], hold_s=0.0)) == ".xx."


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_broken_reading_does_not_take_over(value):
    assert has_robot(read_all([((value,) * 6, 0.0), (PUSH, value)])) == ".."


def test_a_stale_reading_does_not_move_the_robot():
    clock = FakeClock(1_000_000_000)
    old = Command(np.array(PUSH), clock.now_ns() - 210_000_000)
    takeover = Takeover(FakeTeleop([old]), clock, 0.05, 0.3)
    takeover.reset()
    assert takeover.read(ACTION_MAP, Pose()) is None


@pytest.mark.parametrize("age_s", [0.3, -2.0])
def test_of_a_device_whose_clock_is_another_presses_count_and_motions_do_not(age_s):
    clock = FakeClock(10_000_000_000)
    stamp_ns = clock.now_ns() - round(age_s * 1e9)
    takeover = Takeover(
        FakeTeleop([Command(np.array(PUSH), stamp_ns, 0.0, frozenset({Button.ABORT}))]), clock, 0.05, 0.3
    )
    takeover.reset()
    assert takeover.read(ACTION_MAP, Pose()) is None
    assert takeover.buttons == {Button.ABORT}


def test_a_device_that_died_with_a_button_down_presses_it_once():
    class Dead(FakeTeleop):
        def read(self):
            return Command(np.zeros(6), 0, 0.0, frozenset({Button.SUCCESS}))

    clock = FakeClock()
    takeover = Takeover(Dead([]), clock, 0.05, 0.3)
    takeover.reset()
    takeover.read(ACTION_MAP, Pose())
    assert takeover.buttons == {Button.SUCCESS}
    clock.sleep_until_ns(1_000_000_000)
    takeover.reset()
    takeover.read(ACTION_MAP, Pose())
    assert takeover.buttons == frozenset(), "the next episode is not a success of its own"


def test_buttons_are_collected_and_do_not_take_over():
    clock = FakeClock()
    commands = [
        Command(np.zeros(6), 0, 0.0, frozenset({Button.SUCCESS})),
        Command(np.zeros(6), 0),
        Command(np.full(6, np.nan), 0, 0.0, frozenset({Button.ABORT})),
    ]
    takeover = Takeover(FakeTeleop(commands), clock, 0.05, 0.3)
    takeover.reset()
    for _ in range(5):
        assert takeover.read(ACTION_MAP, Pose()) is None
    assert takeover.buttons == {Button.SUCCESS, Button.ABORT}
    takeover.reset()
    assert takeover.buttons == frozenset()


def test_an_episode_starts_with_the_policy():
    clock = FakeClock()
    teleop = FakeTeleop([Command(np.array(PUSH), 0)])
    takeover = Takeover(teleop, clock, 0.05, 10.0)
    takeover.reset()
    assert takeover.read(ACTION_MAP, Pose()) is not None
    takeover.reset()
    teleop.read()
    assert takeover.read(ACTION_MAP, Pose()) is None, "the hold of the last episode must not reach into this one"


def test_a_clock_that_is_set_back_leaves_the_robot_to_nobody():
    clock = FakeClock(100_000_000_000)
    pushes = [Command(np.array(PUSH), clock.now_ns(), 0.0), *[None] * 5]
    takeover = Takeover(FakeTeleop(pushes), clock, 0.05, 0.03)
    takeover.reset()
    actions = [takeover.read(ACTION_MAP, Pose())]
    clock._now_ns -= 30_000_000_000
    for _ in range(5):
        clock.sleep_until_ns(clock.now_ns() + TICK_NS)
        actions.append(takeover.read(ACTION_MAP, Pose()))
    assert has_robot(actions) == "x....."
    assert not takeover.is_paused


def test_who_moves_after_the_clock_was_set_back_ends_their_pause():
    clock = FakeClock(100_000_000_000)
    takeover = Takeover(
        FakeTeleop([Command(np.zeros(6), clock.now_ns(), 0.0, frozenset({Button.PAUSE}))]), clock, 0.05, 0.03
    )
    takeover.reset()
    takeover.read(ACTION_MAP, Pose())
    assert takeover.is_paused
    clock._now_ns -= 30_000_000_000
    takeover._teleop = FakeTeleop([Command(np.array(PUSH), clock.now_ns(), 0.0)])
    assert takeover.read(ACTION_MAP, Pose()) is not None
    assert not takeover.is_paused
