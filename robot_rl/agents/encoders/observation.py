"""The encoder that actor, critic and grasp critic share: cameras and proprioception to one latent vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from robot_rl.agents.encoders.backbone import Backbone
from robot_rl.agents.encoders.heads import OUTPUTS, SpatialEmbeddingHead
from robot_rl.errors import SpecError

PROPRIO_OUTPUTS = 64
_BACKBONE = "backbone."


class ObservationEncoder(nn.Module):
    """One backbone for all cameras, a head for each, and Linear - LayerNorm - tanh for proprioception.

    Attributes:
        cameras: names, in the order of their share of the latent.
        is_frozen: whether the backbone is used as it is, without gradient.
        latent_size: 256 for each camera, and 64.
    """

    def __init__(self, proprio_size: int, cameras: Sequence[str], backbone: Backbone, *, is_frozen: bool) -> None:
        """Make the heads; a frozen backbone loses its gradients for good."""
        super().__init__()
        self.cameras, self.is_frozen = tuple(cameras), is_frozen
        self.latent_size = len(self.cameras) * OUTPUTS + PROPRIO_OUTPUTS
        self.backbone = backbone.requires_grad_(not is_frozen)
        self.heads = nn.ModuleDict(
            {name: SpatialEmbeddingHead(backbone.map_size, backbone.channels) for name in self.cameras}
        )
        linear = nn.Linear(proprio_size, PROPRIO_OUTPUTS)
        nn.init.xavier_uniform_(linear.weight)
        nn.init.zeros_(linear.bias)
        self.proprio = nn.Sequential(linear, nn.LayerNorm(PROPRIO_OUTPUTS), nn.Tanh())

    def forward(self, proprio_BP: Tensor, visual: Mapping[str, Tensor]) -> Tensor:
        """Latent (B, L): the cameras in their order, then proprioception.

        Args:
            proprio_BP: normalised proprioception, (B, P).
            visual: camera -> images, uint8 (B, H, W, 3), or tokens of the backbone, float (B, h * w, C).

        Raises:
            SpecError: other cameras, or neither images nor tokens.
        """
        tokens = self.to_tokens(visual)
        parts = [head(tokens[name]) for name, head in self.heads.items()]
        return torch.cat([*parts, self.proprio(proprio_BP)], dim=-1)

    def to_tokens(self, visual: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Camera -> tokens (B, h * w, C): images go through the backbone, all in one batch; tokens stay.

        Networks that look at the same images (a target, say) share this work when they are given its result.

        Raises:
            SpecError: other cameras, or neither images nor tokens.
        """
        if set(visual) != set(self.cameras):
            raise SpecError(f"visual must have entries {list(self.cameras)}, got {list(visual)}.")
        images = {name: value for name, value in visual.items() if value.dtype == torch.uint8}
        out = {name: self._checked(name, value) for name, value in visual.items() if name not in images}
        if images:
            tokens = self.backbone(torch.cat(list(images.values())))
            out |= zip(images, tokens.split([len(value) for value in images.values()]), strict=True)
        return out

    def published_state(self) -> dict[str, Tensor]:
        """What an actor must be sent: the state without a frozen backbone, which it has loaded by itself."""
        state = self.state_dict()
        return {name: value for name, value in state.items() if not (self.is_frozen and name.startswith(_BACKBONE))}

    def load_published(self, state: Mapping[str, Tensor]) -> None:
        """Take over what another encoder of the same kind published.

        Raises:
            SpecError: entries are missing, or unknown.
        """
        expected = set(self.published_state())
        if set(state) != expected:
            raise SpecError(
                f"a published encoder must have {len(expected)} entries of this one; "
                f"missing are {sorted(expected - set(state))}, unknown are {sorted(set(state) - expected)}."
            )
        self.load_state_dict(dict(state), strict=False)

    def _checked(self, name: str, tokens: Tensor) -> Tensor:
        shape = (self.backbone.places, self.backbone.channels)
        if not tokens.is_floating_point() or tokens.shape[1:] != shape:
            raise SpecError(
                f"visual[{name!r}] must be uint8 images or float tokens of shape (B, {shape[0]}, {shape[1]}), "
                f"got {tokens.dtype} of shape {tuple(tokens.shape)}."
            )
        return tokens
