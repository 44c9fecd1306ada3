"""Scales by hand: half a millimetre and half a metre have to be told apart by the same network."""

import copy
import math

import numpy as np
import pytest
import torch

from robot_rl.policies.features import FINE, ProprioFeatures


def fitted(*rows):
    features = ProprioFeatures(len(rows[0]))
    features.fit(np.array(rows, np.float32))
    return features


def test_each_value_appears_normalised_and_then_on_the_logarithmic_scale():
    features = fitted([0.0, 10.0], [4.0, 30.0])  # means 2 and 20, deviations 2 and 10
    got = features(torch.tensor([[4.0, 20.0], [0.0, -10.0]]))
    assert features.size == 4
    expected = [
        [1.0, 0.0, 0.5 * math.asinh(4 * FINE / 2), 0.5 * math.asinh(20 * FINE / 10)],
        [-1.0, -3.0, 0.0, 0.5 * math.asinh(-10 * FINE / 10)],
    ]
    torch.testing.assert_close(got, torch.tensor(expected))


def test_half_a_millimetre_at_the_target_is_as_plain_as_doubling_the_distance_far_from_it():
    features = fitted([-0.015], [0.015])
    near = features(torch.tensor([[0.0], [0.0005]]))
    assert float(near[1, 0] - near[0, 0]) == pytest.approx(1 / 30, rel=1e-4)  # what a normalised input would show
    assert float(near[1, 1] - near[0, 1]) == pytest.approx(0.5 * math.asinh(1.0), rel=1e-4)
    far = features(torch.tensor([[0.02], [0.04]]))
    assert float(far[1, 1] - far[0, 1]) == pytest.approx(0.5 * math.log(2.0), rel=1e-2)


def test_the_logarithmic_half_is_odd_and_without_a_jump_at_zero():
    features = fitted([-1.0], [1.0])
    values = torch.linspace(-0.3, 0.3, 601)[:, None]
    scale = features(values)[:, 1]
    torch.testing.assert_close(scale, -scale.flip(0), atol=1e-5, rtol=0)
    assert 0 < scale.diff().min() <= scale.diff().max() < 0.016  # 0.5 * FINE * 0.001 is the steepest


def test_a_blow_on_the_sensor_is_clipped_where_it_is_normalised_and_stays_small_on_the_other_scale():
    features = fitted([-1.0], [1.0])
    got = features(torch.tensor([[1e6], [-1e6]]))
    assert got[:, 0].tolist() == [10.0, -10.0]
    assert 8 < got[0, 1] < 10


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_a_value_that_does_not_vary_keeps_its_unit(value):
    features = fitted([value], [value], [value])
    assert features(torch.tensor([[value + 0.25]]))[0, 0] == pytest.approx(0.25)


def test_a_constant_is_one_however_many_rows_there_are():
    features = ProprioFeatures(1)
    features.fit(np.full((300_000, 1), 3.3, np.float32))
    assert features.spread.item() == 1.0
    assert features.mean.item() == pytest.approx(3.3, abs=1e-6)


def test_before_they_are_fitted_values_pass_in_their_unit():
    assert ProprioFeatures(1)(torch.tensor([[0.5]]))[0, 0] == 0.5


def test_the_scales_are_state_so_that_a_copy_and_another_process_see_the_same():
    features, other = fitted([0.0, 1.0], [4.0, 9.0]), ProprioFeatures(2)
    values = torch.randn(8, 2, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(other(values), features(values))
    other.load_state_dict(features.state_dict())
    assert torch.equal(other(values), features(values))
    copied = copy.deepcopy(features)
    features.fit(np.array([[0.0, 0.0], [1.0, 1.0]], np.float32))
    assert torch.equal(copied(values), other(values))
    assert not list(features.parameters())
