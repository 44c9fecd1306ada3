"""The denoisers: published sizes, what their output depends on, and what they refuse."""

import pytest
import torch

from robot_rl.errors import SpecError
from robot_rl.policies.networks.dit import DiT, DiTSpec
from robot_rl.policies.networks.residual_mlp import ResidualMLP, ResidualMLPSpec
from robot_rl.policies.networks.unet import ConditionalUNet, UNetSpec

torch.set_num_threads(1)

I, O, H, C, B = 3, 4, 8, 5, 3  # noqa: E741


def open_up(network):
    """Gates that begin shut would hide everything behind them."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return network


def make_unet(**changes):
    torch.manual_seed(0)
    return open_up(ConditionalUNet(UNetSpec(I, O, H, C, **({"widths": (16, 24, 32), "step_size": 8} | changes))))


def make_dit():
    torch.manual_seed(0)
    return open_up(DiT(DiTSpec(I, O, H, C, width=16, layers=2, heads=2)))


def make_residual_mlp():
    torch.manual_seed(0)
    return open_up(ResidualMLP(ResidualMLPSpec(I, O, H, C, width=16, layers=2)))


MAKERS = pytest.mark.parametrize("make", [make_unet, make_dit, make_residual_mlp])


def make_inputs():
    generator = torch.Generator().manual_seed(0)
    x, condition = (torch.randn(shape, generator=generator) for shape in ((B, H, I), (B, C)))
    return x, torch.tensor([0.0, 7.0, 99.0]), condition


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_unet_of_diffusion_policy_for_push_t_has_its_published_65_8_million_parameters():
    with torch.device("meta"):  # its numbers are not needed
        network = ConditionalUNet(UNetSpec(2, 2, 16, condition_size=40, widths=(256, 512, 1024), step_size=256))
    assert round(count(network) / 1e6, 1) == 65.8


def test_the_small_networks_have_4_2_and_1_3_million_parameters():
    with torch.device("meta"):
        assert round(count(ConditionalUNet(UNetSpec(2, 2, 16, 40))) / 1e6, 1) == 4.2
        assert round(count(DiT(DiTSpec(2, 2, 16, 40))) / 1e6, 1) == 1.3


@MAKERS
def test_a_chunk_goes_in_and_a_chunk_of_the_other_size_comes_out(make):
    assert make()(*make_inputs()).shape == (B, H, O)


@pytest.mark.parametrize("widths", [(16,), (16, 8), (8, 8, 8, 16)])
def test_a_unet_has_as_many_levels_as_widths(widths):
    network = make_unet(widths=widths)
    assert network(*make_inputs()).shape == (B, H, O)
    assert len(network.grow) == len(network.shrink) == len(widths) - 1


@MAKERS
def test_the_gradient_reaches_every_parameter(make):
    network = make()
    network(*make_inputs()).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 1e-7, name


@MAKERS
def test_every_output_depends_on_level_condition_and_every_position_of_the_chunk(make):
    network, (x, level, condition) = make(), make_inputs()
    before = network(x, level, condition)
    assert (network(x, level + 5.0, condition) - before).abs().amin() > 0.0
    assert (network(x, level, condition + 0.5) - before).abs().amin() > 0.0
    jacobian = torch.autograd.functional.jacobian(lambda one: network(one, level[:1], condition[:1]), x[:1])
    assert jacobian.abs().amax(dim=(0, 2, 3, 5)).min() > 1e-5  # (position out, position in)


@MAKERS
def test_a_chunk_does_not_see_the_others_of_its_batch(make):
    network, inputs = make(), make_inputs()
    together = network(*inputs)
    for row in range(B):
        alone = network(*(value[row : row + 1] for value in inputs))
        torch.testing.assert_close(alone, together[row : row + 1], rtol=1e-5, atol=1e-5)


@MAKERS
def test_the_modulation_is_the_sum_of_its_parts(make):
    network, (x, level, condition) = make(), make_inputs()
    modulation = network.level_part(level) + network.condition_part(condition)
    torch.testing.assert_close(network.modulated(x, modulation), network(x, level, condition))
    shared = network.modulated(x, modulation[:1])
    expected = network(x, level[:1].expand(B), condition[:1].expand(B, -1))
    torch.testing.assert_close(shared, expected, rtol=1e-5, atol=1e-5)


def test_the_unets_modulation_is_a_projection_of_mish_of_step_and_observation_side_by_side():
    network, (_, level, condition) = make_unet(), make_inputs()
    side_by_side = torch.cat([network.step_embedding(level), condition], dim=-1)
    expected = network.film(torch.nn.functional.mish(side_by_side))
    torch.testing.assert_close(network.level_part(level) + network.condition_part(condition), expected)


def test_film_scales_and_shifts_between_the_two_convolutions_of_a_block():
    block = make_unet().down[1].first
    x, film = torch.randn(2, 16, H), torch.randn(2, 2 * 24)
    middle = block.first(x) * film[:, :24, None] + film[:, 24:, None]
    torch.testing.assert_close(block(x, film), block.second(middle) + block.bypass(x))


def test_a_new_dit_is_zero_and_its_blocks_are_identities():
    network, (x, level, condition) = DiT(DiTSpec(I, O, H, C, width=16, layers=2, heads=2)), make_inputs()
    assert network(x, level, condition).abs().max() == 0.0
    tokens = network.embedding(x) + network.places
    modulation = (network.level_part(level) + network.condition_part(condition))[:, : 6 * 16]
    assert torch.equal(network.blocks[0](tokens, modulation), tokens)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"horizon": 10}, "horizon 10 cannot be halved 2 times.*multiples of 4"),
        ({"widths": ()}, "at least one width"),
        ({"widths": (16, 20)}, "multiple of groups, 8"),
        ({"horizon": 4, "widths": (16, 16, 8)}, "groups of width 8 would have a single value"),
        ({"kernel": 4}, "must be odd.*got 4"),
        ({"inputs": 0}, "at least 1"),
    ],
)
def test_a_unet_that_cannot_be_built_is_refused(change, message):
    with pytest.raises(SpecError, match=message):
        UNetSpec(**({"inputs": 2, "outputs": 2, "horizon": 16, "condition_size": 3} | change))


@pytest.mark.parametrize(("change", "message"), [({"heads": 3}, "multiple of heads"), ({"layers": 0}, "at least 1")])
def test_a_dit_that_cannot_be_built_is_refused(change, message):
    with pytest.raises(SpecError, match=message):
        DiTSpec(**({"inputs": 2, "outputs": 2, "horizon": 16, "condition_size": 3} | change))


@MAKERS
@pytest.mark.parametrize(
    ("place", "shape", "message"),
    [
        (0, (B, H + 4, I), r"x has shape \(3, 12, 3\); expected \(B, 8, 3\)"),
        (0, (B, H, I + 1), "x has shape"),
        (1, (B, 1), r"level has shape \(3, 1\); expected \(3,\)"),
        (2, (B, C + 1), r"condition has shape \(3, 6\); expected \(3, 5\)"),
        (2, (1, C), "condition has shape"),
    ],
)
def test_tensors_of_the_wrong_shape_are_refused(make, place, shape, message):
    inputs = list(make_inputs())
    inputs[place] = torch.zeros(shape)
    with pytest.raises(SpecError, match=message):
        make()(*inputs)
