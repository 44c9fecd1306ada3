"""A person pauses: the robot holds, no time step is made, and what comes after is no consequence of what was before."""

import numpy as np
import pytest

from robot_rl.clock import FakeClock, to_ns
from robot_rl.control.action_map import ActionMap
from robot_rl.env.gym_env import GymEnv
from robot_rl.env.takeover import Takeover
from robot_rl.geometry import Pose
from robot_rl.robot.fake import FakeTeleop
from robot_rl.types import Button, Command, Outcome, Reason, Source, StepType
from tests.fakes import Act, make_cell

X = np.array([1.0, 0, 0, 0, 0, 0], np.float32)
LEFT = (0.0, 1.0, 0.0, 0.0, 0.0, 0.0)
PAUSE = frozenset({Button.PAUSE})
FREE = {"translation_scale_m": 0.01, "takeover_hold_s": 0.03, "action_frame": "base"}
TICK_NS = 10_000_000


def press(at_s, *buttons):
    return Act(at_s, at_s + 0.01, buttons=frozenset(buttons or (Button.PAUSE,)))


def play(*acts, steps=3, **episode):
    cell = make_cell(list(acts), **{**FREE, **episode})
    cell.env.reset(seed=0)
    start_ns = cell.clock.now_ns()
    out = []
    while len(out) < steps and not (out and out[-1].is_last):
        out.append(cell.env.step(X))
    return cell, start_ns, out


def since(cell, start_ns):
    return round((cell.clock.now_ns() - start_ns) * 1e-9, 6)


# ------------------------------------------------------------------------------------ the rule


def take_all(script, hold_s=0.03):
    """Whether it is paused at each tick; a letter a tick: p presses, m moves, b both, . neither."""
    clock = FakeClock()
    twist = {"m": np.array(LEFT), "b": np.array(LEFT), "p": np.zeros(6), ".": np.zeros(6)}
    commands = [
        Command(twist[letter], k * TICK_NS, 0.0, PAUSE if letter in "pb" else frozenset())
        for k, letter in enumerate(script)
    ]
    takeover = Takeover(FakeTeleop(commands), clock, 0.05, hold_s)
    takeover.reset()
    states = []
    for k in range(len(script)):
        clock.sleep_until_ns(k * TICK_NS)
        action = takeover.read(ActionMap(0.02, 0.1, None, frame="base"), Pose())
        assert not (takeover.is_paused and action is not None)
        states.append("P" if takeover.is_paused else "x" if action is not None else ".")
    assert takeover.buttons == frozenset()
    return "".join(states)


@pytest.mark.parametrize(
    ("script", "states"),
    [
        ("..p....p..", "..PPPPP..."),  # press, and press again
        ("..ppp......", "..PPPPPPPPP"),  # a button that stays down is pressed once
        ("..ppp..pp..", "..PPPPP...."),
        ("..p....m...", "..PPPPPxxx."),  # who moves has the robot
        ("..bmm......", "..PPPPPPPPP"),  # pressing the button nudged the cap
        ("..p.m.m....", "..PPPPPPPPP"),  # as long as the hand was not still for the hold time
        ("..p.m...m..", "..PPPPPPxx"),
        (".mmp.......", ".xxPPPPPPPP"),  # a pause ends a takeover
        ("p.p.p.....", "PP..PPPPPP"),
    ],
)
def test_a_pause_begins_and_ends(script, states):
    assert take_all(script[: len(states)]) == states


def test_a_gripper_button_is_a_motion():
    clock = FakeClock()
    commands = [Command(np.zeros(6), 0, 0.0, PAUSE), *[None] * 4, Command(np.zeros(6), 5 * TICK_NS, -1.0)]
    takeover = Takeover(FakeTeleop(commands), clock, 0.05, 0.03)
    for k in range(6):
        clock.sleep_until_ns(k * TICK_NS)
        action = takeover.read(ActionMap(0.02, 0.1, 0.08, frame="base"), Pose())
        assert takeover.is_paused is (k < 5)
    assert action[6] == -1.0


# ------------------------------------------------------------------------------------ the environment


def test_the_robot_rests_from_the_tick_of_the_press_until_the_next_one():
    cell, start_ns, steps = play(press(0.14), press(2.07))
    positions = [pose.position[0] for pose, _ in cell.arm.commands]
    x0 = positions[0] - 0.01
    sent_s = [round((at_ns - start_ns) * 1e-9, 3) for at_ns in cell.arm.sent_at_ns]
    assert sent_s == [0.0, 0.1, 0.14, 2.07], "nothing is commanded while it rests"
    # 40 ms of the second step were executed, which is what is stored
    np.testing.assert_allclose(np.array(positions) - x0, [0.01, 0.02, 0.014, 0.024], atol=1e-9)
    np.testing.assert_allclose(steps[1].applied_action, 0.4 * X, atol=1e-6)
    assert [step.source for step in steps] == [Source.POLICY] * 3


def test_time_passes_and_the_stamps_say_so():
    _, start_ns, steps = play(press(0.14), press(2.07), steps=4)
    stamps_s = [round((step.observation.stamp_ns - start_ns) * 1e-9, 3) for step in steps]
    assert stamps_s == [0.1, 2.07, 2.17, 2.27]
    assert [step.is_resumed for step in steps] == [False, True, False, False]
    assert all(step.step_type is StepType.MID for step in steps)


def test_a_pause_does_not_shorten_the_episode():
    cell, start_ns, steps = play(press(0.14), press(60.0), steps=99, step_limit=5)
    assert len(steps) == 5
    assert steps[-1].is_last
    assert not steps[-1].is_terminal
    assert since(cell, start_ns) == 60.3


def test_the_device_is_read_at_its_rate_while_the_robot_waits():
    cell, start_ns, _ = play(press(0.14), press(1.0), steps=2)
    reads_ns = np.array(cell.teleop.read_at_ns) - start_ns
    assert (np.diff(reads_ns) == TICK_NS).all()


def test_who_moves_during_a_pause_has_the_robot_within_a_tick():
    cell, start_ns, steps = play(press(0.14), Act(1.003, 1.5, LEFT), steps=3)
    sent_s = (np.array(cell.arm.sent_at_ns) - start_ns) * 1e-9
    y = np.array([pose.position[1] for pose, _ in cell.arm.commands])
    assert 1.003 <= sent_s[np.argmax(y > y[0] + 1e-3)] <= 1.013
    assert [step.source for step in steps] == [Source.POLICY, Source.POLICY, Source.HUMAN]
    assert steps[1].is_resumed


@pytest.mark.parametrize(
    ("button", "discount", "reward"), [(Button.SUCCESS, 0.0, 1.0), (Button.FAILURE, 0.0, 0.0), (Button.ABORT, 1.0, 0.0)]
)
def test_who_ends_the_episode_during_a_pause_judges_what_they_saw_when_they_paused(button, discount, reward):
    cell, start_ns, steps = play(press(0.14), press(1.0, button))
    last = steps[-1]
    assert (len(steps), last.is_last, last.discount, last.reward) == (2, True, discount, reward)
    assert not last.is_resumed, "the step is a transition like any other: it carries the reward"
    assert last.observation.stamp_ns - start_ns == to_ns(0.2)
    assert since(cell, start_ns) == 1.0
    assert cell.env.reset().is_first
    assert cell.env.step(X).step_type is StepType.MID, "the pause belongs to the episode before"


def test_a_success_in_the_step_of_the_pause_is_kept_and_the_robot_waits_all_the_same():
    cell = make_cell([press(0.04), press(5.0)], **FREE)
    cell.env.reset(seed=0)
    start_ns = cell.clock.now_ns()
    cell.task.outcome = Outcome(1.0, is_terminal=True, is_success=True)
    last = cell.env.step(X)
    assert last.is_terminal
    assert not last.is_resumed
    assert since(cell, start_ns) == 5.0, "a reset would move the robot"


@pytest.mark.parametrize("found", [Outcome(0.5), Outcome(1.0, is_terminal=True, is_success=True)])
@pytest.mark.parametrize("is_same_step", [False, True])
def test_what_was_paid_in_the_step_of_the_pause_is_kept_when_the_episode_is_aborted(found, is_same_step):
    abort_s = 0.16 if is_same_step else 1.0
    cell = make_cell([press(0.14), press(abort_s, Button.ABORT)], **FREE)
    cell.env.reset(seed=0)
    cell.env.step(X)
    paid = [found]
    cell.task.evaluate = lambda reading: paid.pop() if paid else Outcome()  # once, as a classifier does
    last = cell.env.step(X)
    assert (last.is_last, last.is_terminal, last.reward) == (True, found.is_terminal, found.reward)
    assert cell.env.outcome.is_success is found.is_success


def test_what_has_happened_during_a_pause_is_seen_and_judged_anew():
    cell = make_cell([press(0.14), press(1.0)], **FREE)
    cell.env.reset(seed=0)
    cell.env.step(X)
    sleep = cell.clock.sleep_until_ns

    def push_it_by_hand(stamp_ns):
        sleep(stamp_ns)
        if stamp_ns == 1_500_000_000:
            cell.arm.place(cell.arm.state().tcp_pose @ Pose(np.array([0.0, 0.01, 0.0])))

    cell.clock.sleep_until_ns = push_it_by_hand
    step = cell.env.step(X)
    assert step.is_resumed
    assert abs(step.observation.proprio["tcp_pose"][1]) > 0.009
    assert not cell.env.step(X).is_resumed
    assert cell.env.corrections == ()


def test_a_stop_during_a_pause_ends_it():
    cell = make_cell([press(0.04)], **FREE)
    cell.env.reset(seed=0)
    sleep = cell.clock.sleep_until_ns

    def stop_later(stamp_ns):
        sleep(stamp_ns)
        if cell.clock.now_ns() >= 3_000_000_000:
            cell.arm.stop(Reason.WRENCH, "61 N")

    cell.clock.sleep_until_ns = stop_later
    last = cell.env.step(X)
    assert last.is_last
    assert last.discount == 1.0
    assert "61 N" in cell.env.corrections[-1].detail


def test_a_pause_within_a_step_is_no_gap():
    """The rest of the step is at rest, and all of it is what was executed."""
    _, _, steps = play(press(0.02), press(0.05))
    assert [step.is_resumed for step in steps] == [False] * 3
    np.testing.assert_allclose(steps[0].applied_action, 0.2 * X, atol=1e-6)
    np.testing.assert_allclose(steps[1].applied_action, X, atol=1e-6)


def test_gymnasium_is_told():
    cell = make_cell([press(0.14), press(1.0)], **FREE)
    env = GymEnv(cell.env)
    env.reset(seed=0)
    assert [env.step(X)[4]["is_resumed"] for _ in range(3)] == [False, True, False]
