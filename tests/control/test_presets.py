"""The named parameter sets and their record."""

import dataclasses

import numpy as np
import pytest

from robot_rl.control.presets import PRESETS, ImpedanceParameters, preset
from robot_rl.control.records import PARAMETERS_DTYPE
from robot_rl.errors import ConfigError, UnknownNameError


def test_unknown_preset_lists_the_valid_ones():
    with pytest.raises(UnknownNameError, match="compliant, insertion, precision, serl"):
        preset("insertoin")


def test_unknown_mode_lists_the_valid_ones():
    with pytest.raises(UnknownNameError, match="base, tcp"):
        ImpedanceParameters(compliance_axes="flange")


@pytest.mark.parametrize("name", PRESETS)
def test_every_field_reaches_the_record(name):
    parameters, record = preset(name), preset(name).to_record()
    assert {field.name for field in dataclasses.fields(parameters)} == set(PARAMETERS_DTYPE.names)
    for field in dataclasses.fields(parameters):
        value = getattr(parameters, field.name)
        if isinstance(value, float | tuple):
            np.testing.assert_array_equal(record[field.name], value)


def test_record_is_fresh():
    first, second = preset("serl").to_record(), preset("serl").to_record()
    first["stiffness"][0] = 1.0
    assert second["stiffness"][0] == 2000.0


def test_insertion_budget():
    budget = preset("insertion").force_budget_n()
    np.testing.assert_allclose(budget[1], [12.0, 12.0, 16.0, 15.0, 15.0, 15.0])
    np.testing.assert_allclose(budget[0], -budget[1])


def test_budget_is_signed_per_axis():
    parameters = dataclasses.replace(preset("serl"), clip_lower=(-0.002, -0.01, -0.01, 0.0, 0.0, 0.0))
    np.testing.assert_allclose(parameters.force_budget_n()[0], [-4.0, -20.0, -20.0, 0.0, 0.0, 0.0])


def test_serl_filter_goes_half_a_percent_a_millisecond():
    record = preset("serl").to_record()
    for name in ("target_filter_s", "gain_filter_s"):
        assert 1.0 - np.exp(-1e-3 / record[name]) == pytest.approx(0.005, rel=1e-12)


def test_serl_posture_of_joint_1():
    record = preset("serl").to_record()
    np.testing.assert_allclose(record["null_stiffness"][:2], [0.2 * 100, 0.2])
    np.testing.assert_allclose(record["null_damping"][:2], [2 * np.sqrt(0.2) * 2 * np.sqrt(100), 2 * np.sqrt(0.2)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stiffness": (1.0,) * 5}, "stiffness must have shape"),
        ({"stiffness": (-1.0,) * 6}, "stiffness must not be negative"),
        ({"stiffness": (np.inf,) * 6}, "stiffness must be finite"),
        ({"damping_ratio": np.nan}, "damping_ratio must be finite"),
        ({"clip_lower": (0.01,) * 6}, "clip_lower"),
        ({"box_lower_m": (1.0, 0.0, 0.0), "box_upper_m": (0.0, 0.0, 0.0)}, "box_lower_m"),
        ({"friction_rest_ratio": 1.0}, "friction_rest_ratio"),
        ({"follow_ratio": 1.1}, "follow_ratio"),
        ({"friction_velocity_rad_s": 0.0}, "friction_velocity_rad_s"),
        ({"torque_step_nm": 0.0}, "torque_step_nm"),
        ({"torque_step_nm": np.nan}, "torque_step_nm"),
    ],
)
def test_values_out_of_range_are_named(change, message):
    with pytest.raises(ConfigError, match=message):
        ImpedanceParameters(**change)
