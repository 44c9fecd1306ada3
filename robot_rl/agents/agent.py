"""What every agent can do, how one is configured, and how it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from torch import Tensor

from robot_rl.agents.batch import Batch
from robot_rl.agents.cloning import Cloning
from robot_rl.agents.corrected import Corrected
from robot_rl.agents.correctors.config import CorrectorConfig
from robot_rl.agents.encoders.pretrained import load_pretrained
from robot_rl.agents.gripper import ARM_ELEMENTS
from robot_rl.agents.policy_network import PolicyNetwork, PolicySpec
from robot_rl.agents.rlpd import Rlpd, RlpdConfig
from robot_rl.agents.steered import Steered
from robot_rl.errors import ConfigError
from robot_rl.specs import EnvironmentSpec

AgentName = Literal["rlpd", "bc", "hg_dagger", "corrected"]

_OF_LONERS = ("std", "grasp_penalty", "grasp_open_from")
"""What a corrector does not look at, beside all of `rlpd`: it is deterministic, and leaves grippers alone."""

_OF_CRITICS = ("n_step", "takeover_discount", "grasp_penalty", "grasp_open_from")
"""What who only imitates does not look at, beside all of `rlpd` but how fast it learns."""
_OF_IMITATION = ("learning_rate", "average_decay")


@dataclass(frozen=True)
class EncoderConfig:
    """How images become inputs; without cameras nothing of it is used.

    Attributes:
        backbone: "resnet10", "small_cnn" or "vit".
        is_frozen: whether the backbone keeps its weights; then its features are computed once per image.
        weights: "random", "pretrained" (from the cache folder), or a .safetensors file.
        copies: versions of each image whose features are kept, where the backbone is frozen: as it is, and shifted at
            random.
        crop_pad_px: largest random shift.
    """

    backbone: str = "resnet10"
    is_frozen: bool = True
    weights: str = "random"
    copies: int = 2
    crop_pad_px: int = 4

    def __post_init__(self) -> None:
        for name in ("copies", "crop_pad_px"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.weights != "random" and self.backbone != "resnet10":
            raise ConfigError(f"weights={self.weights} are those of a resnet10, not of backbone={self.backbone}.")


@dataclass(frozen=True)
class AgentConfig:
    """An agent, and how it is trained.

    Attributes:
        name: "rlpd"; "bc", which imitates the demonstrations and nothing else; "hg_dagger", which imitates them and
            the interventions of the run (Kelly et al. 2019, arXiv 1810.02890); "corrected": a base policy's corrector.
        hidden: widths of the hidden layers of every network.
        std: standard deviation of a new policy's actions.
        stack: time steps that make one observation.
        batch_size: transitions of an update.
        utd: updates per environment step, of the critics; the actor has one per environment step.
        n_step: steps of a return before it bootstraps, of critics of single actions; others see chunks, and these.
        takeover_discount: what is left of the value of what a policy's actions led to, where a person took over right
            there. With 1 they are worth what the person made of it (HIL-SERL); with 0 a takeover is an end that pays
            nothing, or the person would hide every failure from the critics (RLIF, Luo et al. 2023, arXiv 2311.12996,
            with a reward of its own).
        pretrain_updates: of imitation, on the demonstrations, before the first step.
        warmup_steps: environment steps before the first update.
        frozen_from_step: environment step from which nothing is learned any more; None learns to the end.
        grasp_penalty: for telling a gripper to change over.
        grasp_open_from: opening from which it counts as open, 0 closed to 1 open.
        rlpd: of the agent of that name.
        corrector: of "corrected".
        encoder: of images.
    """

    name: AgentName = "rlpd"
    hidden: tuple[int, ...] = (256, 256)
    std: float = 0.15
    stack: int = 1
    batch_size: int = 256
    utd: int = 2
    n_step: int = 3
    takeover_discount: float = 1.0
    pretrain_updates: int = 2000
    warmup_steps: int = 100
    frozen_from_step: int | None = None
    grasp_penalty: float = -0.02
    grasp_open_from: float = 0.9
    rlpd: RlpdConfig = field(default_factory=RlpdConfig)
    corrector: CorrectorConfig = field(default_factory=CorrectorConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)

    def __post_init__(self) -> None:
        for name in ("stack", "batch_size", "utd", "n_step"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}.")
        for name in ("pretrain_updates", "warmup_steps"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative, got {getattr(self, name)}.")
        if not 0.0 <= self.takeover_discount <= 1.0:
            raise ConfigError(f"takeover_discount must lie in [0, 1], got {self.takeover_discount}.")
        if self.frozen_from_step is not None and self.frozen_from_step <= self.warmup_steps:
            raise ConfigError(
                f"frozen_from_step must come after the warm-up of {self.warmup_steps} steps, or nothing is learned, "
                f"got {self.frozen_from_step}."
            )
        if self.reward_bias < 0.0 and self.takeover_discount < 1.0:
            raise ConfigError(
                f"with takeover_discount={self.takeover_discount} a takeover pays nothing, which is the best there is "
                f"where every step costs: rlpd.reward_bias must not be negative, got {self.reward_bias}."
            )
        if not self.hidden or min(self.hidden) < 1:
            raise ConfigError(f"hidden must name the widths of the layers, for example [256, 256], got {self.hidden}.")
        if not self.std > 0.0:
            raise ConfigError(f"std must be positive, got {self.std}.")
        if self.is_corrector and self.corrector.name == "none":
            raise ConfigError("agent=residual needs a corrector, for example corrector=additive.")
        if self.is_corrector and self.corrector.candidates and self.stack > 1:
            raise ConfigError(f"corrector={self.corrector.name} sees one time step: stack must be 1, got {self.stack}.")

    def check_words(self) -> None:
        """Raise ConfigError for what this agent does not look at, such as what a corrector would be told without one.

        Not a matter of construction: the default of a setting that nobody looks at may change, and runs that were saved
        with it still load.
        """
        if self.is_corrector:
            self._check_words_to_corrector()
            return
        if self.corrector.name != "none":
            raise ConfigError(
                f"corrector={self.corrector.name} does not go with agent={self.name}: leave out one of them."
            )
        for name, default in vars(CorrectorConfig()).items():
            value = getattr(self.corrector, name)
            if value != default:
                raise ConfigError(
                    f"agent.corrector.{name}={value} is for a corrector, and agent={self.name} has none: choose one, "
                    "for example corrector=additive base=RUN."
                )
        if self.name in ("bc", "hg_dagger"):
            self._check_words_to_imitation()

    def _check_words_to_imitation(self) -> None:
        """Raise ConfigError for what only an agent with critics would look at."""
        for name, (value, default) in self._said(_OF_CRITICS).items():
            if value != default and name.removeprefix("rlpd.") not in _OF_IMITATION:
                raise ConfigError(
                    f"agent.{name}={value} is for an agent with critics, and agent={self.name}, which imitates, does "
                    "not look at it."
                )

    def _said(self, names: tuple[str, ...]) -> dict[str, tuple[object, object]]:
        """Setting -> its value and default, of all of `rlpd` and of these."""
        said = {f"rlpd.{name}": (getattr(self.rlpd, name), default) for name, default in vars(RlpdConfig()).items()}
        return said | {name: (getattr(self, name), getattr(AgentConfig, name)) for name in names}

    def _check_words_to_corrector(self) -> None:
        """Raise ConfigError for what only an agent that acts alone would look at, or another corrector."""
        self.corrector.check_words()
        if self.is_chunked and self.n_step != AgentConfig.n_step:
            raise ConfigError(
                f"agent.n_step={self.n_step} is for critics of single actions: these see agent.corrector.chunk="
                f"{self.corrector.chunk} of them, and the return of as many."
            )
        for name, (value, default) in self._said(_OF_LONERS).items():
            if value != default:
                raise ConfigError(
                    f"agent.{name}={value} is for an agent without a base policy, and corrector={self.corrector.name} "
                    "does not look at it: what a corrector can be told begins with agent.corrector."
                )

    @property
    def is_corrector(self) -> bool:
        """Whether it acts on top of a base policy."""
        return self.name == "corrected"

    @property
    def gamma(self) -> float:
        """Discount of the future per control step."""
        return self.corrector.gamma if self.is_corrector else self.rlpd.gamma

    @property
    def reward_bias(self) -> float:
        """Added to the reward of every control step where batches are made."""
        return 0.0 if self.is_corrector else self.rlpd.reward_bias

    @property
    def window(self) -> int:
        """Control steps between the two observations of a transition; one that ends with its episode has fewer."""
        return self.corrector.chunk if self.is_chunked else self.n_step

    @property
    def is_chunked(self) -> bool:
        """Whether the critics see several actions at a time."""
        return self.is_corrector and self.corrector.chunk > 1

    @property
    def is_conservative(self) -> bool:
        """Whether the critics compare what they say of unknown actions with what was paid."""
        return self.is_corrector and self.corrector.conservative_weight > 0.0

    @property
    def critic_first(self) -> int:
        """Updates of the critics alone, after the warm-up."""
        return self.corrector.critic_updates if self.is_corrector else 0


class Agent(Protocol):
    """Learns a policy from batches."""

    @property
    def policy(self) -> PolicyNetwork:
        """What explores."""
        ...

    @property
    def average_policy(self) -> PolicyNetwork:
        """What is evaluated: a slow average of the policy's weights."""
        ...

    def pretrain(self, batch: Batch) -> dict[str, Tensor]:
        """One step of imitation on a batch of demonstrations."""
        ...

    def update(self, batch: Batch, *, is_actor_due: bool) -> dict[str, Tensor]:
        """One update; metrics are tensors that wait for nobody."""
        ...

    def value(self, batch: Batch) -> Tensor | None:
        """What the critics say of the batch's actions, (B,), their mean; None of an agent without critics."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything that is needed to go on bit for bit."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        ...


def make_policy_spec(config: AgentConfig, spec: EnvironmentSpec) -> PolicySpec:
    """The policy of an agent in an environment.

    Raises:
        ConfigError: cameras of different sizes, or images that are not square.
    """
    shapes = {image.shape for image in spec.observation.images.values()}
    if len(shapes) > 1 or any(height != width for height, width, _ in shapes):
        raise ConfigError(f"the cameras' images must be square and of one size, got {sorted(shapes)}.")
    if shapes and config.stack > 1:
        raise ConfigError(f"stacks of time steps are for proprioception only: stack must be 1, got {config.stack}.")
    return PolicySpec(
        proprio_size=config.stack * spec.observation.proprio_size,
        action_size=spec.action_size,
        grippers=spec.action_size // ARM_ELEMENTS if spec.action_size % ARM_ELEMENTS == 0 else 0,
        hidden=config.hidden,
        cameras=tuple(spec.observation.images),
        image_size_px=next(iter(shapes))[0] if shapes else 128,
        backbone=config.encoder.backbone,
        is_backbone_frozen=config.encoder.is_frozen,
        std=config.std,
    )


def make_agent(config: AgentConfig, spec: EnvironmentSpec, seed: int, device: str = "cpu") -> Agent:
    """The agent of a configuration for an environment.

    Raises:
        ConfigError: the environment's images do not fit.
        SetupError: the backbone's weights are not there.
    """
    policy_spec = make_policy_spec(config, spec)
    agent: Agent
    if config.name == "rlpd":
        agent = Rlpd(policy_spec, config.rlpd, seed, device)
    elif config.is_corrector:
        kind = Steered if config.corrector.name == "noise_steer" else Corrected
        agent = kind(policy_spec, config.corrector, seed, device)
    else:
        agent = Cloning(policy_spec, config.rlpd.learning_rate, config.rlpd.average_decay, seed, device)
    weights = config.encoder.weights
    if policy_spec.cameras and weights != "random":
        state = load_pretrained(weights)
        for policy in (agent.policy, agent.average_policy):
            assert policy.encoder is not None
            policy.encoder.backbone.load_state_dict(state)
    return agent
