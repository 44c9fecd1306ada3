"""The embedding of the noise level against numbers worked out by hand."""

import math

import pytest
import torch

from robot_rl.errors import SpecError
from robot_rl.policies.networks.step_embedding import SinusoidalEmbedding, StepEmbedding


def test_sines_then_cosines_at_frequencies_from_one_to_a_ten_thousandth():
    embedding = SinusoidalEmbedding(6)(torch.tensor([0.0, 1.0, 50.0]))
    for row, level in zip(embedding, (0.0, 1.0, 50.0), strict=True):
        phases = [level * 1.0, level * 0.01, level * 0.0001]  # 10000^0, 10000^-1/2, 10000^-1
        expected = [math.sin(phase) for phase in phases] + [math.cos(phase) for phase in phases]
        torch.testing.assert_close(row, torch.tensor(expected))


def test_no_two_of_a_hundred_levels_look_alike():
    embedding = SinusoidalEmbedding(64)(torch.arange(100.0))
    distances = torch.cdist(embedding, embedding) + 10.0 * torch.eye(100)
    assert distances.min() > 0.3


def test_the_frequencies_are_no_part_of_a_checkpoint():
    assert set(StepEmbedding(8, 16).state_dict()) == {
        f"layers.{i}.{name}" for i in (0, 2) for name in ("weight", "bias")
    }


def test_the_small_network_is_linear_mish_linear():
    torch.manual_seed(0)
    embedding = StepEmbedding(8, 16)
    level = torch.tensor([3.0])
    hidden = embedding.layers[0](embedding.waves(level))
    expected = embedding.layers[2](hidden * torch.tanh(torch.log1p(torch.exp(hidden))))
    torch.testing.assert_close(embedding(level), expected)


@pytest.mark.parametrize("size", [2, 7, 0])
def test_a_size_that_cannot_be_halved_into_waves_is_refused(size):
    with pytest.raises(SpecError, match="even and at least 4"):
        SinusoidalEmbedding(size)
