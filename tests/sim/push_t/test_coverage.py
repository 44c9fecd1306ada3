"""Coverage of the goal against overlaps that are known, and against counted points."""

import numpy as np
import pytest

from robot_rl.sim.push_t.coverage import coverage, coverages
from robot_rl.sim.push_t.shapes import AREA_PX2, GOAL_POSE, RECTANGLES


def at_goal(x=0.0, y=0.0, angle=0.0):
    """A pose given in the goal's axes."""
    cosine, sine = np.cos(GOAL_POSE[2]), np.sin(GOAL_POSE[2])
    return GOAL_POSE + (cosine * x - sine * y, sine * x + cosine * y, angle)


def count_points(pose, spacing=0.25):
    """Coverage as the part of the goal's points of a fine grid that are in the block."""
    inside = total = 0
    for low_x, low_y, high_x, high_y in RECTANGLES:
        grid = np.meshgrid(
            np.arange(low_x + spacing / 2, high_x, spacing), np.arange(low_y + spacing / 2, high_y, spacing)
        )
        x, y = (part.ravel() for part in grid)
        goal_cosine, goal_sine = np.cos(GOAL_POSE[2]), np.sin(GOAL_POSE[2])
        x, y = (
            GOAL_POSE[0] + goal_cosine * x - goal_sine * y - pose[0],
            GOAL_POSE[1] + goal_sine * x + goal_cosine * y - pose[1],
        )
        cosine, sine = np.cos(pose[2]), np.sin(pose[2])
        x, y = cosine * x + sine * y, cosine * y - sine * x
        inside += sum(int(((x > a) & (y > b) & (x < c) & (y < d)).sum()) for a, b, c, d in RECTANGLES)
        total += x.size
    return inside / total


def test_the_goal_itself_is_covered():
    assert coverage(GOAL_POSE) == pytest.approx(1.0, abs=1e-12)
    assert coverage(at_goal(angle=2.0 * np.pi)) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(("shift", "lost"), [((2.0, 0.0), 2 * 30 + 2 * 90), ((0.0, 3.0), 3 * 120), ((0, -3), 3 * 120)])
def test_a_shift_loses_what_is_seen_across_it(shift, lost):
    assert coverage(at_goal(*shift)) == pytest.approx(1.0 - lost / AREA_PX2, abs=1e-12)


def test_far_away_nothing_is_covered():
    assert coverage(at_goal(x=200.0)) == 0.0
    assert coverage(at_goal(y=-121.0)) == 0.0
    assert coverage(at_goal(y=-119.0)) == pytest.approx(30.0 / AREA_PX2)  # the stem's end on the bar


def test_quarter_turn_about_the_origin():
    # the goal's bar under the block's bar and stem, the goal's stem under its bar
    by_hand = (30 * 30 + 30 * 15 + 15 * 30) / AREA_PX2
    turned = at_goal(angle=np.pi / 2)
    assert coverage(turned) == pytest.approx(by_hand, abs=1e-12)
    assert count_points(turned) == pytest.approx(by_hand, abs=1e-3)


def test_many_poses_against_counted_points():
    generator = np.random.default_rng(1)
    poses = np.array([at_goal(*generator.uniform(-60, 60, 2), generator.uniform(-np.pi, np.pi)) for _ in range(12)])
    expected = [count_points(pose, 0.5) for pose in poses]
    np.testing.assert_allclose(coverages(poses), expected, atol=3e-3)
