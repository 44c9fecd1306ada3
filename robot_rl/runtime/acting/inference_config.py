"""How a base policy's chunks are made and executed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from robot_rl.errors import ConfigError
from robot_rl.inference.engine_config import EngineConfig
from robot_rl.inference.noise_level import NoiseLevel
from robot_rl.inference.problem import Sampler
from robot_rl.inference.rerank import BackwardCoherence, PastAgreement, Rerank
from robot_rl.inference.samplers import make_sampler
from robot_rl.policies.chunk_executor import ExecutorConfig

_WITH_STEPS = ("ddim", "dpm_solver", "euler", "heun", "relay", "rtc")
_FROM_NOISE = ("ddim", "ddpm", "dpm_solver", "euler", "heun")


@dataclass(frozen=True)
class InferenceConfig:
    """A sampler, and when it is asked.

    Attributes:
        sampler: "relay" (warm starts), "ddim", "ddpm", "dpm_solver", "euler", "heun", "rtc" or "rti".
        steps: evaluations of the network in a decision; 0 is the sampler's default. "rti" and "ddpm" have their own.
        sigma: to which "relay" brings the plan so far; None is what the policy's file says.
        temperature: of "relay"; 1 executes a sample of the policy, 0 the middle of its mode; None is relay's default.
        candidates: chunks that are made for a decision, each from a noise of its own; the best is taken. Of samplers
            that begin from noise.
        score: what is best: near the "plan" so far (bidirectional decoding's backward coherence), or with the "past"
            actions that were executed, of policies that predict more than one of them.
        compose: folder or file of another base policy, whose score is mixed with the policy's at every step: a decision
            costs as much as one of each. None for none. What "relay" knows of its noise is of the policy itself.
        compose_weight: of the other's score: 0 is the policy alone, 1 the other. The best is found by evaluations.
        precision: of the network's weights on a CPU: "float16" reads half as much memory in an evaluation, which makes
            large networks faster; it changes what they say by less than a thousandth.
        executor: without a clock, where time waits for the policy.
        engine: with one, where it does not. The period is that of the environment.
    """

    sampler: str = "relay"
    steps: int = 0
    sigma: float | None = None
    temperature: float | None = None
    candidates: int = 1
    score: Literal["plan", "past"] = "plan"
    compose: str | None = None
    compose_weight: float = 0.5
    precision: Literal["float32", "float16"] = "float32"
    executor: ExecutorConfig = field(default_factory=lambda: ExecutorConfig(execute=1, hysteresis_ticks=2))
    engine: EngineConfig = field(default_factory=EngineConfig)

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ConfigError(f"inference.steps must not be negative, got {self.steps}.")
        if self.steps and self.sampler not in _WITH_STEPS:
            raise ConfigError(f"inference.sampler={self.sampler} has no steps; those that have are {_WITH_STEPS}.")
        if self.temperature is not None and self.sampler != "relay":
            raise ConfigError(f"inference.sampler={self.sampler} has no temperature; relay has.")
        if self.sigma is not None and self.sampler != "relay":
            raise ConfigError(f"inference.sampler={self.sampler} has no sigma; relay has.")
        if self.score != "plan" and self.candidates == 1:
            raise ConfigError(f"inference.score={self.score} chooses among candidates: say candidates=N, too.")
        if self.candidates < 1:
            raise ConfigError(f"inference.candidates must be at least 1, got {self.candidates}.")
        if self.candidates > 1 and self.sampler not in _FROM_NOISE:
            raise ConfigError(
                f"inference.sampler={self.sampler} makes the same of every noise; candidates need one of "
                f"{', '.join(_FROM_NOISE)}."
            )

        if self.candidates > 1 and self.score == "past" and self.executor.delay and self.executor.commits:
            raise ConfigError(
                "inference.score=past compares what is the same in all candidates where executor.delay commits them to "
                "it: use score=plan, or executor.commits=false."
            )
        if not 0.0 <= self.compose_weight <= 1.0:
            raise ConfigError(f"inference.compose_weight must be from 0 to 1, got {self.compose_weight}.")
        if self.compose is None and self.compose_weight != InferenceConfig.compose_weight:
            raise ConfigError(
                f"inference.compose_weight={self.compose_weight} needs another base policy: inference.compose=RUN."
            )

    def check_unused(self, why: str, used: Collection[str] = ()) -> None:
        """Raise ConfigError for what was said where nobody looks at it.

        Args:
            why: the rest of the sentence that begins with the word.
            used: names that are looked at.
        """
        for name, default in vars(InferenceConfig()).items():
            if name not in used and getattr(self, name) != default:
                raise ConfigError(f"inference.{name}={getattr(self, name)} {why}")

    def make_sampler(self, level: NoiseLevel | None, past: int) -> Sampler:
        """The sampler, with what the policy's file says of its noise, and its chunks' positions before the present.

        Raises:
            UnknownNameError: no such sampler.
            ConfigError: a setting that it does not take, or a score that the policy's chunks do not have.
        """
        settings: dict[str, float] = {"steps": self.steps} if self.steps else {}
        if self.sampler == "relay":
            if level is not None:
                settings |= {"sigma": level.sigma, "spread": level.spread}
            if self.sigma is not None:
                settings["sigma"] = self.sigma
            if self.temperature is not None:
                settings["temperature"] = self.temperature
        elif self.sampler == "rtc":
            settings["executed"] = self.executor.execute
        sampler = make_sampler(self.sampler, **settings)
        if self.candidates == 1:
            return sampler
        if self.score == "past" and past == 0:
            raise ConfigError(
                "inference.score=past compares a chunk's positions before the present, and this policy's has none of "
                "them (past=0): use score=plan."
            )
        return Rerank(sampler, self.candidates, PastAgreement(past) if self.score == "past" else BackwardCoherence())
