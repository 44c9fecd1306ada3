"""The configuration of a success classifier's training."""

from __future__ import annotations

from dataclasses import dataclass, field

from robot_rl.errors import ConfigError


@dataclass(frozen=True)
class LabelConfig:
    """Which images show a success.

    A recorded episode that succeeded, by the task's own test or by a person's button, ends with it.

    Attributes:
        stages: of the task, in their order. One is achieved where the episode ends in success. Of several, the k-th
            is achieved with the k-th reward of an episode, and stays so; a reward of 2 is two of them at once.
        has_lost: whether there is also an output "lost", for episodes that ended in failure: a person's button.
        success_steps: time steps up to the mark that show what it says; more than one where the mark comes late.
        ambiguous_steps: time steps before these which are left out, since nobody can say. None is 5 for a recording
            whose successes a person's button or a classifier marked, both of which are late, and 0 for others.
        negative_stride: of time steps without any mark, every n-th is used.
    """

    stages: tuple[str, ...] = ("success",)
    has_lost: bool = False
    success_steps: int = 1
    ambiguous_steps: int | None = None
    negative_stride: int = 1

    def __post_init__(self) -> None:
        for name, least in (("success_steps", 1), ("ambiguous_steps", 0), ("negative_stride", 1)):
            if (value := getattr(self, name)) is not None and value < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}.")


@dataclass(frozen=True)
class BackboneConfig:
    """What sees the images; it is not trained.

    Attributes:
        name: "resnet10", "small_cnn" or "vit".
        weights: "random", "pretrained" (from the cache folder), or a .safetensors file.
        copies: versions of each image that are learned from: as it is, and shifted at random.
        crop_pad_px: largest shift.
    """

    name: str = "resnet10"
    weights: str = "random"
    copies: int = 4
    crop_pad_px: int = 4

    def __post_init__(self) -> None:
        for name in ("copies", "crop_pad_px"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.weights != "random" and self.name != "resnet10":
            raise ConfigError(f"weights={self.weights} are those of a resnet10, not of name={self.name}.")


@dataclass(frozen=True)
class FitConfig:
    """How the network is trained.

    Attributes:
        batch_size: samples of an update, half of them with a mark.
        learning_rate: of Adam.
        dropout: share of the hidden values that is left out.
        max_updates: after which training ends at the latest.
        evaluate_every: updates between two looks at the validation loss.
        patience: looks without a better loss after which training ends; the best weights are kept.
        hard_share: of the samples without a mark in a batch, those that were mined.
    """

    batch_size: int = 128
    learning_rate: float = 3e-4
    dropout: float = 0.1
    max_updates: int = 1500
    evaluate_every: int = 25
    patience: int = 12
    hard_share: float = 0.25

    def __post_init__(self) -> None:
        if self.batch_size < 2 or self.batch_size % 2:
            raise ConfigError(f"batch_size must be even and at least 2, got {self.batch_size}.")
        for name in ("max_updates", "evaluate_every", "patience"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if not self.learning_rate > 0.0:
            raise ConfigError(f"learning_rate must be positive, got {self.learning_rate}.")
        if not (0.0 <= self.dropout < 1.0 and 0.0 <= self.hard_share < 1.0):
            raise ConfigError(f"dropout and hard_share must lie in [0, 1), got {self.dropout} and {self.hard_share}.")


@dataclass(frozen=True)
class ClaimConfig:
    """What is to be claimed of the classifier.

    Attributes:
        false_positive_rate: of images that show no success, the share that is taken for one.
        confidence: of that claim.
        threshold_floor: least probability that can count as success.
        validation_share: of the episodes, for ending the training and calibrating the probabilities.
        test_share: of the episodes, for the threshold and the figures.
    """

    false_positive_rate: float = 0.01
    confidence: float = 0.95
    threshold_floor: float = 0.5
    validation_share: float = 0.2
    test_share: float = 0.2

    def __post_init__(self) -> None:
        for name in ("false_positive_rate", "confidence", "threshold_floor", "validation_share", "test_share"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ConfigError(f"{name} must lie between 0 and 1, got {getattr(self, name)}.")
        if self.validation_share + self.test_share >= 1.0:
            raise ConfigError("validation_share and test_share must leave something to learn from.")


@dataclass(frozen=True)
class ClassifierConfig:
    """A success classifier's training.

    Attributes:
        data: recordings, or folders of runs.
        out: file to write, .safetensors.
        report: PNG to write; None is STEM_report.png beside `out`.
        run: folder of a run, or a recording, from which images are added that `judge` took for a success.
        judge: the classifier that looked at `run`; None is the one that is in `out` now.
        margin_steps: time steps at the end of a run's successful episode that are never taken for mistakes: a
            debounced reward ends an episode only after it has seen the success several times.
        cameras: to look at; none means all that were recorded.
        labels: which images show a success.
        backbone: what sees them.
        fit: how the network is trained.
        claim: what is to be claimed of it.
        seed: of everything that is drawn.
        device: "cpu", "cuda", or "auto", a GPU where there is one.
    """

    data: tuple[str, ...] = ()
    out: str = "classifier.safetensors"
    report: str | None = None
    run: str | None = None
    judge: str | None = None
    margin_steps: int = 5
    cameras: tuple[str, ...] = ()
    labels: LabelConfig = field(default_factory=LabelConfig)
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    claim: ClaimConfig = field(default_factory=ClaimConfig)
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in ("seed", "margin_steps"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative, got {getattr(self, name)}.")
