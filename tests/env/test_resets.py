"""The scripted reset: clear of the scene first, in straight lines, at a known speed."""

from itertools import pairwise

import numpy as np
import pytest

from robot_rl.clock import FakeClock
from robot_rl.control.safety import SafetyFilter, SafetyLimits
from robot_rl.env.resets import ScriptedReset
from robot_rl.errors import StoppedError
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
    ScriptedReset(SCENE, lift_m=0.05).retreat(robot, clock, make_safety())
    assert_near(arm.state().tcp_pose, tilted @ Pose(np.array([0.0, 0.0, -0.05])), 1e-9, 1e-9)
    for pose, _ in arm.commands:
        offset = tilted.inverse().transform_point(pose.position)
        np.testing.assert_allclose(offset[:2], 0.0, atol=1e-12)
    assert arm.preset == "precision"


def test_it_lets_go_before_it_lifts(robot, arm, gripper, clock):
    gripper.set_width(0.0)
    reset = ScriptedReset(SCENE, start_width_m=0.08, settle_s=0.5)
    reset.retreat(robot, clock, make_safety())
    assert gripper.asked[-1] == 0.08
    assert arm.sent_at_ns[0] >= 500_000_000, "the fingers need their time"


def test_without_a_start_width_the_grasp_is_kept(robot, gripper, clock):
    reset = ScriptedReset(SCENE)
    reset.retreat(robot, clock, make_safety())
    reset.approach(robot, clock, make_safety(), TOOL_DOWN @ START)
    assert gripper.asked == []


def test_it_ends_at_the_start_from_above_and_settles(robot, arm, clock):
    goal = TOOL_DOWN @ START
    ScriptedReset(SCENE, lift_m=0.1, settle_s=0.5).approach(robot, clock, make_safety(), goal)
    assert_near(arm.state().tcp_pose, goal, 1e-9, 1e-9)
    above = goal @ Pose(np.array([0.0, 0.0, -0.05]))
    assert min(distance(pose, above)[0] for pose, _ in arm.commands) < 1e-9
    assert clock.now_ns() - arm.sent_at_ns[-1] >= 500_000_000


@pytest.mark.parametrize("goal", [TOOL_DOWN @ START, TOOL_DOWN @ Pose.from_rotation_vector([0.0, 0.0, 2.0])])
def test_it_keeps_its_speed(robot, arm, clock, goal):
    reset = ScriptedReset(SCENE, speed_m_s=0.2, speed_rad_s=1.0)
    reset.approach(robot, clock, make_safety(), goal)
    poses = [TOOL_DOWN, *(pose for pose, _ in arm.commands)]
    times_s = np.array(arm.sent_at_ns) / 1e9
    assert np.allclose(np.diff(times_s), 0.1)
    for a, b in pairwise(poses):
        metres, radians = distance(a, b)
        assert metres <= 0.02 + 1e-9
        assert radians <= 0.1 + 1e-9
    assert len(poses) < 40, "and does not dawdle"


def test_a_stop_on_the_way_is_not_swallowed(robot, arm, clock):
    arm.stop(Reason.WRENCH, "caught")
    with pytest.raises(StoppedError):
        ScriptedReset(SCENE).retreat(robot, clock, make_safety())
    with pytest.raises(StoppedError):
        ScriptedReset(SCENE).approach(robot, clock, make_safety(), TOOL_DOWN)
    assert arm.state().stop is not None


def test_its_commands_pass_through_the_safety_filter(robot, arm, clock):
    outside = Pose(np.array([0.9, 0.0, 0.2]), TOOL_DOWN.quaternion)
    ScriptedReset(SCENE).approach(robot, clock, make_safety(), outside)
    assert max(pose.position[0] for pose, _ in arm.commands) <= SafetyLimits().box_upper_m[0]
    arm.wrench = np.array([0.0, 0.0, 90.0, 0.0, 0.0, 0.0])
    here = arm.state().tcp_pose
    ScriptedReset(SCENE).retreat(robot, clock, make_safety())
    assert_near(arm.state().tcp_pose, here, 1e-9, 1e-9)


def test_the_scene_is_arranged_when_the_robot_is_clear_of_it(robot, arm, clock):
    scene = FixedScene(arm)
    ScriptedReset(scene, lift_m=0.1).run(robot, clock, make_safety(), 17)
    assert scene.seed == 17
    assert_near(scene.clear_at, TOOL_DOWN @ Pose(np.array([0.0, 0.0, -0.1])), 1e-9, 1e-9)
    assert_near(arm.state().tcp_pose, TOOL_DOWN @ START, 1e-9, 1e-9)
