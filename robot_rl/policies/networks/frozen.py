"""Denoisers of constant weights, for inference in real time: one chunk, one thread.

Suffixes of tensors: B batch, H horizon, C condition, I in, O out, M modulation.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from robot_rl.errors import SpecError
from robot_rl.policies.networks.denoiser import Denoiser
from robot_rl.policies.networks.dit import DiT
from robot_rl.policies.networks.frozen_dit import FrozenDiT
from robot_rl.policies.networks.frozen_unet import FrozenUNet
from robot_rl.policies.networks.product import Precision
from robot_rl.policies.networks.residual_mlp import ResidualMLP
from robot_rl.policies.networks.unet import ConditionalUNet


@dataclass(frozen=True)
class Prepared:
    """What a frozen denoiser keeps of a condition, for all evaluations under it.

    Attributes:
        modulation: the condition's share of it, (B, M), of all chunks if its batch is 1.
    """

    modulation: Tensor


class _Evaluation(Protocol):
    def __call__(self, x_BHI: Tensor, modulation_BM: Tensor) -> Tensor: ...


class FrozenDenoiser:
    """A copy of a denoiser as it was, split into what depends on nothing, on the condition, and on the chunk.

    Without gradients, an evaluation on the CPU is the fast one; it writes to buffers of its own, so that two threads
    need two of these. A chunk that requires a gradient, while gradients are enabled, is sent through the plain layers
    instead: the output can then be differentiated with respect to the chunk, for vector-Jacobian products, and with
    respect to nothing else. With `Precision.FLOAT16` that path keeps the float32 weights. So does a device other than
    the CPU, where only the modulation is split.

    The copy and the fast form each hold the weights: with float32 twice the network's memory.

    Attributes:
        levels: number of noise levels, K.
    """

    def __init__(self, network: Denoiser, levels: int, precision: Precision) -> None:
        if levels < 1:
            raise SpecError(f"levels must be at least 1, got {levels}.")
        self.levels = levels
        self.network = deepcopy(network).eval().requires_grad_(False)
        device = next(network.parameters()).device
        self._level_parts = self.network.level_part(torch.arange(levels, dtype=torch.float32, device=device)).unbind(0)
        self._evaluate: _Evaluation = self.network.modulated
        if device.type == "cpu":
            self._evaluate = _make_evaluation(self.network, precision)

    def prepare(self, condition_BC: Tensor) -> Prepared:
        """Everything that depends on the condition alone; its batch is that of the chunks, or 1.

        Raises:
            SpecError: the condition has the wrong size.
        """
        self.network.check_condition(condition_BC, ())
        with torch.inference_mode(False), torch.no_grad():  # so that it can serve an evaluation with gradients
            return Prepared(self.network.condition_part(condition_BC))

    def __call__(self, x_BHI: Tensor, level: int, prepared: Prepared) -> Tensor:
        """What the network predicts of noisy chunks at one level, (B, H, O).

        Raises:
            SpecError: no such level, or a chunk or batch of the wrong size.
        """
        self.network.check_chunk(x_BHI)
        if not 0 <= level < self.levels:
            raise SpecError(f"level must be in 0 .. {self.levels - 1}, got {level}.")
        if len(prepared.modulation) not in (1, len(x_BHI)):
            raise SpecError(
                f"prepared for a batch of {len(prepared.modulation)}; expected 1 or {len(x_BHI)}, as of the chunks."
            )
        modulation = self._level_parts[level] + prepared.modulation
        if x_BHI.requires_grad and torch.is_grad_enabled():
            return self.network.modulated(x_BHI, modulation)
        with torch.no_grad():
            return self._evaluate(x_BHI, modulation)


def freeze(network: Denoiser, levels: int, precision: Precision = Precision.FLOAT32) -> FrozenDenoiser:
    """The fast form of a denoiser for levels 0 .. levels - 1; later changes of the network do not reach it.

    Args:
        network: a `ConditionalUNet`, a `DiT` or a `ResidualMLP`.
        levels: number of noise levels, K.
        precision: of large weights. FLOAT16 pays for networks whose weights exceed the caches.
    """
    return FrozenDenoiser(network, levels, precision)


def _make_evaluation(network: Denoiser, precision: Precision) -> _Evaluation:
    if isinstance(network, ConditionalUNet):
        return FrozenUNet(network, precision)
    if isinstance(network, DiT):
        return FrozenDiT(network, precision)
    if isinstance(network, ResidualMLP):
        return network.modulated  # a dozen products, of which none needs another layout
    raise SpecError(f"ConditionalUNet, DiT and ResidualMLP can be frozen, got {type(network).__name__}.")
