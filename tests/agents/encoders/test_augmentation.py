import pytest
import torch

from robot_rl.agents.encoders import make_backbone
from robot_rl.agents.encoders.augmentation import encode_copies, random_crop
from robot_rl.errors import SpecError


def generator_of(seed):
    return torch.Generator().manual_seed(seed)


def coordinates(count, height, width):
    """Images whose pixels say where they were: (image, row, column)."""
    axes = [torch.arange(size, dtype=torch.uint8) for size in (count, height, width)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


def test_every_image_is_shifted_as_a_whole_and_its_edge_repeated():
    """Each pixel must say the place that it came from: the same shift for all, cut off at the edge."""
    images = coordinates(200, 10, 12)
    crops = random_crop(images, generator_of(0), pad_px=4)
    shifts = set()
    for k, crop in enumerate(crops):
        # a row that no shift by up to 4 brings to the edge tells the shift
        down, right = int(crop[5, 5, 1]) - 5, int(crop[5, 5, 2]) - 5
        rows = (torch.arange(10) + down).clamp(0, 9)
        columns = (torch.arange(12) + right).clamp(0, 11)
        assert (crop[..., 0] == k).all()
        assert (crop[..., 1] == rows[:, None]).all()
        assert (crop[..., 2] == columns).all()
        shifts.add((down, right))
    assert {down for down, _ in shifts} == {right for _, right in shifts} == set(range(-4, 5))
    assert len(shifts) > 60  # of 81: both axes move on their own, and every image


def test_cameras_of_a_sample_move_independently():
    images = coordinates(1, 9, 9).expand(50, 2, -1, -1, -1)
    crops = random_crop(images, generator_of(0), pad_px=2)
    assert crops.shape == (50, 2, 9, 9, 3)
    is_alike = (crops[:, 0] == crops[:, 1]).flatten(1).all(1)
    assert is_alike.sum() < 10  # by chance one of 25


def test_the_generator_determines_the_crops():
    images = coordinates(20, 8, 8)
    assert torch.equal(random_crop(images, generator_of(3)), random_crop(images, generator_of(3)))
    assert not torch.equal(random_crop(images, generator_of(3)), random_crop(images, generator_of(4)))


def test_the_images_themselves_stay_as_they_are():
    images = coordinates(20, 8, 8)
    random_crop(images, generator_of(0))
    assert torch.equal(images, coordinates(20, 8, 8))


def test_images_that_are_a_view_of_others_are_cropped_alike():
    images = coordinates(20, 8, 16)
    crops = random_crop(images[:, :, ::2], generator_of(0))
    assert torch.equal(crops, random_crop(images[:, :, ::2].contiguous(), generator_of(0)))


def test_no_images_and_no_pad_are_refused():
    for images, pad_px in ((torch.zeros(8, 8, 3), 4), (torch.zeros(1, 8, 8, 3), 0)):
        with pytest.raises(SpecError, match=f"and pad {pad_px} px"):
            random_crop(images, generator_of(0), pad_px)


def test_copies_are_the_image_itself_and_crops_of_it():
    backbone = make_backbone("small_cnn", 64)
    images = torch.randint(256, (3, 64, 64, 3), dtype=torch.uint8, generator=generator_of(1))
    copies = encode_copies(backbone, images, 4, generator_of(2), 4)
    assert copies.shape == (3, 4, 16, 128)
    assert copies.dtype == torch.float16
    assert not copies.requires_grad
    torch.testing.assert_close(copies[:, 0].float(), backbone(images).detach(), rtol=1e-3, atol=1e-3)
    generator = generator_of(2)
    for k in range(1, 4):
        cropped = backbone(random_crop(images, generator)).detach()
        torch.testing.assert_close(copies[:, k].float(), cropped, rtol=1e-3, atol=1e-3)
        assert not torch.allclose(copies[:, k], copies[:, 0], atol=1e-2)


def test_one_copy_is_the_least():
    backbone = make_backbone("small_cnn", 64)
    images = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    assert encode_copies(backbone, images, 1, generator_of(0), 4).shape == (1, 1, 16, 128)
    with pytest.raises(SpecError, match="at least 1 copy, got 0"):
        encode_copies(backbone, images, 0, generator_of(0), 4)
