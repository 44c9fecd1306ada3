import numpy as np
import pytest
import torch

from robot_rl.agents.encoders import BACKBONES, make_backbone
from robot_rl.agents.encoders.backbone import to_places
from robot_rl.agents.encoders.resnet10 import BasicBlock
from robot_rl.errors import ConfigError, SpecError, UnknownNameError


def draw_images(count, size_px, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, size_px, size_px, 3), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize(
    ("name", "size_px", "map_size", "channels"),
    [
        ("resnet10", 128, (4, 4), 512),
        ("resnet10", 64, (2, 2), 512),
        ("small_cnn", 128, (8, 8), 128),
        ("small_cnn", 64, (4, 4), 128),
        ("vit", 128, (8, 8), 128),
        ("vit", 64, (8, 8), 128),
    ],
)
def test_a_backbone_gives_the_tokens_that_it_announces(name, size_px, map_size, channels):
    backbone = make_backbone(name, size_px)
    tokens = backbone(draw_images(2, size_px))
    assert (backbone.map_size, backbone.channels) == (map_size, channels)
    assert tokens.shape == (2, map_size[0] * map_size[1], channels)
    assert tokens.shape[1] == backbone.places
    assert tokens.dtype == torch.float32
    assert tokens.isfinite().all()


def test_resnet10_has_the_published_number_of_parameters():
    assert sum(parameter.numel() for parameter in make_backbone("resnet10", 128).parameters()) == 4_905_792


@pytest.mark.parametrize("name", BACKBONES)
def test_an_image_is_encoded_alike_alone_and_in_a_batch(name):
    backbone = make_backbone(name, 64)
    images = draw_images(3, 64)
    torch.testing.assert_close(backbone(images)[1:2], backbone(images[1:2]), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(backbone(images)[0], backbone(images)[1])


@pytest.mark.parametrize("name", BACKBONES)
def test_training_mode_changes_nothing(name):
    backbone = make_backbone(name, 64)
    images = draw_images(2, 64)
    assert torch.equal(backbone.train()(images), backbone.eval()(images))


@pytest.mark.parametrize("name", BACKBONES)
def test_every_parameter_learns(name):
    backbone = make_backbone(name, 64)
    backbone(draw_images(2, 64)).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in backbone.parameters())


@pytest.mark.parametrize(
    ("name", "layers", "rows", "columns"), [("small_cnn", 1, (0, 1), (1, 3)), ("vit", 0, (0, 15), (16, 31))]
)
def test_the_second_token_looks_at_what_is_right_of_the_first(name, layers, rows, columns):
    torch.manual_seed(0)
    backbone = make_backbone(name, 128)
    del backbone.layers[layers:]  # deeper ones look at more pixels
    pixels = torch.randn(1, 3, 128, 128, requires_grad=True)
    backbone.to_tokens(pixels)[0, 1, 0].backward()
    seen = pixels.grad[0].abs().sum(0).nonzero()
    assert (tuple(seen[:, 0].aminmax()), tuple(seen[:, 1].aminmax())) == (rows, columns)


def test_a_map_becomes_tokens_row_by_row():
    image = torch.arange(12.0).view(1, 2, 2, 3)
    assert to_places(image)[0].tolist() == [[0, 6], [1, 7], [2, 8], [3, 9], [4, 10], [5, 11]]


def test_images_are_scaled_and_normalised_as_imagenet():
    backbone = make_backbone("small_cnn", 32)
    seen = []
    backbone.to_tokens = lambda pixels: seen.append(pixels)
    images = torch.zeros(1, 32, 32, 3, dtype=torch.uint8)
    images[..., 1] = 255
    backbone(images)
    expected = [-0.485 / 0.229, (1 - 0.456) / 0.224, -0.406 / 0.225]
    np.testing.assert_allclose(seen[0][0, :, 5, 7], expected, rtol=1e-6)


def test_a_halving_block_reads_from_the_first_pixel_on():
    """Zeros in front, as PyTorch pads by itself, would look at the pixels at -1, 1, 3, ... for the window's middle."""
    block = BasicBlock(64, 128)
    with torch.no_grad():
        block.conv_0.weight.zero_()
        block.conv_0.weight[:, :, 2, 2] = 1.0  # the window's last pixel
    seen = []
    block.norm_0.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0]))
    image = torch.zeros(1, 64, 4, 4)
    image[:, 0] = torch.arange(1.0, 17.0).view(4, 4)
    block(image)
    assert seen[0][0, 0].tolist() == [[11.0, 0.0], [0.0, 0.0]]


def test_unknown_names_and_sizes_are_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'resnet10'"):
        make_backbone("resnet18", 128)
    for size_px in (0, 100, -32):
        with pytest.raises(ConfigError, match=f"multiple of 32, got {size_px}"):
            make_backbone("resnet10", size_px)


@pytest.mark.parametrize(
    "images", [torch.zeros(1, 64, 64, 3), torch.zeros(1, 3, 64, 64, dtype=torch.uint8), draw_images(1, 96)]
)
def test_other_images_are_refused(images):
    with pytest.raises(SpecError, match=r"must be uint8 of shape \(B, 64, 64, 3\)"):
        make_backbone("small_cnn", 64)(images)
