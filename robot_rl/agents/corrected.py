"""Off-policy learning of a corrector on a frozen base policy.

The critics are those of `rlpd`: independent members with LayerNorm, targets from the minimum over a random few or from
the mean, values within the returns that are possible. What they are asked about is always the executed action. The
actor is that of TD3 (Fujimoto et al. 2018, arXiv 1802.09477): deterministic, so that no entropy has to be balanced
against a bounded residual. With several candidates one half of the target critics chooses and the other half says what
the choice is worth, so that no error chooses itself.

Phases: the base policy collects alone (`warmup_steps`); the critics learn from that (`critic_updates`); then the actor
learns faster and faster (`actor_warmup_updates`), and the gate opens over `gate_steps`; from `frozen_from_step` on
nothing is learned any more.

Suffixes of tensors: see `correctors.corrector`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from robot_rl.agents.batch import Batch
from robot_rl.agents.correctors.config import CorrectorConfig
from robot_rl.agents.correctors.policy import CorrectedPolicy, Seen, evaluate, take
from robot_rl.agents.policy_network import PolicySpec
from robot_rl.agents.rlpd import move, restore_generator

Metrics = dict[str, Tensor]

_RANDOM_ACTIONS = 4


class Corrected:
    """The agent; see the module."""

    def __init__(self, spec: PolicySpec, config: CorrectorConfig, seed: int, device: str = "cpu") -> None:
        """Make networks and optimisers; everything random comes from `seed`.

        Raises:
            ConfigError: there is no corrector of that name.
        """
        self.config = config
        self.generator = torch.Generator(device).manual_seed(seed)
        torch.manual_seed(seed)
        self.policy = CorrectedPolicy(spec, config).to(device)
        self.critics = self._make_critics(spec).to(device)
        self.average_policy = copy.deepcopy(self.policy).requires_grad_(False)
        self.target_corrector = copy.deepcopy(self.policy.corrector).requires_grad_(False)
        self.target_critics = copy.deepcopy(self.critics).requires_grad_(False)
        actor, critics = list(self.policy.corrector.parameters()), list(self.critics.parameters())
        if self.policy.encoder is not None:  # it learns from the critics' error only
            critics += [p for p in self.policy.encoder.parameters() if p.requires_grad]
        self._critic_optimiser = torch.optim.Adam(critics, lr=config.critic_learning_rate, fused=True)
        self._actor_optimiser = torch.optim.Adam(actor, lr=config.actor_learning_rate, fused=True) if actor else None
        self.actor_updates = 0

    def _make_critics(self, spec: PolicySpec) -> nn.ModuleDict:
        """Every critic there is, by name; "action" values what is executed."""
        inputs = self.policy.latent_size + self.policy.chunk * spec.action_size
        return nn.ModuleDict({"action": self.policy.critic or self.config.make_critics(inputs, spec.hidden)})

    def pretrain(self, batch: Batch) -> Metrics:
        """One step of imitation alone: the corrector towards the actions of the batch's people, as far as it reaches.

        The base policy has imitated, too, but perhaps other demonstrations, and it is frozen.
        """
        distance = self._imitation_loss(self.policy.see(batch.observations), batch)
        if distance is None:
            return {}
        self._step_actor(distance)
        for behind in (self.target_corrector, self.average_policy.corrector):
            behind.load_state_dict(self.policy.corrector.state_dict())
        return {"actor/imitation": distance.detach()}

    def update(self, batch: Batch, *, is_actor_due: bool) -> Metrics:
        """One step of the critics and their targets, and if due one of the corrector and its slow average."""
        seen = self.policy.see(batch.observations)
        with torch.no_grad():
            following = self.policy.see(batch.following)
        loss, metrics = self.critic_loss(seen, following, batch)
        self._critic_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._critic_optimiser.step()
        with torch.no_grad():
            move(self.target_critics, self.critics, self.config.tau)
            self._move_average()
        if is_actor_due:
            metrics |= self._update_actor(seen._replace(latent=seen.latent.detach()), batch)
        return metrics

    @torch.no_grad()
    def value(self, batch: Batch) -> Tensor:
        """See Agent."""
        value: Tensor = self.critics["action"](self.policy.see(batch.observations).latent, batch.action).mean(0)
        return value

    def critic_loss(self, seen: Seen, following: Seen, batch: Batch) -> tuple[Tensor, Metrics]:
        """Mean squared error of each member to r + discount * Q'(s', a'), summed over the members."""
        with torch.no_grad():
            value, metrics = self.next_value(following)
            if self.config.return_range is not None:
                value = value.clamp(*self.config.return_range)
            target = batch.reward + batch.discount * value
        q_EB = self.critics["action"](seen.latent, batch.action)
        is_whole = batch.is_whole.to(q_EB.dtype)
        loss = ((q_EB - target).square() * is_whole).sum() / is_whole.sum().clamp(min=1.0)
        metrics |= {"critic/loss": loss.detach() / self.config.ensemble, "critic/q": q_EB.detach().mean()}
        if self.config.conservative_weight > 0.0:
            caution = self.caution(seen, batch, q_EB)
            loss, metrics["critic/caution"] = loss + self.config.conservative_weight * caution, caution.detach()
        return loss, metrics

    def caution(self, seen: Seen, batch: Batch, q_EB: Tensor) -> Tensor:
        """How much more the critics say of other actions than of those taken, summed over the members (Cal-QL).

        log sum exp over random actions and the corrector's candidates, whose values count as at least what the episode
        paid: so they are pushed down to what is known, and no further. The mean over the rows that are whole: of the
        others nobody took the action as it stands.
        """
        assert batch.returns is not None
        with torch.no_grad():
            candidates = self.policy.corrector.propose(*seen, None)
            shape = (len(candidates), _RANDOM_ACTIONS, candidates.shape[-1])
            unknown = 2.0 * torch.rand(shape, generator=self.generator, device=candidates.device) - 1.0
        critic = self.critics["action"]
        proposed = evaluate(critic, seen.latent, candidates).maximum(batch.returns[None, :, None])
        values = torch.cat([evaluate(critic, seen.latent, unknown), proposed], dim=-1)
        excess_EB = values.logsumexp(-1) - math.log(values.shape[-1]) - q_EB
        is_whole = batch.is_whole.to(q_EB.dtype)
        return (excess_EB * (is_whole / is_whole.mean().clamp(min=1.0 / len(is_whole)))).mean(1).sum()

    def next_value(self, following: Seen) -> tuple[Tensor, Metrics]:
        """What the target critics say of the next decision, (B,).

        Of several candidates one half of the critics chooses, and the other half values.
        """
        latent = following.latent
        candidates = self._smooth(self.target_corrector.propose(latent, following.base, None))
        members = torch.randperm(self.config.ensemble, generator=self.generator, device=latent.device)
        target = self.target_critics["action"]
        if candidates.shape[1] == 1:
            return judge(target, latent, candidates[:, 0], members, self.config.subsample), {}
        half = max(self.config.ensemble // 2, 1)
        chosen = evaluate(target, latent, candidates, members[:half]).mean(0).argmax(1)
        others = members[half:] if half < self.config.ensemble else members
        value = judge(target, latent, take(candidates, chosen), others, self.config.subsample)
        return value, {"corrector/preferred": (chosen >= self.policy.corrector.of_base).float().mean()}

    def _smooth(self, candidates: Tensor) -> Tensor:
        """The candidates with clipped noise on them; the base policy's own as they are."""
        if self._actor_optimiser is None or self.config.target_noise_std == 0.0:
            return candidates
        corrector = self.policy.corrector
        noise = torch.randn(candidates.shape, generator=self.generator, device=candidates.device)
        noise = (self.config.target_noise_std * noise).clamp(
            -self.config.target_noise_limit, self.config.target_noise_limit
        )
        noise = noise * corrector.is_corrected
        noise[:, : corrector.of_base] = 0.0
        return (candidates + noise).clamp(-1.0, 1.0)

    def _update_actor(self, seen: Seen, batch: Batch) -> Metrics:
        self.actor_updates += 1
        self._let_in()
        if self._actor_optimiser is not None:
            self._warm_up(self._actor_optimiser)
            loss, metrics = self.actor_loss(seen, batch)
            self._step_actor(loss)
        else:
            metrics = {}
        with torch.no_grad():
            move(self.target_corrector, self.policy.corrector, self.config.tau)
            move(self.average_policy.corrector, self.policy.corrector, 1.0 - self.config.average_decay)
        return metrics

    def _move_average(self) -> None:
        """What the critics' error trains, critics and encoder together: each is worth something with the other only."""
        average, policy, share = self.average_policy, self.policy, 1.0 - self.config.average_decay
        if average.critic is not None and policy.critic is not None:
            move(average.critic, policy.critic, share)
        if average.encoder is not None and policy.encoder is not None:
            move(average.encoder, policy.encoder, share)

    def _step_actor(self, loss: Tensor) -> None:
        assert self._actor_optimiser is not None
        self._actor_optimiser.zero_grad(set_to_none=True)
        loss.backward(inputs=list(self.policy.corrector.parameters()))  # not the critics'
        self._actor_optimiser.step()

    def actor_loss(self, seen: Seen, batch: Batch) -> tuple[Tensor, Metrics]:
        """- what the actor raises, and the distance to people's actions that can be followed."""
        loss, metrics = -self.worth(seen), self.policy.corrector.measure(*seen)
        distance = self._imitation_loss(seen, batch)
        if distance is not None:
            loss = loss + self.config.imitation_weight * distance
            metrics["actor/imitation"] = distance.detach()
        return loss, metrics | {"actor/loss": loss.detach()}

    def _imitation_loss(self, seen: Seen, batch: Batch) -> Tensor | None:
        """The mean distance to people's actions, over those of the batch; None of a corrector that cannot imitate."""
        distances = self.policy.corrector.imitate(*seen, batch.action, batch.is_made)
        if distances is None:
            return None
        human = batch.is_human.to(distances.dtype)
        return (human * distances).sum() / human.sum().clamp(min=1.0)

    def worth(self, seen: Seen) -> Tensor:
        """What the actor raises: the mean over the ensemble of Q(s, a), of every candidate that it can improve."""
        improved = self.policy.corrector.improve(*seen)
        assert improved is not None
        return evaluate(self.critics["action"], seen.latent, improved).mean()

    def _warm_up(self, optimiser: torch.optim.Optimizer) -> None:
        """The actor's learning rate: until the critics know more than the base policy's actions, they mislead it."""
        share = _reached(self.actor_updates, self.config.actor_warmup_updates)
        for group in optimiser.param_groups:
            group["lr"] = share * self.config.actor_learning_rate

    def _let_in(self) -> None:
        """How often the corrector takes part in exploration, and how much the critics are relied on."""
        share = _reached(self.actor_updates, self.config.gate_steps)
        for policy in (self.policy, self.average_policy):
            policy.corrector.gate.fill_(share)
            policy.rely(_reached(self.actor_updates, self.config.caution_updates))

    def _modules(self) -> dict[str, nn.Module]:
        return {
            "policy": self.policy,
            "average_policy": self.average_policy,
            "critics": self.critics,
            "target_corrector": self.target_corrector,
            "target_critics": self.target_critics,
        }

    def _optimisers(self) -> dict[str, torch.optim.Optimizer]:
        found = {"critic": self._critic_optimiser, "actor": self._actor_optimiser}
        return {name: optimiser for name, optimiser in found.items() if optimiser is not None}

    def state(self) -> dict[str, Any]:
        """Everything that is needed to go on bit for bit."""
        return {
            **{name: module.state_dict() for name, module in self._modules().items()},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self._optimisers().items()},
            "generator": self.generator.get_state(),
            "actor_updates": self.actor_updates,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` of an agent of the same spec and config returned."""
        for name, module in self._modules().items():
            module.load_state_dict(state[name])
        for name, optimiser in self._optimisers().items():
            optimiser.load_state_dict(copy.deepcopy(state["optimisers"][name]))  # it would share the tensors
        restore_generator(self.generator, state["generator"])
        self.actor_updates = int(state["actor_updates"])


def judge(critics: nn.Module, latent: Tensor, action: Tensor, members: Tensor, subsample: int) -> Tensor:
    """What some critics say of an action, (B,): the least of the first `subsample` of them, or with 0 their mean."""
    said: Tensor = critics(latent, action, members[:subsample] if subsample else members)
    return said.amin(0) if subsample else said.mean(0)


def _reached(count: int, goal: int) -> float:
    """How far a count has come, from 0 to 1."""
    return 1.0 if goal == 0 else min(1.0, count / goal)
