"""Ranges by hand, round trips, and data that nothing can be learned from."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from robot_rl.errors import SpecError
from robot_rl.policies.normaliser import MARGIN, Normaliser

torch.set_num_threads(1)


def test_the_ends_of_the_data_come_to_lie_a_margin_within_one():
    normaliser = Normaliser(2)
    normaliser.fit(np.array([[0.0, -10.0], [4.0, 30.0], [1.0, 0.0]]))
    own = normaliser.normalise(torch.tensor([[0.0, -10.0], [4.0, 30.0], [2.0, 10.0], [1.0, 20.0]]))
    torch.testing.assert_close(own, torch.tensor([[-0.95, -0.95], [0.95, 0.95], [0.0, 0.0], [-0.475, 0.475]]))


def test_without_a_margin_it_is_the_published_one():
    normaliser = Normaliser(1, margin=0.0)
    normaliser.fit(np.array([[2.0], [6.0]], dtype=np.float32))
    torch.testing.assert_close(normaliser.normalise(torch.tensor([2.0])), torch.tensor([-1.0]))
    torch.testing.assert_close(normaliser.denormalise(torch.tensor([1.0])), torch.tensor([6.0]))


def test_a_little_beyond_the_data_is_within_one():
    normaliser = Normaliser(1)
    normaliser.fit(np.array([[0.0], [1.0]]))
    beyond = 1.0 + MARGIN / 2.0
    assert normaliser.normalise(torch.tensor([beyond])).item() <= 1.0
    assert normaliser.normalise(torch.tensor([-MARGIN / 2.0])).item() >= -1.0


def test_a_value_that_hardly_varies_keeps_its_unit():
    normaliser = Normaliser(3)
    normaliser.fit(np.array([[0.5, 1.0, 0.0], [0.5 + 5e-5, 1.0, 1.0]]))
    own = normaliser.normalise(torch.tensor([0.6, 1.25, 1.0]))
    torch.testing.assert_close(own, torch.tensor([0.1 - 2.5e-5, 0.25, 0.95]))


def test_what_the_mask_names_is_left_alone():
    normaliser = Normaliser(2, identity=[False, True])
    normaliser.fit(np.array([[0.0, 1.0], [4.0, 0.25]]))
    values = torch.tensor([[4.0, 1.0], [2.0, -1.0]])
    torch.testing.assert_close(normaliser.normalise(values), torch.tensor([[0.95, 1.0], [0.0, -1.0]]))
    torch.testing.assert_close(normaliser.denormalise(normaliser.normalise(values)), values)


def test_before_it_is_fitted_it_is_the_identity():
    values = torch.randn(2, 5, 3)
    assert torch.equal(Normaliser(3).normalise(values), values)


def test_one_row_is_enough():
    normaliser = Normaliser(2)
    normaliser.fit(np.array([[3.0, -4.0]]))
    torch.testing.assert_close(normaliser.normalise(torch.tensor([3.0, -3.0])), torch.tensor([0.0, 1.0]))


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 20), st.just(3)), elements=st.floats(-1e3, 1e3)),
    st.floats(0.0, 0.9),
)
def test_there_and_back_again(values, margin):
    normaliser = Normaliser(3, margin=margin)
    normaliser.fit(values)
    data = torch.from_numpy(values).float()
    own = normaliser.normalise(data)
    is_wide = np.ptp(values, axis=0) > 1.0  # of narrower ones float32 keeps too few digits
    assert own[:, is_wide].abs().numpy().max(initial=0.0) <= 1.0 - margin + 1e-3
    torch.testing.assert_close(normaliser.denormalise(own), data, rtol=1e-5, atol=1e-3)


def test_the_ranges_travel_with_the_weights():
    first, second = Normaliser(2, identity=[True, False]), Normaliser(2)
    first.fit(np.array([[0.0, 5.0], [1.0, 9.0]]))
    second.load_state_dict(first.state_dict())
    values = torch.randn(4, 2)
    assert torch.equal(first.normalise(values), second.normalise(values))
    assert set(first.state_dict()) == {"centre", "scale", "is_identity"}
    second.fit(np.array([[0.0, 5.0], [4.0, 9.0]]))
    assert second.scale[0] == 1.0  # the mask came along


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused_with_its_place(bad):
    values = np.zeros((5, 2), dtype=np.float32)
    values[3, 1] = bad
    with pytest.raises(SpecError, match=r"action is -?(nan|inf) in row 3, element 1"):
        Normaliser(2, "action").fit(values)


@pytest.mark.parametrize("shape", [(0, 2), (4, 3), (2,), (1, 2, 2)])
def test_rows_of_the_wrong_size_are_refused(shape):
    with pytest.raises(SpecError, match=r"proprio has shape .*; expected \(N, 2\)"):
        Normaliser(2, "proprio").fit(np.zeros(shape))


@pytest.mark.parametrize("method", ["normalise", "denormalise"])
def test_tensors_of_the_wrong_size_are_refused(method):
    with pytest.raises(SpecError, match=r"action has shape \(4, 3\); expected \(\.\.\., 2\)"):
        getattr(Normaliser(2, "action"), method)(torch.zeros(4, 3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"margin": 1.0}, "margin must be in"),
        ({"margin": -0.1}, "margin"),
        ({"identity": [True]}, "1 elements; expected 2"),
    ],
)
def test_a_margin_or_mask_that_makes_no_sense_is_refused(change, message):
    with pytest.raises(SpecError, match=message):
        Normaliser(2, **change)
