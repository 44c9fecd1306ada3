"""What samplers ask of a network."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor

from robot_rl.inference.schedule import Schedule


class Denoiser(Protocol):
    """Estimates clean chunks; a pure function.

    Attributes:
        schedule: the noise that it knows.
        is_prefix_trained: whether it was trained to continue a given beginning of the chunk, so that it sees the
            committed actions clean beside the noise (Black et al. 2025, arXiv 2512.05964).
    """

    schedule: Schedule
    is_prefix_trained: bool

    def prepare(self, condition: Tensor) -> Any:
        """Everything that depends on the observation alone, shape (B, C) or (1, C), once for a decision."""
        ...

    def __call__(self, x_BHA: Tensor, level: int, prepared: Any, committed: int) -> Tensor:
        """Estimates of the clean chunk, shape (B, H, A), neither clipped nor with the committed actions put in.

        Args:
            x_BHA: noisy chunks at `level`; where the denoiser is prefix-trained, clean at the committed positions.
            level: of the schedule.
            prepared: from `prepare`.
            committed: number of positions at the beginning that are given.
        """
        ...
