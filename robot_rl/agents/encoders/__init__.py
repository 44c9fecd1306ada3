"""Image encoders for an actor-critic from pixels: backbones by name, and the heads that are trained on them."""

from robot_rl.agents.encoders.backbone import Backbone
from robot_rl.agents.encoders.resnet10 import ResNet10
from robot_rl.agents.encoders.small_cnn import SmallCnn
from robot_rl.agents.encoders.vit import SmallViT
from robot_rl.errors import UnknownNameError

BACKBONES: dict[str, type[ResNet10] | type[SmallCnn] | type[SmallViT]] = {
    "resnet10": ResNet10,
    "small_cnn": SmallCnn,
    "vit": SmallViT,
}


def make_backbone(name: str, image_size_px: int) -> Backbone:
    """The backbone of that name for square images, with random weights.

    Raises:
        UnknownNameError: no such backbone.
        ConfigError: the size is not a positive multiple of 32 px.
    """
    if name not in BACKBONES:
        raise UnknownNameError("backbone", name, BACKBONES)
    return BACKBONES[name](image_size_px)
