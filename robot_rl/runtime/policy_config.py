"""The configuration of what is done with a policy that is there."""

from __future__ import annotations

from dataclasses import dataclass, field

from robot_rl.errors import ConfigError
from robot_rl.runtime.acting.inference_config import InferenceConfig
from robot_rl.runtime.config import EnvConfig, check_episodes


@dataclass(frozen=True)
class PolicyConfig(EnvConfig):
    """Episodes of a policy.

    Attributes:
        policy: what acts.
        inference: how a base policy's chunks are made and executed.
        episodes: how many.
        seed: of the first episode's scene; the others follow from it.
    """

    policy: str = ""
    inference: InferenceConfig = field(default_factory=InferenceConfig)
    episodes: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        check_episodes(self.episodes, self.seed)


@dataclass(frozen=True)
class EvalConfig(PolicyConfig):
    """An evaluation.

    Attributes:
        policy: expert, blind, zero, random, or the folder of a training run or of a base policy.
        video: MP4 file to write, or None.
        sheet: PNG contact sheet to write; by default beside the video.
    """

    policy: str = "expert"
    video: str | None = None
    sheet: str | None = None

    @property
    def has_pictures(self) -> bool:
        """Whether any are to be written."""
        return self.video is not None or self.sheet is not None


@dataclass(frozen=True)
class DistillConfig(PolicyConfig):
    """What a corrector has learned, as demonstrations for the next base policy.

    Attributes:
        policy: folder of the corrector's run.
        episodes: how many successes to keep, beside those that the recording holds already.
        store: folder of the recording; made, or continued.
        alone: the base policy acts alone first, for a random time of at most so large a share of the step limit.
    """

    episodes: int = 100
    store: str = "distilled"
    alone: float = 0.6

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.alone <= 1.0:
            raise ConfigError(f"alone must lie in [0, 1], got {self.alone}.")
