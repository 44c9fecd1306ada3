"""The success classifier: images of all cameras to the probability of each stage of a task.

This ring knows no image encoders. The backbone, which is frozen, and the heads on its tokens are given.

Suffixes of tensors: B batch, N places of the backbone's map, C channels, O outputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robot_rl.errors import ConfigError, SpecError
from robot_rl.rewards.calibration import Calibration
from robot_rl.rewards.reward import LOST, Images

HIDDEN = 256


@dataclass(frozen=True)
class ClassifierSpec:
    """What a classifier looks at, and what it says.

    Attributes:
        cameras: names, in the order of their share of the network's input.
        image_size_px: height and width of their images.
        stages: names of what is recognised; a task of one stage has one, "success".
        has_lost: whether it also recognises that the task is lost.
    """

    cameras: tuple[str, ...]
    image_size_px: int
    stages: tuple[str, ...] = ("success",)
    has_lost: bool = False

    def __post_init__(self) -> None:
        for kind, names in (("camera", self.cameras), ("stage", self.stages)):
            if not names or len(set(names)) < len(names):
                raise ConfigError(f"there must be at least one {kind}, and none twice, got {list(names)}.")
        if LOST in self.stages:
            raise ConfigError(f"{LOST!r} is no stage of a task; set has_lost instead.")

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs: the stages, then perhaps `LOST`."""
        return (*self.stages, LOST) if self.has_lost else self.stages

    def check(self, images: Images, shape: tuple[int, ...] = ()) -> None:
        """Raise SpecError unless `images` are of these cameras, uint8 (*shape, H, W, 3)."""
        if set(images) != set(self.cameras):
            raise SpecError(f"the classifier looks at the cameras {list(self.cameras)}, got {list(images)}.")
        wanted = (*shape, self.image_size_px, self.image_size_px, 3)
        for name in self.cameras:
            image = images[name]
            if image.shape != wanted or image.dtype != np.uint8:
                raise SpecError(f"images[{name!r}] must be uint8 {wanted}, got {image.dtype} {image.shape}.")


class ClassifierNetwork(nn.Module):
    """Heads on the tokens of each camera, then Linear - dropout - LayerNorm - ReLU - Linear, as in HIL-SERL.

    There is no proprioception: a robot that knows where success usually happens need not look. Each output is a
    sigmoid of its own and not a share of a softmax, since a stage that was achieved stays so while the next one is,
    and so that each has its own threshold.
    """

    def __init__(self, heads: Mapping[str, nn.Module], head_size: int, outputs: int, dropout: float = 0.1) -> None:
        """Make the layers behind the heads.

        Args:
            heads: camera -> module that makes (B, head_size) of tokens (B, N, C).
            head_size: values of a head.
            outputs: how many.
            dropout: share of the hidden values that is left out in training.
        """
        super().__init__()
        self.heads = nn.ModuleDict(heads)
        self.hidden = nn.Linear(len(heads) * head_size, HIDDEN)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(HIDDEN)
        self.output = nn.Linear(HIDDEN, outputs)
        for layer in (self.hidden, self.output):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """Logits (B, O) of tokens (B, N, C) by camera."""
        seen = torch.cat([head(tokens[name]) for name, head in self.heads.items()], dim=-1)
        logits: Tensor = self.output(torch.relu(self.norm(self.dropout(self.hidden(seen)))))
        return logits


class SuccessClassifier:
    """A trained network on its backbone, with the calibration and the threshold of each output."""

    def __init__(
        self, spec: ClassifierSpec, backbone: nn.Module, network: ClassifierNetwork, calibrations: Sequence[Calibration]
    ) -> None:
        """Both modules are frozen and put into evaluation mode.

        Args:
            spec: what it looks at, and what it says.
            backbone: makes tokens, float (B, N, C), of uint8 images (B, H, W, 3).
            network: on these tokens.
            calibrations: one for each output.

        Raises:
            SpecError: as many calibrations as outputs there must be.
        """
        if len(calibrations) != len(spec.outputs):
            raise SpecError(f"outputs {spec.outputs} need a calibration each, got {len(calibrations)}.")
        self.spec, self.calibrations = spec, tuple(calibrations)
        self.backbone = backbone.eval().requires_grad_(False)
        self.network = network.eval().requires_grad_(False)

    @property
    def cameras(self) -> tuple[str, ...]:
        """Whose images it looks at."""
        return self.spec.cameras

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the probabilities are of."""
        return self.spec.outputs

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Probabilities beyond these count."""
        return tuple(calibration.threshold for calibration in self.calibrations)

    def __call__(self, images: Images) -> NDArray[np.float64]:
        """Probability of each output, shape (O,), for the images (H, W, 3) of one moment.

        A robot may have more cameras than are looked at.

        Raises:
            SpecError: a camera is missing, or images are of another size or type.
        """
        own = {name: images[name] for name in self.spec.cameras if name in images}
        self.spec.check(own)
        one: NDArray[np.float64] = self.predict({name: image[np.newaxis] for name, image in own.items()})[0]
        return one

    def predict(self, images: Images) -> NDArray[np.float64]:
        """Probabilities, shape (B, O), of images (B, H, W, 3) by camera.

        Raises:
            SpecError: other cameras, or images of another size or type.
        """
        self.spec.check(images, (len(next(iter(images.values()), ())),))
        device = next(self.network.parameters()).device
        with torch.no_grad():
            stacked = torch.cat([torch.from_numpy(images[name].copy()).to(device) for name in self.spec.cameras])
            # in half precision, as the tokens that it was trained and calibrated on
            parts = self.backbone(stacked).half().split(len(stacked) // len(self.spec.cameras))
            return self.to_probabilities(self.network(dict(zip(self.spec.cameras, parts, strict=True))))

    def to_probabilities(self, logits_BO: Tensor) -> NDArray[np.float64]:
        """Calibrated probabilities of the network's logits, both (B, O)."""
        columns = logits_BO.double().cpu().numpy().T
        pairs = zip(self.calibrations, columns, strict=True)
        return np.stack([calibration.to_probabilities(column) for calibration, column in pairs], axis=-1)
