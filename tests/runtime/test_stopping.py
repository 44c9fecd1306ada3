"""A robot is stopped however its use ends, and the reason of an end is the one that is told."""

import logging

import pytest

from robot_rl.errors import DeviceError
from robot_rl.runtime.acting.policies import ZeroPolicy
from robot_rl.runtime.recorder import record_demonstrations
from robot_rl.runtime.reporting.evaluation import evaluate
from robot_rl.runtime.stopping import stopping, stopping_on_error
from tests.runs import make_people_cell


def fail(message):
    def raising(*_, **__):
        raise DeviceError(message)

    return raising


@pytest.fixture
def lost():
    """A robot whose controller has died."""
    cell = make_people_cell("expert")
    cell.arm.stop = fail("stop did not answer")
    return cell


def act(cell):
    with stopping(cell.env.robot):
        cell.env.reset()


def run_evaluation(cell):
    evaluate(cell.env, ZeroPolicy(cell.env.spec), 1, 0)


def record(cell, path):
    record_demonstrations(cell.env, path, {}, 1, 0, is_success_only=True, on_episode=lambda kept, is_success: True)


@pytest.mark.parametrize("who", ["the actor", "the evaluation", "the recording"])
def test_what_cut_it_short_is_not_hidden_by_a_stop_that_fails(lost, who, tmp_path, caplog):
    lost.env.reset = fail("the controller is silent")
    use = {"the actor": act, "the evaluation": run_evaluation, "the recording": lambda cell: record(cell, tmp_path)}
    with caplog.at_level(logging.WARNING), pytest.raises(DeviceError, match="the controller is silent"):
        use[who](lost)
    assert caplog.messages == [f"{who} could not stop the robot: stop did not answer"]


def test_a_stop_that_fails_where_nothing_else_did_is_the_error(lost):
    with pytest.raises(DeviceError, match="stop did not answer"):
        act(lost)


def test_only_where_the_context_is_cut_short_a_robot_that_others_go_on_with_is_stopped():
    cell = make_people_cell("none")
    with stopping_on_error(cell.env.robot, "the work"):
        cell.env.reset()
    assert cell.arm.state().stop is None
    with pytest.raises(KeyboardInterrupt), stopping_on_error(cell.env.robot, "the work"):
        raise KeyboardInterrupt
    assert cell.arm.state().stop.detail == "the work was cut short by KeyboardInterrupt()"
