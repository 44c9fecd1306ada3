"""The Jacobian of every millisecond, against libfranka's own and by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
from robot_rl_hardware.fci_sim.process import run_robot
from robot_rl_hardware.franka.axes import JointAxes, find_axes, turn_jacobian

from tests.hardware.fci_sim.clients import ask, make_host

JACOBIAN = np.array([[0.0, 0.5, 0.0, 0.0, 0.0, 1.0]] * 7)
"""(v, omega) by joints whose vertical axes all stand half a metre behind the TCP."""


def turn(axes, joints):
    jacobian = np.full((7, 6), np.nan)
    turn_jacobian(axes, np.array(joints), jacobian)
    return jacobian


def make_state(tool=0.0, joints=(0.0,) * 7):
    return SimpleNamespace(F_T_EE=[tool] * 16, q=list(joints))


# ------------------------------------------------------------------------------------ libfranka's

COMPARE = """
from robot_rl_hardware.franka.axes import turn_jacobian
from robot_rl_hardware.franka.fr3 import FR3Model

robot.set_EE([0.0, 1, 0, 0, -0.8, 0, 0.6, 0, 0.6, 0, 0.8, 0, 0.03, -0.02, 0.15, 1])
robot.set_K([1.0, 0, 0, 0, 0, 0, 1, 0, 0, -1, 0, 0, 0.01, 0.02, 0.04, 1])
other = [robot.read_once() for _ in range(2)][1]  # the first one may be from before
robot.set_EE(np.eye(4).ravel().tolist())
robot.set_K(np.eye(4).ravel().tolist())
nominal = [robot.read_once() for _ in range(2)][1]
theirs = robot.load_model()
ours, generator = FR3Model(theirs), np.random.default_rng(5)
numbers, jacobian, errors, largest = np.zeros(56), np.zeros((7, 6)), [], []
for state in (nominal, other, nominal):
    for _ in range(200):
        state.q, state.dq = generator.uniform(-2.8, 2.8, 7).tolist(), generator.uniform(-2.0, 2.0, 7).tolist()
        turn_jacobian(ours.read(state, numbers), np.array(state.q), jacobian)
        said = np.array([*theirs.mass(state), *theirs.coriolis(state)])
        errors.append(max(abs(jacobian.ravel() - theirs.zero_jacobian(state)).max(), abs(numbers - said).max()))
    largest.append(abs(jacobian[:, :3]).max())
say(error=max(errors), tools=[nominal.F_T_EE, other.F_T_EE], largest=largest)
"""


def test_it_is_libfrankas_at_any_posture_with_any_tool():
    with run_robot(make_host()) as robot:
        says = ask(robot, COMPARE)
    nominal, other = says["tools"]
    assert np.linalg.norm(np.subtract(other, nominal)[12:15]) > 0.04, "the same tool"
    assert min(says["largest"]) > 0.1
    assert says["error"] < 1e-12


# ------------------------------------------------------------------------------------ by hand


def test_the_tool_circles_about_an_axis():
    """At 90 degrees of the first joint it stands where it was to the left: it moves along -x, all others with it."""
    axes = find_axes(JACOBIAN, np.zeros(7))
    np.testing.assert_allclose(axes[0], [0.0, 0.0, 1.0, -0.5, 0.0, 0.0, 0.0], atol=1e-15)
    jacobian = turn(axes, [np.pi / 2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(jacobian, [[-0.5, 0.0, 0.0, 0.0, 0.0, 1.0]] * 7, atol=1e-15)


def test_what_a_joint_does_depends_on_the_joints_before_it_and_on_where_the_tool_is():
    """A shoulder that turns about z and, one metre ahead, an elbow about y with the TCP half a metre beyond it."""
    jacobian = JACOBIAN.copy()
    jacobian[0], jacobian[1] = [0.0, 1.5, 0.0, 0.0, 0.0, 1.0], [0.0, 0.0, -0.5, 0.0, 1.0, 0.0]
    after = turn(find_axes(jacobian, np.full(7, 0.3)), [0.3 + np.pi / 2, 0.3 + np.pi / 2, 0.3, 0.3, 0.3, 0.3, 0.3])
    # the upper arm points to +y, the forearm down: the TCP is at (0, 1, -0.5), the elbow's axis is -x
    np.testing.assert_allclose(after[0], [-1.0, 0.0, 0.0, 0.0, 0.0, 1.0], atol=1e-15)
    np.testing.assert_allclose(after[1], [0.0, -0.5, 0.0, -1.0, 0.0, 0.0], atol=1e-15)


# ------------------------------------------------------------------------------------ when it is asked for


def test_libfranka_is_asked_once_a_tool():
    asked, axes = [], JointAxes()

    def compute(state):
        asked.append(state.F_T_EE[0])
        return JACOBIAN.ravel().tolist()

    for tool in (1.0, 1.0, 2.0, 2.0, 1.0):
        axes.read(make_state(tool), compute)
    assert asked == [1.0, 2.0, 1.0]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e9])
def test_axes_of_an_impossible_state_are_forgotten_with_it(wrong):
    axes = JointAxes()
    axes.read(make_state(joints=[wrong] * 7), lambda state: JACOBIAN.ravel())
    axes.read(make_state(), lambda state: np.full(42, np.nan))
    good = axes.read(make_state(), lambda state: JACOBIAN.ravel())
    np.testing.assert_allclose(turn(good, np.zeros(7)), JACOBIAN, atol=1e-15)
