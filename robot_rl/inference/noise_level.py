"""How much noise a warm start needs, estimated from a policy's own samples.

The noise must be large beside the spread within a mode and beside what the plan has to move from one decision to the
next, or an old plan is kept though the observation speaks against it. In closed loop that is not enough: where a robot
has come to rest, the old plan says that it rests, and little noise lets it (docs/results.md). So it never falls below
`LEAST_SIGMA`. There is no upper limit for the sake of modes: what would hop from one to another is fresh noise, and the
noise is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robot_rl.errors import ConfigError

SPREADS = 2.0
LEAST_SIGMA = 0.5
SEPARATION = 3.0
"""Two groups of samples are two modes where their centres are so many spreads apart."""
_ROUNDS = 10


@dataclass(frozen=True)
class NoiseLevel:
    """What was found, in units of normalised actions.

    Attributes:
        spread: s, standard deviation within a mode.
        motion: root mean square of the difference between a plan moved on and one made anew.
        mode_distance: median distance between the centres of two modes, where there were two; infinite without any.
        share_of_two: of the decisions, those with two modes.
    """

    spread: float
    motion: float
    mode_distance: float
    share_of_two: float

    @property
    def sigma(self) -> float:
        """max(2 s, motion, 0.5)."""
        return max(SPREADS * self.spread, self.motion, LEAST_SIGMA)


def estimate_noise_level(samples_WNHA: Tensor, moved_WHA: Tensor, anew_WHA: Tensor) -> NoiseLevel:
    """Estimate from W decisions.

    Args:
        samples_WNHA: N chunks of each decision from independent noise.
        moved_WHA: the plan of the decision before, moved on.
        anew_WHA: the plan that the same noise, moved on with it, leads to when it is made from noise alone.

    Raises:
        ConfigError: fewer than four samples a decision, or none.
    """
    decisions, count = samples_WNHA.shape[:2]
    if decisions == 0 or count < 4:
        raise ConfigError(f"a noise level needs decisions of at least 4 samples, got {decisions} of {count}.")
    variances, distances = [], []
    for samples in samples_WNHA.flatten(2):
        variance, distance = _measure_modes(samples)
        variances.append(variance)
        if distance is not None:
            distances.append(distance)
    return NoiseLevel(
        spread=float(torch.tensor(variances).median().sqrt()),
        motion=float((moved_WHA - anew_WHA).square().mean((1, 2)).median().sqrt()),
        mode_distance=float(torch.tensor(distances).median()) if distances else float("inf"),
        share_of_two=len(distances) / decisions,
    )


def _measure_modes(samples_ND: Tensor) -> tuple[float, float | None]:
    """(variance of one action within a mode, distance of the centres of two modes along the line between them).

    The distance is that which one value has to travel at most: modes that differ in one action are no nearer because
    the others agree.
    """
    labels = _split_in_two(samples_ND)
    groups = [samples_ND[labels == label] for label in (0, 1)]
    whole = float(samples_ND.var(0).mean())
    if min(len(group) for group in groups) < 2:
        return whole, None
    within = torch.cat([group - group.mean(0) for group in groups])
    variance = float(within.square().sum() / ((len(within) - 2) * within.shape[1]))
    gap = groups[0].mean(0) - groups[1].mean(0)
    along = float((within @ (gap / gap.norm().clamp(min=1e-12))).std())
    if float(gap.norm()) < SEPARATION * max(2.0 * along, 1e-6):
        return whole, None
    return variance, float(gap.abs().max())


def _split_in_two(samples_ND: Tensor) -> Tensor:
    """Two-means, begun with the sample that is farthest from the mean and the one that is farthest from that."""
    first = samples_ND[(samples_ND - samples_ND.mean(0)).square().sum(-1).argmax()]
    second = samples_ND[(samples_ND - first).square().sum(-1).argmax()]
    centres = torch.stack([first, second])
    labels = torch.zeros(len(samples_ND), dtype=torch.long)
    for _ in range(_ROUNDS):
        labels = torch.cdist(samples_ND, centres).argmin(1)
        if labels.min() == labels.max():
            break
        centres = torch.stack([samples_ND[labels == label].mean(0) for label in (0, 1)])
    return labels
