"""What every image encoder has in common: images in, a map of tokens out.

Suffixes of tensors: B batch, H and W pixels, N places of the map (h * w), C channels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from robot_rl.errors import ConfigError, SpecError

SIZE_STEP_PX = 32
"""Image sizes are multiples of it: the deepest backbone halves five times."""

# of the RGB images of ImageNet, each channel in [0, 1]
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Backbone(nn.Module, ABC):
    """Maps square RGB images to tokens; holds nothing that behaves differently in training.

    Attributes:
        image_size_px: height and width of the images.
        map_size: (h, w) of the map of tokens.
        channels: values per token.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, image_size_px: int, map_size: tuple[int, int], channels: int) -> None:
        """Raise ConfigError unless the size is a positive multiple of 32 px."""
        super().__init__()
        if image_size_px < SIZE_STEP_PX or image_size_px % SIZE_STEP_PX:
            raise ConfigError(f"image_size_px must be a positive multiple of {SIZE_STEP_PX}, got {image_size_px}.")
        self.image_size_px, self.map_size, self.channels = image_size_px, map_size, channels
        # constants, not weights: they move with the module, and no file of weights holds them
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)

    @property
    def places(self) -> int:
        """Number of tokens of an image."""
        return self.map_size[0] * self.map_size[1]

    def forward(self, images_BHWC: Tensor) -> Tensor:
        """Tokens, float (B, h * w, C), row by row, of uint8 images (B, H, W, 3), RGB.

        Raises:
            SpecError: the images have another shape or dtype.
        """
        size = (self.image_size_px, self.image_size_px, 3)
        if images_BHWC.ndim != 4 or images_BHWC.shape[1:] != size or images_BHWC.dtype != torch.uint8:
            raise SpecError(
                f"images must be uint8 of shape (B, {size[0]}, {size[1]}, 3), "
                f"got {images_BHWC.dtype} of shape {tuple(images_BHWC.shape)}."
            )
        # not copied into another order: what lies in memory is "channels last", which convolutions like
        pixels = images_BHWC.permute(0, 3, 1, 2).to(self.mean.dtype)
        return self.to_tokens((pixels / 255.0 - self.mean) / self.std)

    @abstractmethod
    def to_tokens(self, pixels_BCHW: Tensor) -> Tensor:
        """Tokens (B, h * w, C) of normalised pixels (B, 3, H, W)."""


def to_places(map_BCHW: Tensor) -> Tensor:
    """The map (B, C, h, w) of a convolution as tokens (B, h * w, C), row by row."""
    return map_BCHW.flatten(2).transpose(1, 2)
