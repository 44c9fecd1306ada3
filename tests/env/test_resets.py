"""Resets: the script (clear of the scene first, in straight lines, at a known speed), its limits, and its start."""

from itertools import islice, pairwise

import numpy as np
import pytest

from robot_rl.clock import NS_PER_S, FakeClock, to_ns
from robot_rl.control.safety import SafetyFilter, SafetyLimits
from robot_rl.env.reset_config import ResetConfig
from robot_rl.env.resets import RandomStart, TimedReset, hold
from robot_rl.env.scripted_reset import Posture, ScriptedReset
from robot_rl.errors import ConfigError, StoppedError
from robot_rl.geometry import Pose
from robot_rl.robot.fake import TOOL_DOWN
from robot_rl.robot.robot import Robot
from robot_rl.types import Reason
from tests.contracts import assert_near, distance
from tests.fakes import NotedArm, NotedGripper


def make_safety():
    return SafetyFilter(SafetyLimits(), 0.1)


class FixedScene:
    """Has its robot start at one pose."""

    def __init__(self, arm=None):
        self._arm = arm

    def arrange(self, seed):
        self.seed = seed
        self.clear_at = self._arm.state().tcp_pose
        return TOOL_DOWN @ START


SCENE = FixedScene()
START = Pose.from_rotation_vector([0.1, 0.0, 0.4], [0.06, -0.1, 0.05])


def play(steps, clock):
    """The phases, in their order, and how far each went."""
    phases = {}
    for progress in steps:
        assert progress.share >= phases.get(progress.phase, 0.0)
        phases[progress.phase] = progress.share
        clock.sleep_until_ns(progress.until_ns)
    return phases


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def arm(clock):
    return NotedArm(clock, TOOL_DOWN)


@pytest.fixture
def gripper():
    return NotedGripper()


@pytest.fixture
def robot(arm, gripper):
    arm._presets = ("insertion", "precision")
    return Robot(arm, gripper)


def test_it_pulls_back_along_the_tools_axis(robot, arm, clock):
    tilted = TOOL_DOWN @ Pose.from_rotation_vector([0.0, 0.3, 0.0])
    arm.place(tilted)
    play(ScriptedReset(SCENE, lift_m=0.05).retreat(robot, clock, make_safety()), clock)
    assert_near(arm.state().tcp_pose, tilted @ Pose(np.array([0.0, 0.0, -0.05])), 1e-9, 1e-9)
    for pose, _ in arm.commands:
        offset = tilted.inverse().transform_point(pose.position)
        np.testing.assert_allclose(offset[:2], 0.0, atol=1e-12)
    assert arm.preset == "precision"


def test_it_lets_go_before_it_lifts(robot, arm, gripper, clock):
    gripper.set_width(0.0)
    reset = ScriptedReset(SCENE, start_width_m=0.08, settle_s=0.5)
    play(reset.retreat(robot, clock, make_safety()), clock)
    assert gripper.asked[-1] == 0.08
    assert arm.sent_at_ns[0] >= 500_000_000, "the fingers need their time"


def test_without_a_start_width_the_grasp_is_kept(robot, gripper, clock):
    reset = ScriptedReset(SCENE)
    play(reset.retreat(robot, clock, make_safety()), clock)
    play(reset.approach(robot, clock, make_safety(), TOOL_DOWN @ START), clock)
    assert gripper.asked == []


def test_it_ends_at_the_start_from_above_and_settles(robot, arm, clock):
    goal = TOOL_DOWN @ START
    play(ScriptedReset(SCENE, lift_m=0.1, settle_s=0.5).approach(robot, clock, make_safety(), goal), clock)
    assert_near(arm.state().tcp_pose, goal, 1e-9, 1e-9)
    above = goal @ Pose(np.array([0.0, 0.0, -0.05]))
    assert min(distance(pose, above)[0] for pose, _ in arm.commands) < 1e-9
    assert clock.now_ns() - arm.sent_at_ns[-1] >= 500_000_000


def test_a_clock_that_is_set_forward_takes_no_time_from_a_reset(robot, arm, clock):
    steps = TimedReset(ScriptedReset(FixedScene(arm)), 60.0).steps(robot, clock, make_safety(), 0)
    for _ in range(3):
        clock.sleep_until_ns(next(steps).until_ns)
    clock.sleep_until_ns(clock.now_ns() + 3600 * NS_PER_S)
    play(steps, clock)
    assert arm.state().stop is None
    assert_near(arm.state().tcp_pose, TOOL_DOWN @ START, 1e-9, 1e-9)


def test_a_clock_that_is_set_back_does_not_lengthen_the_rest(robot, gripper, clock):
    clock.sleep_until_ns(3600 * NS_PER_S)
    steps = ScriptedReset(SCENE, start_width_m=0.08, settle_s=0.5).retreat(robot, clock, make_safety())
    next(steps)
    clock._now_ns = 0  # the fake clock itself never goes back
    for progress in islice(steps, 4):
        assert progress.phase == "letting go"
        assert progress.until_ns - clock.now_ns() <= to_ns(0.1)
        clock.sleep_until_ns(progress.until_ns)


@pytest.mark.parametrize("goal", [TOOL_DOWN @ START, TOOL_DOWN @ Pose.from_rotation_vector([0.0, 0.0, 2.0])])
def test_it_keeps_its_speed(robot, arm, clock, goal):
    reset = ScriptedReset(SCENE, speed_m_s=0.2, speed_rad_s=1.0)
    play(reset.approach(robot, clock, make_safety(), goal), clock)
    poses = [TOOL_DOWN, *(pose for pose, _ in arm.commands)]
    times_s = np.array(arm.sent_at_ns) / 1e9
    assert np.allclose(np.diff(times_s), 0.1)
    for a, b in pairwise(poses):
        metres, radians = distance(a, b)
        assert metres <= 0.02 + 1e-9
        assert radians <= 0.1 + 1e-9
    assert len(poses) < 40, "and does not dawdle"


@pytest.mark.parametrize("rate_hz", [2.0, 5.0, 10.0, 20.0, 30.0])
def test_it_takes_its_way_whatever_the_rate(robot, arm, clock, rate_hz):
    """Nothing that it asks for is more than may be asked for in a period."""
    cut, safety = [], SafetyFilter(SafetyLimits(), 1.0 / rate_hz)
    filter_command = safety.filter

    def noting(*words):
        filtered = filter_command(*words)
        cut.extend(filtered.corrections)
        return filtered

    safety.filter = noting
    reset, goal = ScriptedReset(SCENE, lift_m=0.1), TOOL_DOWN @ START
    play(reset.retreat(robot, clock, safety), clock)
    assert_near(arm.state().tcp_pose, TOOL_DOWN @ Pose(np.array([0.0, 0.0, -0.1])), 1e-9, 1e-9)
    play(reset.approach(robot, clock, safety, goal), clock)
    above = goal @ Pose(np.array([0.0, 0.0, -0.05]))
    assert min(distance(pose, above)[0] for pose, _ in arm.commands) < 1e-9
    assert_near(arm.state().tcp_pose, goal, 1e-9, 1e-9)
    assert cut == []


def test_a_stop_on_the_way_is_not_swallowed(robot, arm, clock):
    arm.stop(Reason.WRENCH, "caught")
    with pytest.raises(StoppedError):
        play(ScriptedReset(SCENE).retreat(robot, clock, make_safety()), clock)
    with pytest.raises(StoppedError):
        play(ScriptedReset(SCENE).approach(robot, clock, make_safety(), TOOL_DOWN), clock)
    assert arm.state().stop is not None


class OutsideScene:
    """Has its robot start where it may not go."""

    def arrange(self, seed):
        return Pose(np.array([0.9, 0.0, 0.2]), TOOL_DOWN.quaternion)


def test_a_start_that_cannot_be_reached_ends_in_a_stop_with_its_reason(robot, arm, clock):
    with pytest.raises(StoppedError, match=r"not over after 10 s, but still 15\.0 cm and 0\.00 rad off the start"):
        TimedReset(ScriptedReset(OutsideScene()), 10.0).run(robot, clock, make_safety(), 0)
    assert max(pose.position[0] for pose, _ in arm.commands) <= SafetyLimits().box_upper_m[0]
    assert arm.state().stop.reason is Reason.TIMEOUT
    assert clock.now_ns() <= 10.2e9


@pytest.mark.parametrize(
    ("place", "reason", "said"),
    [
        (Pose.from_rotation_vector([0.0, 0.0, 0.0], [0.0, 0.0, 0.21]), Reason.WORKSPACE, r"is outside the box"),
        (Pose.from_rotation_vector([0.9, 0.0, 0.0]), Reason.ORIENTATION, r"tilt 0\.9 rad exceeds 0\.52 rad"),
    ],
)
def test_an_arm_left_where_nothing_leads_back_from_is_stopped_with_the_reason(robot, arm, clock, place, reason, said):
    """A command back would be a jump, which the guard stops as one: a misleading reason."""
    below = Pose(np.array([0.5, 0.0, 0.15]), TOOL_DOWN.quaternion)
    arm.place(below @ place)
    with pytest.raises(StoppedError, match=rf"{said}.*by hand"):
        play(ScriptedReset(SCENE).steps(robot, clock, make_safety(), 0), clock)
    assert arm.commands == []
    assert arm.state().stop.reason is reason
    arm.recover()
    arm.place(below)
    play(ScriptedReset(FixedScene(arm)).steps(robot, clock, make_safety(), 0), clock)


def test_an_arm_just_outside_the_box_is_led_back(robot, arm, clock):
    outside = Pose(np.array([0.5, 0.0, -0.04]), TOOL_DOWN.quaternion)
    arm.place(outside)
    play(ScriptedReset(FixedScene(arm)).steps(robot, clock, make_safety(), 0), clock)
    assert distance(arm.commands[0][0], outside)[0] <= SafetyLimits().max_step_m
    assert arm.state().tcp_pose.position[2] >= 0.0


def test_pressed_against_something_the_script_lets_go(robot, arm, clock):
    arm.wrench = np.array([0.0, 0.0, 90.0, 0.0, 0.0, 0.0])
    here = arm.state().tcp_pose
    play(ScriptedReset(SCENE).retreat(robot, clock, make_safety()), clock)
    assert_near(arm.state().tcp_pose, here, 1e-9, 1e-9)


def test_the_scene_is_arranged_when_the_robot_is_clear_of_it(robot, arm, clock):
    scene = FixedScene(arm)
    TimedReset(ScriptedReset(scene, lift_m=0.1), 60.0).run(robot, clock, make_safety(), 17)
    assert scene.seed == 17
    assert_near(scene.clear_at, TOOL_DOWN @ Pose(np.array([0.0, 0.0, -0.1])), 1e-9, 1e-9)
    assert_near(arm.state().tcp_pose, TOOL_DOWN @ START, 1e-9, 1e-9)


def test_it_says_what_it_does(robot, arm, clock):
    reset = ScriptedReset(FixedScene(arm), start_width_m=0.08)
    phases = play(reset.steps(robot, clock, make_safety(), 0), clock)
    assert list(phases) == ["letting go", "lifting", "returning", "lowering", "settling"]
    assert set(phases.values()) == {1.0}


def test_left_at_any_step_the_arm_rests_where_it_is_and_the_next_reset_goes_on_from_there(robot, arm, clock):
    reset = ScriptedReset(FixedScene(arm))
    for count, progress in enumerate(reset.steps(robot, clock, make_safety(), 0)):
        clock.sleep_until_ns(progress.until_ns)
        if count == 3:
            break
    hold(arm, clock)
    assert_near(arm.commands[-1][0], arm.state().tcp_pose, 1e-12, 1e-12)
    sent = len(arm.commands)
    clock.sleep_until_ns(clock.now_ns() + 1_000_000_000)
    assert len(arm.commands) == sent
    play(reset.steps(robot, clock, make_safety(), 0), clock)
    assert_near(arm.state().tcp_pose, TOOL_DOWN @ START, 1e-9, 1e-9)


# ------------------------------------------------------------------------------------ the start


def test_the_start_lies_anywhere_in_its_box_and_follows_from_the_seed():
    half_m, half_yaw_rad = (0.05, 0.02, 0.01), 0.3
    scene = RandomStart(FixedScene(NotedArm(FakeClock())), half_m, half_yaw_rad)
    starts = [scene.arrange(seed) for seed in range(200)]
    offsets = np.array([start.position - (TOOL_DOWN @ START).position for start in starts])
    assert (np.abs(offsets) <= half_m).all()
    assert (np.abs(offsets).max(axis=0) > 0.95 * np.array(half_m)).all()
    turns = np.array([((TOOL_DOWN @ START).inverse() @ start).rotation_vector for start in starts])
    angles = np.linalg.norm(turns, axis=1)
    assert 0.95 * half_yaw_rad < angles.max() <= half_yaw_rad + 1e-9
    vertical = np.array([(start @ (TOOL_DOWN @ START).inverse()).rotation_vector for start in starts])
    np.testing.assert_allclose(vertical[:, :2], 0.0, atol=1e-9)
    again = scene.arrange(7)
    np.testing.assert_array_equal(again.to_vector(), starts[7].to_vector())


# ------------------------------------------------------------------------------------ the posture


class PosturedArmOfNotes(NotedArm):
    """Remembers the postures, and has them at once."""

    def __init__(self, clock):
        super().__init__(clock, TOOL_DOWN)
        self._presets = ("insertion", "precision")
        self.postures = []

    def set_posture(self, joint_positions):
        self.postures.append(np.array(joint_positions))


def test_the_posture_is_taken_after_the_lift_at_a_known_speed_and_only_when_it_is_due(clock):
    arm = PosturedArmOfNotes(clock)
    posture = Posture((0.0, 0.0, 0.9, 0.0, 0.0, -0.3, 0.0), every=5, speed_rad_s=0.3)
    reset = ScriptedReset(FixedScene(arm), posture=posture)
    assert "taking the posture" not in play(reset.steps(Robot(arm), clock, make_safety(), 11), clock)
    assert arm.postures == []
    phases = play(reset.steps(Robot(arm), clock, make_safety(), 10), clock)
    assert list(phases)[:2] == ["lifting", "taking the posture"]
    np.testing.assert_allclose(arm.postures[-1], posture.joint_positions_rad)
    steps = np.abs(np.diff([np.zeros(7), *arm.postures], axis=0))
    assert steps.max() <= 0.03 + 1e-9
    assert len(arm.postures) == 30


def test_about_every_so_many_episodes_it_is_due():
    seeds = np.random.default_rng(0).integers(2**63, size=2000)
    posture = Posture((0.0,) * 7, every=20)
    assert 70 <= sum(posture.is_due(int(seed)) for seed in seeds) <= 130


def test_an_arm_without_a_posture_says_so(robot, arm, clock):
    reset = ScriptedReset(FixedScene(arm), posture=Posture((0.0,) * 7, every=1))
    with pytest.raises(ConfigError, match="NotedArm has no posture"):
        play(reset.steps(robot, clock, make_safety(), 0), clock)


class TaredArmOfNotes(NotedArm):
    """Remembers where it was tared."""

    def __init__(self, clock):
        super().__init__(clock, TOOL_DOWN)
        self._presets = ("insertion", "precision")
        self.tares = []

    def tare(self):
        self.tares.append((self.state().tcp_pose, self.state().stamp_ns - self.commands[-1][1]))
        return len(self.tares) > 2  # it was not quite at rest


def test_an_arm_that_has_a_tare_is_tared_at_rest_at_the_start(clock):
    arm = TaredArmOfNotes(clock)
    reset = ScriptedReset(FixedScene(arm), settle_s=0.5)
    assert list(play(reset.steps(Robot(arm), clock, make_safety(), 0), clock))[-1] == "coming to rest"
    (pose, rest_ns), _, (_, last_ns) = arm.tares
    assert last_ns == rest_ns + to_ns(0.2)
    assert_near(pose, TOOL_DOWN @ START, 1e-9, 1e-9)
    assert rest_ns >= 1_000_000_000


# ------------------------------------------------------------------------------------ the choice


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"timeout_s": 0.0}, "timeout_s must be positive"),
        ({"speed_m_s": 0.3}, r"speed_m_s must lie in \(0, 0.25\], got 0.3"),
        ({"speed_rad_s": 0.0}, "speed_rad_s"),
        ({"start_half_m": (0.0, -0.1, 0.0)}, "start_half_m"),
        ({"posture_every": -1}, "posture_every"),
        ({"posture_every": 5}, "a robot that moves"),
        ({"posture_rad": (0.0,) * 6}, "7 angles"),
        ({"kind": "backward_policy"}, r"reset\.policy=RUN and reset=backward_policy belong together"),
        ({"policy": "runs/reach"}, "belong together"),
    ],
)
def test_what_makes_no_sense_is_refused(values, said):
    with pytest.raises(ConfigError, match=said):
        ResetConfig(**values)


def test_a_clock_that_is_set_back_gives_no_more_time(robot, arm, clock):
    passed_ns = []

    def play_with_a_clock_set_back():
        reset = TimedReset(ScriptedReset(OutsideScene()), 10.0)
        for progress in reset.steps(robot, clock, make_safety(), 0):
            passed_ns.append(progress.until_ns - clock.now_ns())
            clock.sleep_until_ns(progress.until_ns)
            if len(passed_ns) == 20:
                clock._now_ns -= 5_000_000_000

    with pytest.raises(StoppedError, match="not over after 10 s"):
        play_with_a_clock_set_back()
    assert 9.0 < sum(passed_ns) * 1e-9 < 10.5
    assert arm.state().stop.reason is Reason.TIMEOUT
