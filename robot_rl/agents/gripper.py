"""The gripper as a discrete choice: a DQN beside the continuous agent (HIL-SERL, Luo et al. 2024, section 3.4).

An action has seven elements an arm, (v, omega, gripper). Each gripper closes, stays or opens, which makes 3 classes for
one arm and 9 for two.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

CHOICES = 3
"""Close (-1), stay (0), open (+1)."""
ARM_ELEMENTS = 7
"""Elements of the action of an arm with a gripper, the gripper's last."""


def split_action(action_BA: Tensor, grippers: int) -> tuple[Tensor, Tensor]:
    """(continuous elements (B, A - grippers), class of the grippers' elements (B,)).

    Args:
        action_BA: as the robot executed it.
        grippers: 0, 1 or 2. The class of two is 3 times that of the first plus that of the second.
    """
    if grippers == 0:
        return action_BA, torch.zeros(len(action_BA), dtype=torch.long, device=action_BA.device)
    arms = action_BA.unflatten(-1, (grippers, ARM_ELEMENTS))
    choices = arms[..., -1].round().long() + 1
    index = choices[:, 0]
    for k in range(1, grippers):
        index = CHOICES * index + choices[:, k]
    return arms[..., :-1].flatten(1), index


def join_action(continuous: Tensor, index: Tensor, grippers: int) -> Tensor:
    """The inverse of `split_action`: an action (B, A)."""
    if grippers == 0:
        return continuous
    arms = continuous.unflatten(-1, (grippers, ARM_ELEMENTS - 1))
    choices = torch.stack([index // CHOICES**k % CHOICES for k in reversed(range(grippers))], dim=-1)
    return torch.cat([arms, (choices - 1).to(arms.dtype)[..., None]], dim=-1).flatten(1)


def grasp_penalty(openings_BG: Tensor, action_BA: Tensor, penalty: float, open_from: float) -> Tensor:
    """`penalty` for each gripper that was told to change over, else 0; shape (B,).

    Args:
        openings_BG: opening of each gripper before the action, 0 closed to 1 open.
        action_BA: as the robot executed it.
        penalty: negative.
        open_from: opening from which a gripper counts as open.
    """
    grippers = openings_BG.shape[1]
    asked = action_BA.unflatten(-1, (grippers, ARM_ELEMENTS))[..., -1]
    is_open = openings_BG > open_from
    is_toggled = ((asked < -0.5) & is_open) | ((asked > 0.5) & ~is_open)
    count: Tensor = is_toggled.float().sum(-1)
    return penalty * count


class GraspCritic(nn.Module):
    """Q of every class of gripper actions, (B, 3 ** grippers)."""

    def __init__(self, inputs: int, grippers: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for a, b in pairwise((inputs, *hidden)):
            layers += [nn.Linear(a, b), nn.LayerNorm(b), nn.Tanh()]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden[-1], CHOICES**grippers))
        for module in self.layers:
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, latent_BL: Tensor) -> Tensor:
        """Q values (B, classes)."""
        values: Tensor = self.layers(latent_BL)
        return values
