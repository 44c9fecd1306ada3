"""What a corrector can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from robot_rl.agents.correctors import plan_input
from robot_rl.agents.correctors.candidates import NOISE, PLANS, CandidateLayout
from robot_rl.agents.networks import CriticEnsemble
from robot_rl.errors import ConfigError
from robot_rl.specs import EnvironmentSpec

CorrectorName = Literal["none", "identity", "additive", "chooser", "edit_select", "best_of_n", "noise_steer"]

BASE_PARTS = (PLANS, NOISE, plan_input.REMAINING, plan_input.PHASE)
"""Parts of an observation that are a base policy's answers."""

_OF_CANDIDATES = {"edit_select": 1, "best_of_n": 2, "noise_steer": 2}
"""Who looks at several plans of the base policy -> the fewest that make sense; of no noise alone nothing is learned."""

_CHANGING = ("additive", "chooser", "edit_select")
"""Who has actions of its own beside the base policy's."""
_ACTING = (*_CHANGING, "noise_steer")
"""Who has an actor."""
_FOR: dict[str, tuple[str, ...]] = {
    "scale": ("additive", "edit_select"),
    "keeps_base": ("additive",),
    "noise_bound": ("noise_steer",),
    "caution_updates": (*_CHANGING, "best_of_n"),
    "gate_steps": (*_ACTING, "best_of_n"),
    **dict.fromkeys(("noise_std", "actor_learning_rate", "actor_warmup_updates"), _ACTING),
    **dict.fromkeys(("target_noise_std", "target_noise_limit", "imitation_weight"), _CHANGING),
}
"""Setting -> the correctors that look at it, where not all do."""


@dataclass(frozen=True)
class CorrectorConfig:
    """A corrector, its critics, and the phases of its training.

    Attributes:
        name: "none" trains without a base policy; "identity" is the base policy; "additive" adds a residual to its
            action; "chooser" lets an independent actor compete with it; "edit_select" takes the best of several of its
            plans and of edits of these; "best_of_n" of the plans alone; "noise_steer" chooses the noise that it plans
            from.
        candidates: plans of the base policy at each time step, each of noise of its own; 0 where only its action
            matters. Then it is asked anew at every time step.
        chunk: actions of a plan that are executed before the next decision, and that the critics see.
        plan_steps: of the base policy's plan that corrector and critics see, with how old it is; 0 for none. For base
            policies that execute chunks.
        keeps_base: whether the base policy's action stays a candidate of "additive", beside the corrected one: then the
            critics choose.
        scale: largest residual of each element of the action; the grippers' elements are the base policy's.
        noise_std: of exploration, in units of the action; of "noise_steer", in units of the noise.
        noise_bound: of each element of the noise that "noise_steer" chooses.
        target_noise_std, target_noise_limit: of the smoothing of targets (TD3, Fujimoto et al. 2018).
        ensemble: number of critics.
        subsample: how many of them, drawn anew each update, the target takes the minimum of; at most the half that
            values, where the other half chooses among several candidates. 0 for the mean of all that may value.
        has_layer_norm: whether the critics' layers are normalised, which bounds what they say of actions nobody took.
        gamma: discount per control step.
        tau: Polyak factor of the targets.
        critic_learning_rate, actor_learning_rate: Adam.
        return_range: (smallest, largest) return that is possible, to which values are clipped; or None.
        conservative_weight: of the critics' caution about actions that nobody took (Cal-QL, Nakamoto et al. 2023, arXiv
            2303.05479); for critics that learn without acting. 0 for none.
        imitation_weight: of the squared distance to people's actions, where the corrector can follow them.
        average_decay: of the slow average of the policy's weights.
        critic_updates: of the critics alone, on what the base policy has collected, before anything is corrected.
        actor_warmup_updates: in which the actor's learning rate rises from 0.
        caution_updates: of the actor, in which the critics' choice against the base policy comes to be relied on: at
            first what another action gains must exceed their whole spread, in the end a quarter of it.
        gate_steps: in which the corrector is let in, from never to always.
        probe_every: of so many episodes one is the base policy's alone, to tell what the corrector is worth from what
            the day is like; 0 for none.
    """

    name: CorrectorName = "none"
    candidates: int = 0
    chunk: int = 1
    plan_steps: int = 0
    noise_bound: float = 1.5
    keeps_base: bool = False
    scale: float = 0.5
    noise_std: float = 0.1
    target_noise_std: float = 0.05
    target_noise_limit: float = 0.1
    ensemble: int = 10
    subsample: int = 2
    has_layer_norm: bool = True
    gamma: float = 0.97
    tau: float = 0.005
    critic_learning_rate: float = 3e-4
    actor_learning_rate: float = 3e-4
    return_range: tuple[float, float] | None = (0.0, 1.0)
    conservative_weight: float = 0.0
    imitation_weight: float = 0.3
    average_decay: float = 0.999
    critic_updates: int = 1000
    actor_warmup_updates: int = 0
    caution_updates: int = 0
    gate_steps: int = 0
    probe_every: int = 0

    def __post_init__(self) -> None:
        if not 0.0 < self.scale <= 2.0:
            raise ConfigError(f"corrector.scale must be in (0, 2], got {self.scale}: actions lie in [-1, 1].")
        if not 0.0 <= self.gamma <= 1.0:
            raise ConfigError(f"corrector.gamma must be in [0, 1], got {self.gamma}.")
        if self.ensemble < 1 or not 0 <= self.subsample <= self.ensemble:
            raise ConfigError(
                "corrector.ensemble must be at least 1, and corrector.subsample from 0 to it, got "
                f"{self.ensemble} and {self.subsample}."
            )
        if self.tau > 1.0 or not 0.0 <= self.average_decay < 1.0:
            raise ConfigError(
                "corrector.tau must be at most 1 and corrector.average_decay from 0 to less than 1, got "
                f"{self.tau} and {self.average_decay}: what follows would run away."
            )
        for name in ("critic_learning_rate", "actor_learning_rate", "tau", "noise_bound"):
            if not getattr(self, name) > 0.0:
                raise ConfigError(f"corrector.{name} must be positive, got {getattr(self, name)}.")
        counts = (
            "conservative_weight",
            "noise_std",
            "target_noise_std",
            "target_noise_limit",
            "imitation_weight",
            "critic_updates",
            "plan_steps",
        )
        for name in (*counts, "actor_warmup_updates", "caution_updates", "gate_steps", "probe_every"):
            if getattr(self, name) < 0:
                raise ConfigError(f"corrector.{name} must not be negative, got {getattr(self, name)}.")
        self._check_candidates()
        if self.return_range is not None and self.return_range[0] >= self.return_range[1]:
            raise ConfigError(f"corrector.return_range must be (smallest, largest), got {self.return_range}.")

    def check_words(self) -> None:
        """Raise ConfigError for a value that somebody has said, and that this corrector does not look at."""
        for name, correctors in _FOR.items():
            value = getattr(self, name)
            if self.name not in correctors and value != getattr(CorrectorConfig, name):
                raise ConfigError(
                    f"agent.corrector.{name}={value} is for corrector={' or '.join(correctors)}, and "
                    f"corrector={self.name} does not look at it."
                )

    def _check_candidates(self) -> None:
        if self.name == "noise_steer" and self.conservative_weight:
            raise ConfigError("corrector=noise_steer proposes noise, no actions: conservative_weight must be 0.")
        if self.name not in _OF_CANDIDATES:
            if self.candidates != 0 or self.chunk != 1:
                raise ConfigError(
                    f"corrector={self.name} corrects one action at a time: candidates must be 0 and chunk 1, got "
                    f"{self.candidates} and {self.chunk}."
                )
        elif self.plan_steps:
            raise ConfigError(f"corrector={self.name} asks for new plans at every time step: plan_steps must be 0.")
        elif self.candidates < _OF_CANDIDATES[self.name] or self.chunk < 1:
            raise ConfigError(
                f"corrector={self.name} needs candidates >= {_OF_CANDIDATES[self.name]} and chunk >= 1, got "
                f"{self.candidates} and {self.chunk}."
            )

    def extend(self, spec: EnvironmentSpec) -> EnvironmentSpec:
        """The spec of an environment with all of the base policy's answers in its observations."""
        layout = self.make_layout(spec.action_size)
        if layout is not None:
            return layout.extend(spec)
        return plan_input.extend(spec, self.plan_steps) if self.plan_steps else spec

    def make_critics(self, inputs: int, hidden: tuple[int, ...]) -> CriticEnsemble:
        """An untrained ensemble for that many inputs."""
        return CriticEnsemble(self.ensemble, inputs, hidden, has_layer_norm=self.has_layer_norm)

    def make_layout(self, action_size: int) -> CandidateLayout | None:
        """How the base policy's candidates lie in observations; None where it gives none."""
        if not self.candidates:
            return None
        return CandidateLayout(self.candidates, self.chunk, action_size, has_noise=self.name == "noise_steer")
