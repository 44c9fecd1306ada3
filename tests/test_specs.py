import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_rl.errors import SpecError
from robot_rl.specs import ArraySpec, EnvironmentSpec, ObservationSpec
from robot_rl.types import Observation

FORCE = ArraySpec("tcp_force", (3,), np.float32, -10.0, 10.0)
WRIST = ArraySpec("wrist_image", (4, 5, 3), np.uint8)
OBSERVATION_SPEC = ObservationSpec(
    proprio={"tcp_force": FORCE, "width": ArraySpec("width", (1,), np.float32, 0.0, 0.08)}, images={"wrist": WRIST}
)


def make_observation(**changes):
    values = {
        "proprio": {"tcp_force": np.zeros(3, np.float32), "width": np.zeros(1, np.float32)},
        "images": {"wrist": np.zeros((4, 5, 3), np.uint8)},
    }
    return Observation(**(values | changes), stamp_ns=0)


def test_a_fitting_array_is_returned_itself():
    array = np.array([1.0, -10.0, 10.0], np.float32)
    assert FORCE.validate(array) is array


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros(2, np.float32), r"tcp_force must have shape \(3,\), got \(2,\)"),
        (np.zeros((1, 3), np.float32), r"tcp_force must have shape \(3,\), got \(1, 3\)"),
        (np.zeros(3, np.float64), "tcp_force must have dtype float32, got float64"),
        (np.zeros(3, np.int32), "tcp_force must have dtype float32, got int32"),
        ([0.0, 0.0, 0.0], "tcp_force must have dtype float32, got float64"),
        (np.array([0.0, np.nan, 0.0], np.float32), "tcp_force must be finite, got .*nan"),
        (np.array([0.0, np.inf, 0.0], np.float32), "tcp_force must be finite, got .*inf"),
        (np.array([0.0, 10.5, 0.0], np.float32), r"tcp_force must lie in \[-10.0, 10.0\], got values in \[0.0, 10.5\]"),
        (np.array([0.0, -11.0, 0.0], np.float32), r"tcp_force must lie in .* got values in \[-11.0, 0.0\]"),
    ],
)
def test_an_error_names_the_array_its_value_and_what_is_valid(value, message):
    with pytest.raises(SpecError, match=message):
        FORCE.validate(value)


def test_an_unbounded_spec_takes_any_finite_value():
    value = np.array([1e300, -1e300])
    assert ArraySpec("x", (2,), np.float64).validate(value) is value


def test_an_unbounded_float_spec_still_refuses_nan():
    with pytest.raises(SpecError, match="x must be finite"):
        ArraySpec("x", (1,), np.float64).validate(np.array([np.nan]))


def test_an_empty_array_fits():
    value = np.zeros(0, np.float32)
    assert ArraySpec("x", (0,), np.float32, 0.0, 1.0).validate(value) is value


@given(st.floats(-100.0, 100.0), st.floats(0.0, 100.0), st.sampled_from([np.float32, np.float64]))
def test_the_generated_value_fits(minimum, span, dtype):
    minimum, maximum = float(np.float32(minimum)), float(np.float32(minimum + span))
    spec = ArraySpec("x", (2, 3), dtype, minimum, maximum)
    value = spec.generate_value()
    assert spec.validate(value) is value


def test_the_generated_value_is_zero_where_zero_fits():
    np.testing.assert_array_equal(FORCE.generate_value(), np.zeros(3))
    assert ArraySpec("x", (), np.float32, 2.0, 3.0).generate_value() == 2.0
    assert ArraySpec("x", (), np.float32, -3.0, -2.0).generate_value() == -2.0


def test_a_fitting_observation_passes():
    assert OBSERVATION_SPEC.validate(make_observation()) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": {}}, r"observation\.images must have entries \['wrist'\], got \[\]"),
        ({"proprio": {"width": np.zeros(1, np.float32)}}, r"observation\.proprio must have entries \['tcp_force'"),
        (
            {"proprio": {"width": np.zeros(1, np.float32), "tcp_force": np.zeros(3, np.float32)}},
            r"must have entries \['tcp_force', 'width'\], got \['width', 'tcp_force'\]",
        ),
        ({"images": {"wrist": np.zeros((4, 5, 4), np.uint8)}}, "wrist_image must have shape"),
        ({"images": {"wrist": np.zeros((4, 5, 3), np.float32)}}, "wrist_image must have dtype uint8, got float32"),
        (
            {"proprio": {"tcp_force": np.zeros(3, np.float32), "width": np.full(1, 0.5, np.float32)}},
            r"width must lie in \[0.0, 0.08\]",
        ),
    ],
    ids=["missing image", "missing proprio", "order", "image shape", "image dtype", "bounds"],
)
def test_an_observation_error_names_the_part(changes, message):
    with pytest.raises(SpecError, match=message):
        OBSERVATION_SPEC.validate(make_observation(**changes))


def test_proprio_size_counts_all_values():
    assert OBSERVATION_SPEC.proprio_size == 4
    matrix = ObservationSpec({"m": ArraySpec("m", (2, 3), np.float32), "s": ArraySpec("s", (), np.float32)}, {})
    assert matrix.proprio_size == 7


@pytest.mark.parametrize(("action_size", "has_gripper"), [(6, False), (7, True)])
def test_the_action_spec_is_the_unit_box(action_size, has_gripper):
    spec = EnvironmentSpec(OBSERVATION_SPEC, action_size, step_limit=100, rate_hz=10.0)
    assert spec.has_gripper is has_gripper
    spec.action.validate(np.ones(action_size, np.float32))
    with pytest.raises(SpecError, match=r"action must lie in \[-1.0, 1.0\]"):
        spec.action.validate(np.full(action_size, 1.5, np.float32))
    with pytest.raises(SpecError, match="action must have shape"):
        spec.action.validate(np.ones(action_size + 1, np.float32))
