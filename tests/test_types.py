import dataclasses

import numpy as np
import pytest

from robot_rl.types import (
    ArmState,
    Command,
    Correction,
    Observation,
    Reason,
    RobotCommand,
    Source,
    StepType,
    StopRecord,
    TimeStep,
    restart,
    running,
    termination,
    truncation,
)

OBSERVATION = Observation({"tcp": np.zeros(3, np.float32)}, {}, stamp_ns=7)
ACTION = np.array([0.5, -0.5], np.float32)


def test_restart_is_the_first_step():
    step = restart(OBSERVATION, action_size=2)
    assert step.step_type is StepType.FIRST
    assert (step.is_first, step.is_last, step.is_terminal) == (True, False, False)
    assert (step.reward, step.discount) == (0.0, 1.0)
    assert step.observation is OBSERVATION
    assert step.applied_action.dtype == np.float32
    np.testing.assert_array_equal(step.applied_action, [0.0, 0.0])


def test_running_goes_on():
    step = running(OBSERVATION, 0.25, ACTION, Source.HUMAN)
    assert step.step_type is StepType.MID
    assert (step.is_first, step.is_last, step.is_terminal) == (False, False, False)
    assert (step.reward, step.discount) == (0.25, 1.0)
    assert step.applied_action is ACTION
    assert step.source is Source.HUMAN


def test_termination_has_discount_zero():
    step = termination(OBSERVATION, 1.0, ACTION, Source.POLICY)
    assert (step.is_first, step.is_last, step.is_terminal) == (False, True, True)
    assert (step.reward, step.discount) == (1.0, 0.0)
    assert step.applied_action is ACTION
    assert step.source is Source.POLICY


def test_truncation_keeps_discount_one_and_bootstraps():
    step = truncation(OBSERVATION, 0.0, ACTION, Source.BASE)
    assert (step.is_first, step.is_last, step.is_terminal) == (False, True, False)
    assert (step.reward, step.discount) == (0.0, 1.0)
    assert step.applied_action is ACTION
    assert step.source is Source.BASE


def test_a_discount_of_zero_inside_an_episode_is_not_terminal():
    step = TimeStep(StepType.MID, OBSERVATION, 0.0, 0.0, ACTION, Source.POLICY)
    assert not step.is_terminal


@pytest.mark.parametrize("kind", [Observation, TimeStep, ArmState, Command, RobotCommand, Correction, StopRecord])
def test_what_crosses_borders_is_frozen(kind):
    assert kind.__dataclass_params__.frozen


def test_a_time_step_cannot_be_changed():
    step = restart(OBSERVATION, action_size=2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        step.reward = 1.0


def test_values_with_arrays_can_be_compared_and_hashed():
    """A regression: the generated `==` compared arrays, whose truth is ambiguous, and raised."""
    step, other = (restart(OBSERVATION, action_size=2) for _ in range(2))
    assert step == step
    assert step != other
    assert len({step, other, OBSERVATION}) == 3
    assert Command(np.zeros(6), stamp_ns=0) != Command(np.zeros(6), stamp_ns=0)


def test_values_without_arrays_are_equal_by_value():
    assert StopRecord(Reason.SPEED, "0.3 m/s", 5) == StopRecord(Reason.SPEED, "0.3 m/s", 5)
    assert Correction(Reason.STEP, 0.1, "x") != Correction(Reason.STEP, 0.2, "x")


def test_sources_keep_their_stored_numbers():
    """They are written into stored episodes: renumbering would change what old files say."""
    assert [(source.name, source.value) for source in Source] == [("POLICY", 0), ("BASE", 1), ("HUMAN", 2), ("DEMO", 3)]


def test_step_types_keep_their_stored_numbers():
    assert [step_type.value for step_type in (StepType.FIRST, StepType.MID, StepType.LAST)] == [0, 1, 2]


def test_a_command_says_nothing_by_default():
    command = Command(np.zeros(6), stamp_ns=3)
    assert command.gripper == 0.0
    assert command.buttons == frozenset()


def test_every_reason_has_its_own_words():
    assert len({reason.value for reason in Reason}) == len(Reason) == len(Reason.__members__)
