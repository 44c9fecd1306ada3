"""What a corrector can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from robot_rl.errors import ConfigError

CorrectorName = Literal["none", "identity", "additive", "chooser"]


@dataclass(frozen=True)
class CorrectorConfig:
    """A corrector, its critics, and the phases of its training.

    Attributes:
        name: "none" trains without a base policy; "identity" is the base policy; "additive" adds a residual to its
            action; "chooser" lets an independent actor compete with it.
        scale: largest residual of each element of the action; the grippers' elements are the base policy's.
        noise_std: of exploration, in units of the action.
        target_noise_std, target_noise_limit: of the smoothing of targets (TD3, Fujimoto et al. 2018).
        ensemble: number of critics.
        subsample: how many of them, drawn anew each update, the target takes the minimum of.
        gamma: discount per control step.
        tau: Polyak factor of the targets.
        critic_learning_rate, actor_learning_rate: Adam.
        return_range: (smallest, largest) return that is possible, to which values are clipped; or None.
        imitation_weight: of the squared distance to people's actions, where the corrector can follow them.
        average_decay: of the slow average of the policy's weights.
        critic_updates: of the critics alone, on what the base policy has collected, before anything is corrected.
        gate_steps: in which the corrector is let in, from never to always.
    """

    name: CorrectorName = "none"
    scale: float = 0.2
    noise_std: float = 0.05
    target_noise_std: float = 0.05
    target_noise_limit: float = 0.1
    ensemble: int = 10
    subsample: int = 2
    gamma: float = 0.97
    tau: float = 0.005
    critic_learning_rate: float = 3e-4
    actor_learning_rate: float = 3e-4
    return_range: tuple[float, float] | None = (0.0, 1.0)
    imitation_weight: float = 0.1
    average_decay: float = 0.999
    critic_updates: int = 1000
    gate_steps: int = 1000

    def __post_init__(self) -> None:
        if not 0.0 < self.scale <= 2.0:
            raise ConfigError(f"corrector.scale must be in (0, 2], got {self.scale}: actions lie in [-1, 1].")
        if not 1 <= self.subsample <= self.ensemble:
            raise ConfigError(
                f"corrector.subsample must be from 1 to ensemble = {self.ensemble}, got {self.subsample}."
            )
        for name in ("critic_learning_rate", "actor_learning_rate", "tau"):
            if not getattr(self, name) > 0.0:
                raise ConfigError(f"corrector.{name} must be positive, got {getattr(self, name)}.")
        counts = ("noise_std", "target_noise_std", "target_noise_limit", "imitation_weight", "critic_updates")
        for name in (*counts, "gate_steps"):
            if getattr(self, name) < 0:
                raise ConfigError(f"corrector.{name} must not be negative, got {getattr(self, name)}.")
        if self.return_range is not None and self.return_range[0] >= self.return_range[1]:
            raise ConfigError(f"corrector.return_range must be (smallest, largest), got {self.return_range}.")
