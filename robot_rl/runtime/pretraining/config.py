"""The configuration of a base policy's training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from robot_rl.errors import ConfigError
from robot_rl.inference.schedule import ScheduleSpec
from robot_rl.runtime.torch_device import check_threads

NetworkName = Literal["unet", "dit", "residual_mlp", "mlp", "transformer"]
DENOISERS, REGRESSORS = ("unet", "dit", "residual_mlp"), ("mlp", "transformer")
_UNUSED: dict[str, dict[str, object]] = {
    "diffusion": {"is_gaussian": False},
    "cloning": {"schedule": ScheduleSpec(), "max_prefix": 0},
}
"""Kind -> what it does not look at, with the values that nobody has said."""


@dataclass(frozen=True)
class NetworkConfig:
    """The network of a base policy.

    Attributes:
        name: "unet", "dit" or "residual_mlp" for diffusion, "mlp" or "transformer" for cloning.
        widths: of the U-Net's levels, or of the MLP's hidden layers.
        width, layers, heads: of the transformers; the first two also of the residual MLP.
    """

    name: NetworkName = "unet"
    widths: tuple[int, ...] = (64, 128, 256)
    width: int = 128
    layers: int = 4
    heads: int = 4


@dataclass(frozen=True)
class BasePolicyConfig:
    """What is trained.

    Attributes:
        kind: "diffusion" (with the schedule's noise, also flow matching) or "cloning".
        network: see there.
        schedule: of the noise; of "diffusion" only.
        is_gaussian: whether "cloning" learns a spread, too.
        max_prefix: longest beginning of a chunk that "diffusion" learns to continue; 0 for none.
        observation_steps, horizon, past: see BasePolicySpec.
        backbone: of the cameras' images: "resnet10", "small_cnn" or "vit"; frozen, as its weights are not trained.
        backbone_weights: "random", "pretrained", or a .safetensors file.
    """

    kind: Literal["diffusion", "cloning"] = "diffusion"
    network: NetworkConfig = field(default_factory=NetworkConfig)
    schedule: ScheduleSpec = field(default_factory=ScheduleSpec)
    is_gaussian: bool = False
    max_prefix: int = 0
    observation_steps: int = 2
    horizon: int = 16
    past: int = 1
    backbone: str = "resnet10"
    backbone_weights: str = "random"

    def __post_init__(self) -> None:
        valid = DENOISERS if self.kind == "diffusion" else REGRESSORS
        if self.network.name not in valid:
            raise ConfigError(
                f"base_policy.kind={self.kind} needs network.name from {', '.join(valid)}, got {self.network.name}."
            )
        for name, default in _UNUSED[self.kind].items():
            if getattr(self, name) != default:
                raise ConfigError(
                    f"base_policy.{name}={getattr(self, name)}: base_policy.kind={self.kind} does not look at it."
                )
        if not 0 <= self.max_prefix < self.horizon - self.past:
            raise ConfigError(
                f"base_policy.max_prefix must be from 0 to horizon - past - 1 = {self.horizon - self.past - 1}, got "
                f"{self.max_prefix}."
            )
        if self.backbone_weights != "random" and self.backbone != "resnet10":
            raise ConfigError(
                f"base_policy.backbone_weights={self.backbone_weights} are those of a resnet10, not of "
                f"base_policy.backbone={self.backbone}."
            )


@dataclass(frozen=True)
class PretrainConfig:
    """A base policy's training.

    Attributes:
        base_policy: what is trained.
        data: recordings, runs, or data sets in the layout of robomimic (.hdf5), diffusion_policy (.zarr) or LeRobot.
        cameras: which are looked at; none trains on proprioception only.
        episodes: how many of the successful episodes are used, the first ones; 0 for all.
        run_dir: folder of the run; the same command again goes on with it.
        seed: of everything.
        steps: of the optimiser.
        batch_size: windows in a step.
        learning_rate: AdamW, after the warm-up; it falls to 0 as a cosine.
        weight_decay: AdamW.
        warmup_steps: in which the learning rate rises.
        validation_share: of the episodes; they are not learned from.
        checkpoint_every_steps, log_every_steps: of the optimiser.
        rate_hz: control steps per second of data sets; None for what their times say.
        device: "cpu", "cuda" or "auto".
        threads: that a step may use.
    """

    base_policy: BasePolicyConfig = field(default_factory=BasePolicyConfig)
    data: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    episodes: int = 0
    run_dir: str = "runs/base_policy"
    seed: int = 0
    steps: int = 20_000
    batch_size: int = 256
    learning_rate: float = 3e-4
    weight_decay: float = 1e-6
    warmup_steps: int = 500
    validation_share: float = 0.1
    checkpoint_every_steps: int = 1000
    log_every_steps: int = 100
    rate_hz: float | None = None
    device: str = "auto"
    threads: int = 1

    def __post_init__(self) -> None:
        counts = ("steps", "batch_size", "checkpoint_every_steps", "log_every_steps")
        for name in counts:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}.")
        check_threads(self.threads)
        for name in ("episodes", "seed", "warmup_steps", "weight_decay"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name} must not be negative, got {getattr(self, name)}.")
        if not self.learning_rate > 0.0 or not (self.rate_hz is None or self.rate_hz > 0.0):
            raise ConfigError(
                f"learning_rate and rate_hz must be positive, got {self.learning_rate} and {self.rate_hz}."
            )
        if not 0.0 <= self.validation_share < 1.0:
            raise ConfigError(f"validation_share must be in [0, 1), got {self.validation_share}.")
        if not self.cameras and self.base_policy.backbone_weights != BasePolicyConfig.backbone_weights:
            raise ConfigError(
                f"base_policy.backbone_weights={self.base_policy.backbone_weights} look at cameras' images: say "
                "cameras=[wrist], too, for example."
            )
