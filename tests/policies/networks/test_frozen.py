"""The frozen form against the network that it was made of."""

import copy

import pytest
import torch

from robot_rl.errors import SetupError, SpecError
from robot_rl.policies.networks import product
from robot_rl.policies.networks.denoiser import Denoiser
from robot_rl.policies.networks.dit import DiT, DiTSpec
from robot_rl.policies.networks.frozen import freeze
from robot_rl.policies.networks.frozen_unet import doubling
from robot_rl.policies.networks.product import Precision, make_product
from robot_rl.policies.networks.residual_mlp import ResidualMLP, ResidualMLPSpec
from robot_rl.policies.networks.unet import ConditionalUNet, UNetSpec

torch.set_num_threads(1)

I, O, H, C, K = 3, 4, 8, 5, 100  # noqa: E741


def randomise(network):
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return network


def make_unet(widths=(16, 24, 32), kernel=5):
    torch.manual_seed(0)
    return randomise(ConditionalUNet(UNetSpec(I, O, H, C, widths, step_size=8, kernel=kernel)))


def make_dit():
    torch.manual_seed(0)
    return randomise(DiT(DiTSpec(I, O, H, C, width=16, layers=2, heads=2)))


def make_inputs(batch, rows=None):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, H, I, generator=generator)
    return x, torch.randn(rows or batch, C, generator=generator)


def reference(network, x, level, condition):
    with torch.no_grad():
        return network(x, torch.full((len(x),), float(level)), condition.expand(len(x), -1))


def relative(own, expected):
    return float((own - expected).norm() / expected.norm())


def make_residual_mlp():
    torch.manual_seed(0)
    return randomise(ResidualMLP(ResidualMLPSpec(I, O, H, C, width=16, layers=2)))


MAKERS = pytest.mark.parametrize("make", [make_unet, make_dit, make_residual_mlp])


@MAKERS
def test_all_levels_give_what_the_network_gives(make):
    network, (x, condition) = make(), make_inputs(1)
    frozen = freeze(network, K)
    prepared = frozen.prepare(condition)
    for level in range(K):
        assert relative(frozen(x, level, prepared), reference(network, x, level, condition)) < 1e-5


@pytest.mark.parametrize(
    "make",
    [
        make_unet,
        make_dit,
        lambda: make_unet(widths=(8,)),
        lambda: make_unet(widths=(8, 8)),
        lambda: make_unet(widths=(8, 16, 16, 16), kernel=3),
    ],
)
@pytest.mark.parametrize(("batch", "rows"), [(1, 1), (2, 2), (5, 1), (5, 5)])
def test_all_batches_give_what_the_network_gives(make, batch, rows):
    network, (x, condition) = make(), make_inputs(batch, rows)
    frozen = freeze(network, K)
    own = frozen(x, 42, frozen.prepare(condition))
    assert own.shape == (batch, H, O)
    assert relative(own, reference(network, x, 42, condition)) < 1e-5


@MAKERS
def test_evaluations_leave_no_trace_in_one_another_nor_in_their_arguments(make):
    network = make()
    frozen = freeze(network, K)
    cases = [(make_inputs(batch), level) for batch, level in ((1, 3), (4, 90), (1, 90), (2, 0))]
    kept = copy.deepcopy(cases)
    first = [frozen(x, level, frozen.prepare(condition)) for (x, condition), level in cases]
    prepared = frozen.prepare(cases[0][0][1])
    for _ in range(3):
        assert torch.equal(frozen(cases[0][0][0], 3, prepared), first[0])
    for own, ((x, condition), level), ((kept_x, _), _) in zip(first, cases, kept, strict=True):
        assert torch.equal(x, kept_x)
        assert relative(own, reference(network, x, level, condition)) < 1e-5  # nor was it overwritten by later ones


@MAKERS
def test_a_chunk_need_not_be_contiguous(make):
    network, (x, condition) = make(), make_inputs(2)
    frozen = freeze(network, K)
    strange = torch.zeros(2, I, 2 * H)[:, :, ::2].transpose(1, 2).copy_(x)
    prepared = frozen.prepare(condition)
    assert torch.equal(frozen(strange, 5, prepared), frozen(x, 5, prepared))


@MAKERS
def test_later_training_does_not_reach_the_frozen_form_nor_freezing_the_network(make):
    network, (x, condition) = make(), make_inputs(1)
    network.train()
    frozen = freeze(network, K)
    before = frozen(x, 9, frozen.prepare(condition))
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 1.0
    assert torch.equal(frozen(x, 9, frozen.prepare(condition)), before)


@MAKERS
@pytest.mark.parametrize("rows", [1, 3])
def test_the_vector_jacobian_product_is_that_of_the_network(make, rows):
    network, (x, condition) = make(), make_inputs(3, rows)
    frozen = freeze(network, K)
    prepared = frozen.prepare(condition.requires_grad_())
    vector = torch.randn(3, H, O)
    own_x, x = x.clone().requires_grad_(), x.requires_grad_()
    output = frozen(own_x, 30, prepared)
    (own,) = torch.autograd.grad(output, own_x, vector)
    expected_output = network(x, torch.full((3,), 30.0), condition.expand(3, -1))
    (expected,) = torch.autograd.grad(expected_output, x, vector)
    assert relative(own, expected) < 1e-5
    assert relative(output.detach(), expected_output.detach()) < 1e-5
    assert condition.grad is None
    assert all(parameter.grad is None for parameter in frozen.network.parameters())


@MAKERS
def test_without_gradients_nothing_is_recorded(make):
    frozen, (x, condition) = freeze(make(), K), make_inputs(1)
    prepared = frozen.prepare(condition)
    assert not frozen(x, 1, prepared).requires_grad
    with torch.no_grad():
        assert not frozen(x.requires_grad_(), 1, prepared).requires_grad


@MAKERS
def test_inference_mode_may_come_and_go(make):
    frozen, (x, condition) = freeze(make(), K), make_inputs(1)
    with torch.inference_mode():
        prepared = frozen.prepare(condition)
        first = frozen(x, 1, prepared).clone()
    assert torch.equal(frozen(x, 1, prepared), first)
    x.requires_grad_()
    output = frozen(x, 1, prepared)
    assert torch.autograd.grad(output.sum(), x)[0].abs().max() > 0.0


def test_a_transposed_convolution_is_a_convolution_with_twice_the_channels():
    torch.manual_seed(0)
    layer, x = torch.nn.ConvTranspose1d(6, 4, 4, stride=2, padding=1), torch.randn(2, 6, 5)
    with torch.no_grad():
        room = doubling(layer, Precision.FLOAT32).room(2, 5)
        room.inside.copy_(x.unsqueeze(-1))
        for step in room.steps:
            step()
        rows = room.outside.squeeze(-1)  # (B, 2 O, H)
        own = torch.stack([rows[:, :4], rows[:, 4:]], dim=-1).flatten(2)
        torch.testing.assert_close(own, layer(x))


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("shape", [(16, 16), (512, 640), (1024, 1100)])  # plain, half, and packed
def test_every_form_of_a_product_is_that_of_a_linear_layer(precision, shape):
    torch.manual_seed(0)
    weight, bias, x = torch.randn(shape) / shape[1] ** 0.5, torch.randn(shape[0]), torch.randn(7, shape[1])
    expected = torch.nn.functional.linear(x, weight, bias)
    is_half = precision is Precision.FLOAT16 and weight.numel() >= product.HALF_SIZE
    form = make_product(weight, bias, precision)
    error = relative(form(x), expected)
    assert error < (5e-4 if is_half else 1e-6)
    assert error > 1e-5 or not is_half  # or it would not have been half
    buffer = torch.full_like(expected, torch.nan)
    form.write(x, buffer)
    assert torch.equal(buffer, form(x))


def test_with_half_of_the_bytes_the_output_is_within_a_thousandth_and_the_gradient_exact(monkeypatch):
    monkeypatch.setattr(product, "HALF_SIZE", 0)
    network, (x, condition) = make_unet(), make_inputs(2)
    frozen = freeze(network, K, Precision.FLOAT16)
    prepared = frozen.prepare(condition)
    error = relative(frozen(x, 42, prepared), reference(network, x, 42, condition))
    assert 1e-5 < error < 1e-3
    assert relative(frozen(x.requires_grad_(), 42, prepared).detach(), reference(network, x, 42, condition)) < 1e-5


def test_half_of_the_bytes_on_a_machine_without_that_product_is_refused(monkeypatch):
    monkeypatch.setattr(product, "HALF_SIZE", 0)
    monkeypatch.setattr(torch.backends.quantized, "engine", "qnnpack")
    with pytest.raises(SetupError, match=r"'qnnpack'\. Use float32"):
        freeze(make_dit(), K, Precision.FLOAT16)


class Unknown(Denoiser):
    """A denoiser of which there is no fast form."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def level_part(self, level_B):
        return level_B[:, None]

    def condition_part(self, condition_BC):
        return condition_BC

    def modulated(self, x_BHI, modulation_BM):
        return x_BHI


def test_what_cannot_be_frozen_is_refused():
    with pytest.raises(SpecError, match="ConditionalUNet, DiT and ResidualMLP can be frozen, got Unknown"):
        freeze(Unknown(), K)
    with pytest.raises(SpecError, match="levels must be at least 1, got 0"):
        freeze(make_dit(), 0)


def test_evaluations_that_do_not_fit_are_refused():
    frozen, (x, condition) = freeze(make_dit(), K), make_inputs(3)
    prepared = frozen.prepare(condition)
    for level in (-1, K):
        with pytest.raises(SpecError, match=f"level must be in 0 .. 99, got {level}"):
            frozen(x, level, prepared)
    with pytest.raises(SpecError, match="prepared for a batch of 3; expected 1 or 2"):
        frozen(x[:2], 0, prepared)
    with pytest.raises(SpecError, match="x has shape"):
        frozen(x[:, 1:], 0, prepared)
    with pytest.raises(SpecError, match=r"condition has shape \(3, 4\); expected \(B, 5\)"):
        frozen.prepare(condition[:, 1:])
