"""The regressors of behaviour cloning: from one observation to one chunk."""

import pytest
import torch

from robot_rl.errors import SpecError
from robot_rl.policies.networks.attention import Attention
from robot_rl.policies.networks.mlp import ChunkMLP, ChunkMLPSpec
from robot_rl.policies.networks.transformer import ChunkTransformer, ChunkTransformerSpec

torch.set_num_threads(1)

O, H, C, B = 4, 6, 10, 3  # noqa: E741


def make_mlp():
    torch.manual_seed(0)
    return ChunkMLP(ChunkMLPSpec(O, H, C, hidden=(16, 24)))


def make_transformer(tokens=2):
    torch.manual_seed(0)
    return ChunkTransformer(ChunkTransformerSpec(O, H, C, tokens, width=16, layers=2, heads=2))


MAKERS = pytest.mark.parametrize("make", [make_mlp, make_transformer])


@MAKERS
def test_a_chunk_comes_out_and_every_element_of_it_depends_on_every_element_of_the_condition(make):
    network, condition = make(), torch.randn(B, C)
    assert network(condition).shape == (B, H, O)
    jacobian = torch.autograd.functional.jacobian(network, condition[:1])
    assert jacobian.shape == (1, H, O, 1, C)
    assert jacobian.abs().min() > 0.0


@MAKERS
def test_the_gradient_reaches_every_parameter(make):
    network = make()
    network(torch.randn(B, C)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad.abs().max() > 0.0, name


@MAKERS
def test_rows_do_not_see_one_another(make):
    network, condition = make(), torch.randn(B, C)
    torch.testing.assert_close(network(condition[1:2]), network(condition)[1:2], rtol=1e-5, atol=1e-6)


def test_each_action_has_its_own_query():
    chunk = make_transformer()(torch.randn(1, C))[0]
    assert torch.pdist(chunk).min() > 1e-4


def test_tokens_are_told_apart_by_their_place():
    network, condition = make_transformer(), torch.randn(1, C)
    swapped = condition.roll(C // 2, dims=1)
    assert (network(condition) - network(swapped)).abs().max() > 1e-4


def test_attention_is_that_of_torch():
    torch.manual_seed(0)
    own, peer = Attention(8, 2), torch.nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        peer.in_proj_weight.copy_(torch.cat([own.query.weight, own.key_value.weight]))
        peer.in_proj_bias.copy_(torch.cat([own.query.bias, own.key_value.bias]))
        peer.out_proj.load_state_dict(own.out.state_dict())
    x, memory = torch.randn(3, 5, 8), torch.randn(3, 4, 8)
    torch.testing.assert_close(own(x, memory), peer(x, memory, memory)[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ChunkMLPSpec(O, H, C, hidden=()), "needs a hidden layer"),
        (lambda: ChunkMLPSpec(0, H, C), "at least 1"),
        (lambda: ChunkTransformerSpec(O, H, C, tokens=3), "10 elements cannot be cut into 3"),
        (lambda: ChunkTransformerSpec(O, H, C, width=10, heads=4), "width 10 and heads 4"),
        (lambda: ChunkTransformerSpec(O, 0, C), "at least 1"),
    ],
)
def test_what_cannot_be_built_is_refused(make, message):
    with pytest.raises(SpecError, match=message):
        make()
