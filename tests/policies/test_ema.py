"""The moving average against numbers worked out by hand."""

import pytest
import torch
from torch import nn

from robot_rl.errors import CheckpointError
from robot_rl.policies.ema import MovingAverage, decay

torch.set_num_threads(1)


class Counter(nn.Module):
    """One parameter and one buffer."""

    def __init__(self, value=0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.full((2,), value))
        self.register_buffer("count", torch.tensor(0))

    def set(self, value, count=0):
        with torch.no_grad():
            self.weight.fill_(value)
            self.count.fill_(count)


@pytest.mark.parametrize(
    ("step", "expected"),
    # 1 - 1, 1 - 2^-0.75, 1 - 4^-0.75, 1 - 16^-0.75, 1 - 10^-3; the cap, which is reached at 10^(16/3) = 215443
    [(0, 0.0), (1, 0.4053964), (3, 0.6464466), (15, 0.875), (9999, 0.999), (216_000, 0.9999), (10**9, 0.9999)],
)
def test_the_decay_rises_from_nothing_to_its_cap(step, expected):
    assert decay(step) == pytest.approx(expected, abs=1e-7)


def test_the_cap_is_reached_and_not_passed():
    assert decay(215_444) == 0.9999 > decay(215_400) > 0.99989


def test_three_updates_by_hand():
    module = Counter(5.0)
    average = MovingAverage(module)
    expected = []
    for value in (1.0, 2.0, 4.0):
        module.set(value)
        average.update(module)
        expected.append(float(average.average.weight[0]))
    second = 0.4053964 * 1.0 + 0.5946036 * 2.0
    third_decay = 1.0 - 3.0**-0.75
    assert expected == pytest.approx([1.0, second, third_decay * second + (1.0 - third_decay) * 4.0], abs=1e-6)
    assert average.step == 3


def test_buffers_are_copied_whatever_their_type():
    module = Counter()
    average = MovingAverage(module)
    for count in (3, 7):
        module.set(0.0, count)
        average.update(module)
        assert average.average.count == count
        assert average.average.count.dtype == torch.int64


def test_a_module_without_buffers_is_averaged_too():
    module = nn.Linear(2, 2)
    average = MovingAverage(module)
    average.update(module)
    assert torch.equal(average.average.weight, module.weight)


def test_the_average_is_apart_from_the_module_and_needs_no_gradient():
    module = Counter(1.0).train()
    average = MovingAverage(module)
    module.set(2.0)
    assert average.average.weight[0] == 1.0
    assert not average.average.weight.requires_grad
    assert not average.average.training
    assert module.training
    assert module.weight.requires_grad


def test_a_restored_average_goes_on_bit_for_bit():
    module, other = Counter(1.0), MovingAverage(Counter(9.0))
    average = MovingAverage(module)
    for value in (1.0, 3.0):
        module.set(value, 4)
        average.update(module)
    state = average.state()
    module.set(8.0, 5)
    average.update(module)
    other.restore(state)
    assert other.step == 2
    assert other.average.count == 4
    other.update(module)
    assert torch.equal(other.average.weight, average.average.weight)
    assert other.step == average.step


@pytest.mark.parametrize("state", [{"step": 1}, {"step": 1, "weights": {"weight": torch.zeros(3)}}])
def test_the_state_of_something_else_is_refused(state):
    with pytest.raises(CheckpointError, match="cannot be restored"):
        MovingAverage(Counter()).restore(state)
