"""What every conditional denoiser of action chunks has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from robot_rl.errors import SpecError


class Denoiser(nn.Module, ABC):
    """A network that is told the noise level and the observation by modulation of its features alone.

    The modulation M, the scales and biases of all layers in a row, is a sum of a part that depends on the level and a
    part that depends on the condition. Inference uses this: one part is computed once ever, the other once a decision
    (`robot_rl.policies.networks.frozen`).

    Suffixes of tensors: B batch, H horizon, C condition, I in, O out, M modulation.
    """

    inputs: int
    horizon: int
    condition_size: int

    @abstractmethod
    def level_part(self, level_B: Tensor) -> Tensor:
        """The level's share of the modulation, (B, M)."""

    @abstractmethod
    def condition_part(self, condition_BC: Tensor) -> Tensor:
        """The condition's share of the modulation, (B, M)."""

    @abstractmethod
    def modulated(self, x_BHI: Tensor, modulation_BM: Tensor) -> Tensor:
        """The output (B, H, O) under a modulation, which may have a batch of 1."""

    def forward(self, x_BHI: Tensor, level_B: Tensor, condition_BC: Tensor) -> Tensor:
        """What the network predicts of a noisy chunk, (B, H, O).

        Args:
            x_BHI: noisy actions, scaled.
            level_B: index of the noise level as a float, 0 for the cleanest.
            condition_BC: the encoded observation.

        Raises:
            SpecError: a tensor has the wrong shape.
        """
        batch = len(x_BHI)
        self.check_chunk(x_BHI)
        if level_B.shape != (batch,):
            raise SpecError(f"level has shape {tuple(level_B.shape)}; expected ({batch},), one for each chunk.")
        self.check_condition(condition_BC, (batch,))
        return self.modulated(x_BHI, self.level_part(level_B) + self.condition_part(condition_BC))

    def check_chunk(self, x_BHI: Tensor) -> None:
        """Refuse a noisy chunk of the wrong shape: a convolution would take any horizon."""
        if x_BHI.dim() != 3 or x_BHI.shape[1:] != (self.horizon, self.inputs):
            raise SpecError(f"x has shape {tuple(x_BHI.shape)}; expected (B, {self.horizon}, {self.inputs}).")

    def check_condition(self, condition_BC: Tensor, batches: tuple[int, ...]) -> None:
        """Refuse a condition of the wrong size, or whose batch is none of the given ones (if any are given)."""
        is_batch_valid = not batches or len(condition_BC) in batches
        if condition_BC.dim() != 2 or condition_BC.shape[1] != self.condition_size or not is_batch_valid:
            rows = " or ".join(map(str, batches)) or "B"
            raise SpecError(
                f"condition has shape {tuple(condition_BC.shape)}; expected ({rows}, {self.condition_size})."
            )
