"""What an agent is trained on and asked with, as tensors.

Suffixes of tensors, here and in the agents: B batch, E ensemble members, P proprioception, A action, L latent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor


class Observations(NamedTuple):
    """A batch of observations.

    Attributes:
        proprio: all proprioceptive values in the order of their spec, float32 (B, P).
        visual: camera -> images, uint8 (B, H, W, 3), or their cached features, float16 (B, tokens, channels); empty
            without cameras.
        base_action: of a frozen base policy, (B, A); None without one.
    """

    proprio: Tensor
    visual: Mapping[str, Tensor]
    base_action: Tensor | None = None


class Batch(NamedTuple):
    """A batch of windows of one or more steps.

    Attributes:
        observations: at the start.
        action: first executed action, (B, A), the gripper's element included; for critics of chunks of K actions, all
            of them, (B, K A).
        reward: sum over the window of gamma^k r_k, (B,).
        discount: gamma^m times the product of the environment's discounts, (B,).
        following: observations at the end.
        is_human: whether a person chose the action, of a chunk all of it, (B,), bool.
        is_whole: whether it has as many actions as the critics see, or what is missing makes no difference since the
            episode has ended; (B,), bool.
        penalty: of the gripper's part of the action, (B,): not part of the reward, only the gripper's critic sees it.
        returns: what the episode paid from here on, as far as it is known, discounted, (B,); None where nobody asked.
        is_made: which elements of a chunk of actions somebody made, (B, K A), bool: none after the episode's end, or
            beyond a gap; None where there is one action.
    """

    observations: Observations
    action: Tensor
    reward: Tensor
    discount: Tensor
    following: Observations
    is_human: Tensor
    is_whole: Tensor
    penalty: Tensor
    returns: Tensor | None = None
    is_made: Tensor | None = None
