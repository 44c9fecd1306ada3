"""A small convolutional encoder, to be trained together with the policy."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn

from robot_rl.agents.encoders.backbone import Backbone, to_places

WIDTHS = (3, 32, 64, 128, 128)
REDUCTION = 16
"""Pixels per place of the map."""


class SmallCnn(Backbone):
    """Four 3x3 convolutions of stride 2 with ReLU; 128 px give 8x8 tokens of 128, 64 px 4x4."""

    def __init__(self, image_size_px: int) -> None:
        """Make the layers for square images of that size; orthogonal weights, as DrQ (arXiv 2004.13649)."""
        side = image_size_px // REDUCTION
        super().__init__(image_size_px, (side, side), WIDTHS[-1])
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(WIDTHS):
            convolution = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
            nn.init.orthogonal_(convolution.weight, gain=math.sqrt(2.0))
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
            layers += [convolution, nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def to_tokens(self, pixels_BCHW: Tensor) -> Tensor:
        """See Backbone."""
        return to_places(self.layers(pixels_BCHW))
