import pytest
import torch

from robot_rl.agents.encoders import make_backbone
from robot_rl.agents.encoders.heads import SpatialEmbeddingHead
from robot_rl.agents.encoders.observation import ObservationEncoder
from robot_rl.errors import SpecError

P, B = 19, 3
CAMERAS = ("wrist", "front")


def make_encoder(seed=0, name="small_cnn", is_frozen=True):
    torch.manual_seed(seed)
    return ObservationEncoder(P, CAMERAS, make_backbone(name, 64), is_frozen=is_frozen)


def make_inputs(seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (2, B, 64, 64, 3), dtype=torch.uint8, generator=generator)
    return torch.randn(B, P, generator=generator), dict(zip(CAMERAS, images, strict=True))


def head_parameters(encoder):
    """What is trained always."""
    return [*encoder.heads.parameters(), *encoder.proprio.parameters()]


def count(parameters):
    return sum(parameter.numel() for parameter in parameters)


def test_a_head_has_the_specified_number_of_parameters():
    assert count(SpatialEmbeddingHead((4, 4), 512).parameters()) == 1_114_880


def test_a_head_sums_each_channel_over_the_places():
    head = SpatialEmbeddingHead((1, 2), 3)
    with torch.no_grad():
        head.kernel.zero_()
        head.kernel[0, 0, :, 0] = 1.0
        head.kernel[0, 1, :, 0] = 10.0
        head.kernel[0, 1, 2, 7] = -1.0
    seen = []
    head.linear.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0]))
    head(torch.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]))
    expected = torch.zeros(3, 8)
    expected[:, 0] = torch.tensor([41.0, 52.0, 63.0])
    expected[2, 7] = -6.0
    assert torch.equal(seen[0], expected.flatten()[None])


def test_the_latent_is_the_cameras_in_their_order_and_then_proprioception():
    encoder = make_encoder()
    proprio, visual = make_inputs()
    latent = encoder(proprio, visual)
    assert encoder.latent_size == 576
    assert latent.shape == (B, 576)
    assert latent.abs().max() < 1.0
    assert torch.equal(latent, encoder(proprio, dict(reversed(visual.items()))))
    other = make_inputs(seed=1)
    changed = [
        (encoder(proprio, {**visual, "wrist": other[1]["wrist"]}), slice(0, 256)),
        (encoder(proprio, {**visual, "front": other[1]["front"]}), slice(256, 512)),
        (encoder(other[0], visual), slice(512, 576)),
    ]
    for after, part in changed:
        is_same = torch.isclose(after, latent, rtol=1e-4, atol=1e-5).all(0)
        assert is_same.sum() == 576 - (part.stop - part.start)
        assert not is_same[part].any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_images_and_their_tokens_give_the_same_latent(dtype):
    encoder = make_encoder()
    proprio, visual = make_inputs()
    tokens = {name: value.to(dtype) for name, value in encoder.to_tokens(visual).items()}
    for mixed in (tokens, {**visual, "front": tokens["front"]}, {**visual, "wrist": tokens["wrist"]}):
        torch.testing.assert_close(encoder(proprio, mixed), encoder(proprio, visual), rtol=1e-2, atol=1e-2)


def test_training_mode_changes_nothing():
    """Pinned from a peer, whose critic saw other features than its actor: one with dropout, one without."""
    encoder = make_encoder()
    inputs = make_inputs()
    assert torch.equal(encoder.train()(*inputs), encoder.eval()(*inputs))


def test_a_frozen_backbone_gets_no_gradient_and_everything_else_does():
    encoder = make_encoder()
    inputs = make_inputs()
    assert not any(tokens.requires_grad for tokens in encoder.to_tokens(inputs[1]).values())
    encoder(*inputs).square().sum().backward()
    assert all(parameter.grad is None for parameter in encoder.backbone.parameters())
    assert all(parameter.grad.abs().sum() > 0 for parameter in head_parameters(encoder))
    trained = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
    assert count(trained) == count(head_parameters(encoder))


def test_a_trained_backbone_gets_gradients():
    encoder = make_encoder(is_frozen=False)
    encoder(*make_inputs()).square().sum().backward()
    assert count(encoder.backbone.parameters()) > 0
    assert all(parameter.grad.abs().sum() > 0 for parameter in encoder.backbone.parameters())


def test_what_is_published_leaves_a_frozen_backbone_out():
    learner, actor = make_encoder(seed=0), make_encoder(seed=1)
    actor.backbone.load_state_dict(learner.backbone.state_dict())  # both have loaded the same file
    state = learner.published_state()
    assert sum(value.numel() for value in state.values()) == count(head_parameters(learner))
    inputs = make_inputs()
    assert not torch.allclose(actor(*inputs), learner(*inputs), atol=1e-2)
    actor.load_published(state)
    assert torch.equal(actor(*inputs), learner(*inputs))


def test_what_is_published_contains_a_trained_backbone():
    learner, actor = make_encoder(seed=0, is_frozen=False), make_encoder(seed=1, is_frozen=False)
    actor.load_published(learner.published_state())
    assert torch.equal(actor(*make_inputs()), learner(*make_inputs()))


def test_another_encoders_publication_is_refused():
    encoder = make_encoder()
    with pytest.raises(SpecError, match=r"unknown are \['backbone\.layers"):
        encoder.load_published(make_encoder(is_frozen=False).published_state())
    state = encoder.published_state()
    del state["heads.front.kernel"]
    with pytest.raises(SpecError, match=r"missing are \['heads\.front\.kernel'\], unknown are \[\]"):
        encoder.load_published(state)


def test_other_cameras_and_other_tokens_are_refused():
    encoder = make_encoder()
    proprio, visual = make_inputs()
    with pytest.raises(SpecError, match=r"must have entries \['wrist', 'front'\], got \['wrist'\]"):
        encoder(proprio, {"wrist": visual["wrist"]})
    for tokens in (torch.zeros(B, 16, 64), torch.zeros(B, 16, 128, dtype=torch.int32)):
        with pytest.raises(SpecError, match=r"visual\['front'\] must be uint8 images or float tokens"):
            encoder(proprio, {**visual, "front": tokens})
