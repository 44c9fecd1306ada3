"""Gradient descent on the tokens of labelled images, until held-out episodes say that it is enough."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from robot_rl.errors import DivergenceError
from robot_rl.rewards.classifier import ClassifierNetwork
from robot_rl.runtime.classifier.config import FitConfig
from robot_rl.runtime.classifier.samples import Samples

_AT_ONCE = 512


@dataclass(frozen=True)
class Fitted:
    """How the training went.

    Attributes:
        updates: after which the loss was least; those are the weights that were kept.
        loss: on the validation part then.
        losses: on the validation part, at each look.
    """

    updates: int
    loss: float
    losses: list[float]


class BalancedDraw:
    """Draws batches of which one half has a mark: every output equally often, however rare it is."""

    def __init__(self, samples: Samples, config: FitConfig, seed: int) -> None:
        """Sort the samples' rows by their marks."""
        marks = samples.marks.numpy() > 0.0
        is_plain = ~marks.any(axis=1)
        self._marked = [np.flatnonzero(column) for column in marks.T]
        self._plain = np.flatnonzero(is_plain & ~samples.is_hard)
        self._hard = np.flatnonzero(samples.is_hard & is_plain)
        self._config = config
        self._copies = samples.tokens.shape[1]
        self._generator = np.random.default_rng(seed)

    def draw(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(row, copy) of each sample of a batch, (B,) each; the marked ones first."""
        half = self._config.batch_size // 2
        hard = round(half * self._config.hard_share) if len(self._hard) else 0
        output = self._generator.integers(len(self._marked), size=half)
        rows = [self._generator.choice(self._marked[k], int((output == k).sum())) for k in range(len(self._marked))]
        # a recording may have nothing plain, if each image shows some stage: then the marks are all there is
        plain = self._plain if len(self._plain) else np.concatenate(self._marked)
        rows.append(self._generator.choice(plain, half - hard))
        if hard:
            rows.append(self._generator.choice(self._hard, hard))
        chosen = np.concatenate(rows).astype(np.int64)
        return chosen, self._generator.integers(self._copies, size=len(chosen))


def fit(
    network: ClassifierNetwork,
    cameras: Sequence[str],
    training: Samples,
    validation: Samples,
    config: FitConfig,
    seed: int,
    on_look: Callable[[int, float], bool] = lambda _, __: True,
) -> Fitted:
    """Train a network and leave the weights of the least validation loss in it.

    Args:
        network: to train, on its device.
        cameras: names, in the order of the samples' tokens.
        training: what is learned from.
        validation: what says when to end; other episodes.
        config: how.
        seed: of the batches.
        on_look: called with updates and validation loss; False ends the training.

    Raises:
        DivergenceError: the loss is no finite number any more.
    """
    device = next(network.parameters()).device
    optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    batches = BalancedDraw(training, config, seed)
    best = Fitted(0, float("inf"), [])
    weights = copy.deepcopy(network.state_dict())
    losses: list[float] = []
    for update in range(1, config.max_updates + 1):
        network.train()
        rows, copies = (torch.from_numpy(index) for index in batches.draw())
        logits = network(_by_camera(training.tokens[rows, copies], cameras, device))
        loss = F.binary_cross_entropy_with_logits(logits, training.marks[rows].to(device))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if update % config.evaluate_every and update < config.max_updates:
            continue
        losses.append(balanced_loss(compute_logits(network, cameras, validation), validation.marks))
        if not np.isfinite(losses[-1]):
            raise DivergenceError(f"after {update} updates the classifier's validation loss is {losses[-1]}.")
        if losses[-1] < best.loss:
            best, weights = Fitted(update, losses[-1], losses), copy.deepcopy(network.state_dict())
        is_wanted = on_look(update, losses[-1])
        if not is_wanted or len(losses) - 1 - int(np.argmin(losses)) >= config.patience:
            break
    network.load_state_dict(weights)
    network.eval()
    return best


def compute_logits(network: ClassifierNetwork, cameras: Sequence[str], samples: Samples) -> Tensor:
    """Logits (N, outputs) of samples as they are, without dropout and without shifts."""
    network.eval()
    device = next(network.parameters()).device
    with torch.no_grad():
        parts = samples.tokens[:, 0].split(_AT_ONCE)
        return torch.cat([network(_by_camera(part, cameras, device)).cpu() for part in parts])


def balanced_loss(logits: Tensor, marks: Tensor) -> float:
    """Cross-entropy in which the two kinds of samples of each output weigh the same."""
    each = F.binary_cross_entropy_with_logits(logits, marks, reduction="none")
    sums = [((each * kind).sum(0) / kind.sum(0).clamp(min=1.0)).mean() for kind in (marks, 1.0 - marks)]
    return float(0.5 * (sums[0] + sums[1]))


def _by_camera(tokens: Tensor, cameras: Sequence[str], device: torch.device) -> dict[str, Tensor]:
    """Camera -> tokens (B, N, C) of tokens (B, cameras, N, C)."""
    return {name: tokens[:, k].to(device) for k, name in enumerate(cameras)}
