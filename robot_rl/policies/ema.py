"""The exponential moving average of a network's parameters, which acts in the network's place."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from robot_rl.errors import CheckpointError

POWER, LARGEST_DECAY = 0.75, 0.9999
"""Of Diffusion Policy (Chi et al. 2023, arXiv 2303.04137), for networks that train for a million steps or less."""


def decay(step: int) -> float:
    """The share of the old average that is kept after `step` earlier updates: 0 at first, then rising to 0.9999."""
    return float(min(1.0 - (1.0 + step) ** -POWER, LARGEST_DECAY))


Module = TypeVar("Module", bound=nn.Module)


class MovingAverage(Generic[Module]):
    """A copy of a module whose parameters follow those of the module.

    Diffusion models act by the average, not by the last iterate (Ho et al. 2020, arXiv 2006.11239, section 4; Song and
    Ermon 2020, arXiv 2006.09011, section 3.4). Buffers are not averaged but copied: they are counts and scales.

    Attributes:
        average: the copy, in evaluation mode and without gradients.
        step: updates so far.
    """

    def __init__(self, module: Module) -> None:
        self.average: Module = deepcopy(module).eval().requires_grad_(False)
        self.step = 0

    @torch.no_grad()
    def update(self, module: Module) -> None:
        """Follow the module after a step of its optimiser."""
        torch._foreach_lerp_(list(self.average.parameters()), list(module.parameters()), 1.0 - decay(self.step))
        own, new = list(self.average.buffers()), list(module.buffers())
        if own:  # an empty list is refused
            torch._foreach_copy_(own, new)
        self.step += 1

    def state(self) -> dict[str, Any]:
        """Everything that is needed to go on bit for bit: copies, so that it stays what it was."""
        weights = {name: value.clone() for name, value in self.average.state_dict().items()}
        return {"step": self.step, "weights": weights}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned.

        Raises:
            CheckpointError: the state is that of another module.
        """
        try:
            self.average.load_state_dict(state["weights"])
            self.step = int(state["step"])
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(f"the moving average cannot be restored: {error}") from error
