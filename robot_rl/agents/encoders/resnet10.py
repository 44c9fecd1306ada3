"""ResNet-10 with group normalisation, as SERL publishes its weights (Luo et al. 2024, arXiv 2401.16013).

Trained on ImageNet in JAX, whose padding "SAME" puts the odd row and column of zeros of a convolution with stride 2
behind the image, where PyTorch's symmetric padding puts it in front. The same weights read other pixels then.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.agents.encoders.backbone import Backbone, to_places

WIDTHS = (64, 128, 256, 512)
REDUCTION = 32
"""Pixels per place of the map."""


class ResNet10(Backbone):
    """Stem 7x7/2 and max-pool 3x3/2, then four basic blocks; 128 px give 4x4 tokens of 512, 64 px 2x2.

    4,905,792 parameters. Random ones until weights are loaded, see `pretrained`.
    """

    def __init__(self, image_size_px: int) -> None:
        """Make the layers for square images of that size."""
        side = image_size_px // REDUCTION
        super().__init__(image_size_px, (side, side), WIDTHS[-1])
        self.conv_init = nn.Conv2d(3, WIDTHS[0], 7, stride=2, padding=3, bias=False)
        self.norm_init = make_norm(WIDTHS[0])
        inputs = (WIDTHS[0], *WIDTHS[:-1])
        self.blocks = nn.Sequential(*(BasicBlock(a, b) for a, b in zip(inputs, WIDTHS, strict=True)))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def to_tokens(self, pixels_BCHW: Tensor) -> Tensor:
        """See Backbone."""
        x = F.relu(self.norm_init(self.conv_init(pixels_BCHW)))
        x = F.max_pool2d(x, 3, stride=2, ceil_mode=True)  # windows begin inside: padding only behind
        return to_places(self.blocks(x))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut; where the width grows, stride 2 and a projected shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.is_halving = inputs != outputs
        stride, padding = (2, 0) if self.is_halving else (1, 1)
        self.conv_0 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=padding, bias=False)
        self.norm_0 = make_norm(outputs)
        self.conv_1 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm_1 = make_norm(outputs)
        if self.is_halving:
            self.conv_proj = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.norm_proj = make_norm(outputs)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Of half the height and width if the width grows."""
        shortcut, y = x_BCHW, x_BCHW
        if self.is_halving:
            shortcut = self.norm_proj(self.conv_proj(x_BCHW))
            y = F.pad(x_BCHW, (0, 1, 0, 1))  # of an even size: one behind, none in front
        y = F.relu(self.norm_0(self.conv_0(y)))
        return F.relu(shortcut + self.norm_1(self.conv_1(y)))


def make_norm(channels: int) -> nn.GroupNorm:
    """Over four groups of the channels."""
    return nn.GroupNorm(4, channels, eps=1e-5)
