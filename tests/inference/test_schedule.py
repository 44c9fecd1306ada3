"""Noise levels: known values, conversions that agree, and errors."""

import dataclasses
import math

import pytest
import torch

from robot_rl.errors import CheckpointError, ConfigError
from robot_rl.inference.schedule import Schedule, ScheduleSpec
from tests.inference.test_samplers import PARAMETRISATIONS


@pytest.mark.parametrize(
    ("level", "sigma"),
    [(2, 0.058), (3, 0.074), (5, 0.106), (7, 0.137), (10, 0.186), (20, 0.353), (40, 0.762), (60, 1.44)],
)
def test_relative_noise_of_the_squared_cosine(level, sigma):
    assert Schedule(ScheduleSpec()).sigma(level) == pytest.approx(sigma, rel=0.01)


def test_relative_noise_of_the_linear_schedule():
    table = Schedule(ScheduleSpec(kind="linear"))
    assert table.sigma(2) == pytest.approx(0.030, abs=0.001)
    assert table.signal(99) ** 2 == pytest.approx(0.36, abs=0.01), "it never reaches pure noise"


def test_flow_is_a_straight_line_and_exponential_steps_have_one_ratio():
    flow = Schedule(ScheduleSpec(kind="flow", prediction="flow", levels=4))
    assert flow.signal_K.tolist() == [0.75, 0.5, 0.25, 0.0]
    assert math.isinf(flow.sigma(3))
    few = Schedule(ScheduleSpec(kind="exponential", levels=3, sigma_min=0.01, sigma_max=1.0))
    assert few.sigma_K.tolist() == pytest.approx([0.01, 0.1, 1.0])


@pytest.mark.parametrize(("kind", "prediction"), PARAMETRISATIONS)
def test_the_target_of_training_is_what_is_read_back(kind, prediction):
    table = Schedule(ScheduleSpec(kind=kind, prediction=prediction, levels=10))
    x0, noise = torch.randn(10, 2, 3, dtype=torch.float64), torch.randn(10, 2, 3, dtype=torch.float64)
    levels = torch.arange(10)
    x, target = table.mix_each(x0, noise, levels), table.to_target(x0, noise, levels)
    for level in range(10):
        assert torch.allclose(table.to_x0(x[level], target[level], level), x0[level])
        assert torch.allclose(table.to_noise(x[level], x0[level], level), noise[level])
        assert torch.allclose(x[level], table.mix(x0[level], noise[level], level))
        assert float(table.input_scale_each(levels)[level]) == pytest.approx(table.input_scale(level))


@pytest.mark.parametrize(("kind", "prediction"), PARAMETRISATIONS)
def test_the_network_sees_unit_spread_at_every_level(kind, prediction):
    table = Schedule(ScheduleSpec(kind=kind, prediction=prediction, levels=10, data_std=0.5))
    for level in range(10):
        spread = math.hypot(table.signal(level) * 0.5, table.noise(level))
        assert table.input_scale(level) * spread == pytest.approx(1.0)


def test_levels_are_spread_from_the_noisiest_to_the_cleanest():
    table = Schedule(ScheduleSpec())
    assert table.spread_levels(1) == [99]
    assert table.spread_levels(4) == [99, 66, 33, 0]
    assert table.spread_levels(100) == list(range(99, -1, -1))
    assert table.nearest(0.35) == 20
    for sigma in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ConfigError, match="positive"):
            table.nearest(sigma)


def test_a_schedule_is_never_guessed():
    stored = dataclasses.asdict(ScheduleSpec(levels=7))
    assert ScheduleSpec.from_json(stored) == ScheduleSpec(levels=7)
    with pytest.raises(CheckpointError, match="no schedule"):
        ScheduleSpec.from_json(None)
    with pytest.raises(CheckpointError, match=r"missing are \['levels'\]"):
        ScheduleSpec.from_json({name: value for name, value in stored.items() if name != "levels"})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "cosin"}, "kind must be one of cosine"),
        ({"prediction": "eps"}, "prediction must be one of epsilon"),
        ({"levels": 1}, "levels must be at least 2"),
        ({"sigma_min": 2.0}, "sigma_min < sigma_max"),
        ({"data_std": 0.0}, "data_std must be positive"),
        ({"kind": "flow"}, "epsilon says nothing"),
    ],
)
def test_wrong_specs_say_what_is_valid(wrong, message):
    with pytest.raises(ConfigError, match=message):
        ScheduleSpec(**wrong)
