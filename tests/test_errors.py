import pickle

import pytest

import robot_rl.errors as errors
from robot_rl.errors import ActionError, ConfigError, RobotRLError, SpecError, StoppedError, UnknownNameError

ALL = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]


def test_all_errors_are_found():
    assert len(ALL) >= 9


@pytest.mark.parametrize("kind", ALL)
def test_every_error_is_a_robot_rl_error(kind):
    assert issubclass(kind, RobotRLError)


@pytest.mark.parametrize(
    ("kind", "builtin"), [(UnknownNameError, KeyError), (ConfigError, ValueError), (SpecError, ValueError)]
)
def test_errors_can_be_caught_as_the_builtin_that_they_resemble(kind, builtin):
    assert issubclass(kind, builtin)


@pytest.mark.parametrize("kind", ALL)
def test_an_exit_status_says_whether_an_error_may_be_gone_at_the_next_try(kind):
    """A robot that is recovered, a camera that is plugged in, a learner that comes back; nothing else mends itself."""
    may_pass = kind in (StoppedError, errors.DeviceError, errors.ChannelError)
    assert kind.exit_status == (3 if may_pass else 2)


def test_an_action_error_is_a_spec_error():
    assert issubclass(ActionError, SpecError)


def test_unknown_name_lists_the_valid_names_in_order():
    error = UnknownNameError("task", "xyz", ["plug", "peg"])
    assert str(error) == "Unknown task 'xyz'. Valid are: peg, plug."


def test_unknown_name_suggests_the_nearest():
    error = UnknownNameError("task", "peq", ["plug", "peg"])
    assert str(error) == "Unknown task 'peq'. Did you mean 'peg'? Valid are: peg, plug."


def test_unknown_name_with_nothing_valid_still_speaks():
    assert "Unknown camera 'wrist'." in str(UnknownNameError("camera", "wrist", []))


def test_unknown_name_takes_a_generator():
    error = UnknownNameError("task", "peq", (name for name in ("plug", "peg")))
    assert error.valid == ["peg", "plug"]


def test_unknown_name_crosses_to_another_process():
    """A regression: the error could be pickled but not read back, so that a worker's failure hid itself."""
    error = pickle.loads(pickle.dumps(UnknownNameError("task", "peq", ["plug", "peg"])))
    assert isinstance(error, UnknownNameError)
    assert (error.kind, error.name, error.valid) == ("task", "peq", ["peg", "plug"])
    assert "Did you mean 'peg'?" in str(error)
