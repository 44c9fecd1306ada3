"""Off-policy learning of the noise of a frozen base policy (DSRL with aliased noise, arXiv 2506.15799, algorithm 2).

Two ensembles of critics. One values executed actions: it learns from everything that was executed, by whomever. The
other values noise: it is fitted to what the first says of the actions that the base policy made of noise, which are in
every observation. The actor raises the second.

Against the published method: the target of the first is the second at the actor's noise, so that nobody asks the base
policy while learning; and the actor is deterministic and explores with noise.

Suffixes of tensors: see `correctors.corrector`; E members of an ensemble.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from robot_rl.agents.batch import Batch
from robot_rl.agents.corrected import Corrected, Metrics, judge
from robot_rl.agents.correctors.noise_steer import NoiseSteer
from robot_rl.agents.correctors.policy import Seen, take
from robot_rl.agents.policy_network import PolicySpec


class Steered(Corrected):
    """The agent of the corrector "noise_steer"; see the module."""

    def _make_critics(self, spec: PolicySpec) -> nn.ModuleDict:
        critics = super()._make_critics(spec)
        inputs = self.policy.latent_size + spec.action_size
        critics["noise"] = self.config.make_critics(inputs, spec.hidden)
        return critics

    def critic_loss(self, seen: Seen, following: Seen, batch: Batch) -> tuple[Tensor, Metrics]:
        """See Corrected; and the squared error of each member for noise to its fellow for actions."""
        loss, metrics = super().critic_loss(seen, following, batch)
        latent, base = seen
        which = torch.randint(
            base.plans.shape[1], (len(latent),), generator=self.generator, device=latent.device
        )  # one candidate a row: others come in other batches
        with torch.no_grad():
            value_EB = self.critics["action"](latent, take(base.plans, which))
        distillation = (self.critics["noise"](latent, take(base.noise, which)) - value_EB).square().mean(1).sum()
        return loss + distillation, metrics | {"critic/distillation": distillation.detach() / self.config.ensemble}

    def next_value(self, following: Seen) -> tuple[Tensor, Metrics]:
        """See Corrected: of the noise that the actor would choose."""
        members = torch.randperm(self.config.ensemble, generator=self.generator, device=following.latent.device)
        corrector = self.target_corrector
        assert isinstance(corrector, NoiseSteer)
        noise = corrector.steer(following.latent)
        return judge(self.target_critics["noise"], following.latent, noise, members, self.config.subsample), {}

    def worth(self, seen: Seen) -> Tensor:
        """See Corrected: the mean over the ensemble for noise."""
        corrector = self.policy.corrector
        assert isinstance(corrector, NoiseSteer)
        worth: Tensor = self.critics["noise"](seen.latent, corrector.steer(seen.latent)).mean()
        return worth
