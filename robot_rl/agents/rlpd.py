"""RLPD: soft actor-critic with prior data, a large critic ensemble and LayerNorm (Ball et al. 2023, arXiv 2302.02948).

As HIL-SERL uses it (Luo et al. 2024, arXiv 2410.21845), without the defects of its code: the members of the ensemble
share nothing, a network that is not updated does not move, the target entropy counts continuous elements only, and the
time limit bootstraps through `discount`. Three additions keep it stable with an hour of data; each can be switched off:

* The values that targets bootstrap from are clipped to `return_range`. A task that pays 1 once has no return above 1,
  but a maximising critic that is extrapolating soon believes in one.
* The actor also imitates the people's actions of the batch, at first alone (`pretrain`), then beside the critic: the
  first episodes succeed now and then instead of lasting until the time limit, and no error of the critic carries the
  policy away from what is known to work (compare TD3+BC, Fujimoto and Gu 2021, arXiv 2106.06860).
* What is evaluated is a slow average of the policy's weights.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.agents.batch import Batch
from robot_rl.agents.gripper import GraspCritic, split_action
from robot_rl.agents.networks import CriticEnsemble, squash
from robot_rl.agents.policy import Policy
from robot_rl.agents.policy_network import PolicySpec
from robot_rl.errors import ConfigError

Metrics = dict[str, Tensor]
Loss = Callable[..., tuple[Tensor, Metrics]]


@dataclass(frozen=True)
class RlpdConfig:
    """What the agent can be told.

    Attributes:
        ensemble: number of critics; HIL-SERL has 2, RLPD 10.
        subsample: how many of them, drawn anew each update, the target takes the minimum of.
        gamma: discount of the future per control step.
        tau: Polyak factor of the target critics.
        learning_rate: Adam, for every network.
        temperature_learning_rate: Adam, for the logarithm of the temperature. Faster, because the temperature has to
            follow the critic's slope, which grows from nothing.
        initial_temperature: of the entropy bonus. One control step more or less changes the return by 1 - gamma: the
            bonus must not drown that.
        target_entropy: nats; None is -A over the continuous elements.
        has_entropy_backup: whether the target contains the entropy bonus.
        return_range: (smallest, largest) return that is possible, to which values are clipped; or None.
        reward_bias: added to the reward of every control step where batches are made.
        imitation_weight: of the squared distance to people's actions in the actor's loss.
        average_decay: of the slow average of the policy's weights.
        is_compiled: whether losses go through torch.compile; on a GPU they become CUDA graphs.
    """

    ensemble: int = 10
    subsample: int = 2
    gamma: float = 0.97
    tau: float = 0.005
    learning_rate: float = 3e-4
    temperature_learning_rate: float = 3e-3
    initial_temperature: float = 1e-3
    target_entropy: float | None = None
    has_entropy_backup: bool = False
    return_range: tuple[float, float] | None = (0.0, 1.0)
    reward_bias: float = 0.0
    imitation_weight: float = 0.3
    average_decay: float = 0.999
    is_compiled: bool = False

    def __post_init__(self) -> None:
        for name in ("learning_rate", "temperature_learning_rate", "initial_temperature"):
            if not getattr(self, name) > 0.0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}.")
        if not 0.0 <= self.gamma <= 1.0:
            raise ConfigError(f"gamma must be in [0, 1], got {self.gamma}.")
        if not 0.0 < self.tau <= 1.0 or not 0.0 <= self.average_decay < 1.0:
            raise ConfigError(
                "tau must be in (0, 1] and average_decay from 0 to less than 1, got "
                f"{self.tau} and {self.average_decay}: what follows would run away."
            )
        if not 1 <= self.subsample <= self.ensemble:
            raise ConfigError(f"subsample must lie between 1 and ensemble = {self.ensemble}, got {self.subsample}.")
        if self.reward_bias != 0.0 and self.return_range == (0.0, 1.0):
            raise ConfigError(
                f"reward_bias = {self.reward_bias} changes what returns are possible: set return_range, or null."
            )
        if self.return_range is not None and self.return_range[0] >= self.return_range[1]:
            raise ConfigError(f"return_range must be (smallest, largest), got {self.return_range}.")


class Rlpd:
    """The agent; see the module."""

    def __init__(self, spec: PolicySpec, config: RlpdConfig, seed: int, device: str = "cpu") -> None:
        """Make networks and optimisers; everything random comes from `seed`."""
        self.config = config
        self.generator = torch.Generator(device).manual_seed(seed)
        torch.manual_seed(seed)
        self.policy = Policy(spec).to(device)
        self.average_policy = copy.deepcopy(self.policy).requires_grad_(False)
        self.continuous_size = spec.action_size - spec.grippers
        inputs = self.policy.latent_size + self.continuous_size
        self.critic = CriticEnsemble(config.ensemble, inputs, spec.hidden).to(device)
        self.target_critic = copy.deepcopy(self.critic).requires_grad_(False)
        self.target_grasp_critic = copy.deepcopy(self.policy.grasp_critic)
        initial = torch.tensor(config.initial_temperature, device=device)
        self.log_temperature = nn.Parameter(torch.log(torch.expm1(initial)))  # softplus of it is the temperature
        self.target_entropy = -float(self.continuous_size) if config.target_entropy is None else config.target_entropy
        self._optimisers = self._make_optimisers()
        self._critic_loss, self._actor_loss = self.critic_loss, self.actor_loss
        if config.is_compiled:
            self._critic_loss = _compile(self.critic_loss, device)
            self._actor_loss = _compile(self.actor_loss, device)

    def _make_optimisers(self) -> dict[str, torch.optim.Optimizer]:
        """One optimiser a network: what is not updated must not move by its momentum."""
        rate, policy = self.config.learning_rate, self.policy
        encoder = [] if policy.encoder is None else [p for p in policy.encoder.parameters() if p.requires_grad]
        optimisers = {
            "critic": _adam([*self.critic.parameters(), *encoder], rate),
            "actor": _adam(policy.actor.parameters(), rate),
            "temperature": _adam([self.log_temperature], self.config.temperature_learning_rate),
        }
        if policy.grasp_critic is not None:
            optimisers["grasp_critic"] = _adam(policy.grasp_critic.parameters(), rate)
        return optimisers

    @property
    def temperature(self) -> Tensor:
        """Weight of the entropy bonus."""
        return F.softplus(self.log_temperature)

    def draw_noise(self, count: int) -> Tensor:
        """Standard normal noise for `count` actions."""
        return torch.randn(count, self.continuous_size, generator=self.generator, device=self.log_temperature.device)

    def pretrain(self, batch: Batch) -> Metrics:
        """One step of imitation alone: actor (and encoder) towards the actions of the batch's people."""
        loss = self._imitation_loss(self.policy.actor(self.policy.encode(batch.observations))[0], batch)
        self._zero_gradients()
        loss.backward()
        self._optimisers["actor"].step()
        if self.policy.encoder is not None:
            self._optimisers["critic"].step()  # the critics have no gradient, the encoder has
        self.average_policy.load_state_dict(self.policy.state_dict())
        return {"actor/imitation": loss.detach()}

    def update(self, batch: Batch, *, is_actor_due: bool) -> Metrics:
        """One step of the critics and their targets, and if due one of actor, temperature and slow average."""
        latent = self.policy.encode(batch.observations)
        with torch.no_grad():
            following = self.policy.encode(batch.following)
        device = latent.device
        members = torch.randperm(self.config.ensemble, generator=self.generator, device=device)[: self.config.subsample]
        self._zero_gradients()
        loss, metrics = self._critic_loss(latent, following, batch, self.draw_noise(len(latent)), members)
        loss.backward()
        self._optimisers["critic"].step()
        with torch.no_grad():
            move(self.target_critic, self.critic, self.config.tau)
            if self.policy.grasp_critic is not None and self.target_grasp_critic is not None:
                self._optimisers["grasp_critic"].step()
                move(self.target_grasp_critic, self.policy.grasp_critic, self.config.tau)
        if is_actor_due:
            metrics |= self._update_actor(latent.detach(), batch)
        return metrics

    def _update_actor(self, latent: Tensor, batch: Batch) -> Metrics:
        loss, metrics = self._actor_loss(latent, batch, self.draw_noise(len(latent)))
        loss.backward(inputs=list(self.policy.actor.parameters()))  # not the critics'
        self._optimisers["actor"].step()
        temperature_loss = self.temperature * (metrics["actor/entropy"] - self.target_entropy)
        temperature_loss.backward()
        self._optimisers["temperature"].step()
        with torch.no_grad():
            move(self.average_policy, self.policy, 1.0 - self.config.average_decay)
        return {**metrics, "actor/temperature": self.temperature.detach()}

    @torch.no_grad()
    def value(self, batch: Batch) -> Tensor:
        """See Agent."""
        action, _ = split_action(batch.action, self.policy.spec.grippers)
        value: Tensor = self.critic(self.policy.encode(batch.observations), action).mean(0)
        return value

    def critic_loss(
        self, latent: Tensor, following: Tensor, batch: Batch, noise: Tensor, members: Tensor
    ) -> tuple[Tensor, Metrics]:
        """Mean squared error to r + discount * min over a random subset of Q'(s', a'), a' ~ pi(s').

        Summed over the members, each of which so takes the step that it would take alone.
        """
        action, gripper = split_action(batch.action, self.policy.spec.grippers)
        with torch.no_grad():
            next_action, next_log_probability = self.policy.actor.sample(following, noise)
            next_q = self.target_critic(following, next_action, members).amin(0)
            if self.config.has_entropy_backup:
                next_q = next_q - self.temperature * next_log_probability
            target = batch.reward + batch.discount * self._clip(next_q)
        q_EB = self.critic(latent, action)
        loss = (q_EB - target).square().mean(1).sum()
        metrics = {"critic/loss": loss.detach() / self.config.ensemble, "critic/q": q_EB.detach().mean()}
        if self.policy.grasp_critic is not None and self.target_grasp_critic is not None:
            grasp_loss = self._grasp_loss(latent, following, gripper, batch.reward + batch.penalty, batch.discount)
            loss, metrics["grasp_critic/loss"] = loss + grasp_loss, grasp_loss.detach()
        return loss, metrics

    def _grasp_loss(self, latent: Tensor, following: Tensor, index: Tensor, reward: Tensor, discount: Tensor) -> Tensor:
        """Double DQN: the online network chooses the next class, the target network values it."""
        online, target_network = self.policy.grasp_critic, self.target_grasp_critic
        assert isinstance(online, GraspCritic)
        assert isinstance(target_network, GraspCritic)
        with torch.no_grad():
            chosen = online(following).argmax(-1, keepdim=True)
            target = reward + discount * self._clip(target_network(following).gather(-1, chosen).squeeze(-1))
        q = online(latent).gather(-1, index[:, None]).squeeze(-1)
        return F.mse_loss(q, target)

    def actor_loss(self, latent: Tensor, batch: Batch, noise: Tensor) -> tuple[Tensor, Metrics]:
        """Temperature * log pi(a|s) - mean over the ensemble of Q(s, a), and the imitation term."""
        mean, std = self.policy.actor(latent)
        action, log_probability = squash(mean, std, noise)
        q = self.critic(latent, action).mean(0)
        distance = self._imitation_loss(mean, batch)
        loss = (self.temperature.detach() * log_probability - q).mean() + self.config.imitation_weight * distance
        return loss, {
            "actor/loss": loss.detach(),
            "actor/entropy": -log_probability.detach().mean(),
            "actor/imitation": distance.detach(),
        }

    def _imitation_loss(self, mean: Tensor, batch: Batch) -> Tensor:
        """Squared distance of the policy's mode to people's actions, averaged over those of the batch."""
        action, _ = split_action(batch.action, self.policy.spec.grippers)
        human = batch.is_human.to(mean.dtype)
        distance = (torch.tanh(mean) - action).square().sum(-1)
        loss: Tensor = (human * distance).sum() / human.sum().clamp(min=1.0)
        return loss

    def _clip(self, q: Tensor) -> Tensor:
        return q if self.config.return_range is None else q.clamp(*self.config.return_range)

    def _zero_gradients(self) -> None:
        for optimiser in self._optimisers.values():
            optimiser.zero_grad(set_to_none=True)

    def _modules(self) -> dict[str, nn.Module]:
        modules: dict[str, nn.Module] = {
            "policy": self.policy,
            "average_policy": self.average_policy,
            "critic": self.critic,
            "target_critic": self.target_critic,
        }
        return modules if self.target_grasp_critic is None else {**modules, "target_grasp": self.target_grasp_critic}

    def state(self) -> dict[str, Any]:
        """Everything that is needed to go on bit for bit."""
        return {
            **{name: module.state_dict() for name, module in self._modules().items()},
            "log_temperature": self.log_temperature.detach(),
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self._optimisers.items()},
            "generator": self.generator.get_state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` of an agent of the same spec and config returned."""
        for name, module in self._modules().items():
            module.load_state_dict(state[name])
        with torch.no_grad():
            self.log_temperature.copy_(state["log_temperature"])
        for name, optimiser in self._optimisers.items():
            optimiser.load_state_dict(copy.deepcopy(state["optimisers"][name]))  # it would share the tensors
        restore_generator(self.generator, state["generator"])


def _compile(loss: Loss, device: str) -> Loss:
    """`loss`, compiled; on a GPU with CUDA graphs, whose next replay overwrites what is not copied out of them."""
    compiled = torch.compile(loss, mode="reduce-overhead" if torch.device(device).type == "cuda" else "default")

    def run(*inputs: Any) -> tuple[Tensor, Metrics]:
        value, metrics = compiled(*inputs)
        return value, {name: metric.clone() for name, metric in metrics.items()}

    return run


def _adam(parameters: Iterable[nn.Parameter], rate: float) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=rate, fused=True)


def move(target: nn.Module, source: nn.Module, share: float) -> None:
    """target += share * (source - target), all tensors that are trained at once."""
    pairs = [(a, b) for a, b in zip(target.parameters(), source.parameters(), strict=True) if b.requires_grad]
    if pairs:
        torch._foreach_lerp_([a for a, _ in pairs], [b for _, b in pairs], share)


def restore_generator(generator: torch.Generator, state: Tensor) -> None:
    """Go on where a generator stood; one that stood on another kind of device says nothing here, and this one stays.

    A run that goes on elsewhere is no longer the same bit for bit, whatever its noise is.
    """
    if state.shape == generator.get_state().shape:
        generator.set_state(state.cpu())
