"""Random shifts of images: what keeps a critic on pixels from overfitting (DrQ, Kostrikov et al. 2021, 2004.13649)."""

from __future__ import annotations

import torch
from torch import Tensor

from robot_rl.agents.encoders.backbone import Backbone
from robot_rl.errors import SpecError

PAD_PX = 4


def random_crop(images: Tensor, generator: torch.Generator, pad_px: int = PAD_PX) -> Tensor:
    """Every image shifted by up to `pad_px` along each axis, its edge repeated where nothing is left; on its own.

    Images (..., H, W, channels) of any dtype, e.g. (B, cameras, H, W, 3): cameras of one sample move independently.
    All (2 * pad_px + 1)^2 shifts are equally likely. The generator may live on another device than the images.

    Raises:
        SpecError: not images, or a pad that is not positive.
    """
    if images.ndim < 4 or pad_px < 1:
        raise SpecError(
            f"random_crop needs images (..., H, W, channels) and a positive pad, "
            f"got shape {tuple(images.shape)} and pad {pad_px} px."
        )
    height, width, channels = images.shape[-3:]
    lines = images.reshape(-1, width, channels)  # of all images below each other
    count = len(lines) // height
    drawn = torch.randint(2 * pad_px + 1, (2, count, 1), generator=generator, device=generator.device)
    down, right = drawn.to(images.device)
    edges = [lines[:, :1].expand(-1, pad_px, -1), lines[:, -1:].expand(-1, pad_px, -1)]
    wide = torch.cat([edges[0], lines, edges[1]], dim=1)
    # A shifted line is one piece of memory in the widened line: what is gathered are lines, not pixels.
    source = (torch.arange(height, device=images.device) + down - pad_px).clamp(0, height - 1)
    source = source + height * torch.arange(count, device=images.device)[:, None]
    pieces = wide.flatten().unfold(0, width * channels, channels)  # one begins at every pixel; a view
    return pieces.index_select(0, (source * (width + 2 * pad_px) + right).flatten()).view(images.shape)


def encode_copies(
    backbone: Backbone, images_BHWC: Tensor, copies: int, generator: torch.Generator, pad_px: int
) -> Tensor:
    """Tokens of each image and of `copies - 1` random crops of it, float16 (B, copies, h * w, C); no gradient.

    Copy 0 is the image as it is, which is what the policy acts on.

    Raises:
        SpecError: fewer than one copy, or wrong images.
    """
    if copies < 1:
        raise SpecError(f"encode_copies makes at least 1 copy, got {copies}.")
    with torch.no_grad():
        versions = [images_BHWC] + [random_crop(images_BHWC, generator, pad_px) for _ in range(copies - 1)]
        return torch.stack([backbone(images).half() for images in versions], dim=1)
