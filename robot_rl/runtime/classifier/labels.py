"""What recorded episodes say about their images, and which part of the data an episode belongs to."""

from __future__ import annotations

import enum
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robot_rl.data.episode import Episode
from robot_rl.errors import ConfigError
from robot_rl.runtime.classifier.config import ClaimConfig, LabelConfig


class Part(enum.Enum):
    """What an episode is used for, all its images alike: images of one episode resemble each other."""

    TRAINING = "training"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, eq=False)
class Labels:
    """Of the T + 1 time steps of an episode.

    Attributes:
        marks: 1 where an output is to say yes, float32 (T + 1, outputs).
        is_used: whether a time step is used, (T + 1,).
    """

    marks: NDArray[np.float32]
    is_used: NDArray[np.bool_]


def label(episode: Episode, config: LabelConfig, paid_before: int = 0) -> Labels:
    """Which time steps of an episode show which stage.

    Args:
        episode: the whole, or what follows a pause in it.
        config: which stages there are.
        paid_before: rewards before the pause: of several stages so many have been achieved.

    Raises:
        ConfigError: the episode's rewards do not fit the stages.
    """
    length = len(episode) + 1
    marks = np.zeros((length, len(config.stages) + config.has_lost), np.float32)
    is_used = np.ones(length, np.bool_)
    at = dict(enumerate(_find_stages(episode, config, paid_before)))
    if config.has_lost and episode.is_terminal and not episode.is_success:
        at[len(config.stages)] = length - 1
    for output, step in at.items():
        first = max(0, step - config.success_steps + 1)
        marks[first:, output] = 1.0
        is_used[max(0, first - (config.ambiguous_steps or 0)) : first] = False
    plain = np.flatnonzero(~marks.any(axis=1))
    is_thinned = np.ones(len(plain), np.bool_)
    is_thinned[:: config.negative_stride] = False
    is_used[plain[is_thinned]] = False
    return Labels(marks, is_used)


def _find_stages(episode: Episode, config: LabelConfig, paid_before: int) -> list[int]:
    """The time steps at which the stages were achieved, as many as were."""
    if len(config.stages) == 1:
        return [len(episode)] if episode.is_success else []
    paid = [0] * paid_before + (list_payments(episode.rewards) + 1).tolist()
    if len(paid) > len(config.stages) or (episode.is_success and len(paid) < len(config.stages)):
        raise ConfigError(
            f"stages={list(config.stages)} need one reward each in an episode that succeeds, and at most that in any "
            f"other; one that {'succeeded' if episode.is_success else 'failed'} was paid {len(paid)} times."
        )
    return [int(step) for step in paid]


def list_payments(rewards: NDArray[np.float32]) -> NDArray[np.int64]:
    """Where each stage was paid: two that were achieved in one control step were paid by one reward of 2."""
    paid = np.flatnonzero(rewards > 0.0)
    return np.repeat(paid, np.maximum(np.rint(rewards[paid]).astype(np.int64), 1))


class Splitter:
    """Deals episodes to the parts of the data, so that each part has its share of each kind of episode.

    The next episode of a kind goes to the part that is furthest behind its share; only ties are drawn. An episode's
    part depends on those before it only, so that a recording which grows keeps its parts.
    """

    def __init__(self, config: ClaimConfig, seed: int) -> None:
        """Deal nothing yet."""
        rest = 1.0 - config.validation_share - config.test_share
        self._shares = {Part.TRAINING: rest, Part.VALIDATION: config.validation_share, Part.TEST: config.test_share}
        self._dealt: dict[Hashable, dict[Part, int]] = {}
        self._generator = np.random.default_rng(seed)

    def deal(self, kind: Hashable) -> Part:
        """The part of the next episode of a kind."""
        dealt = self._dealt.setdefault(kind, dict.fromkeys(Part, 0))
        count = sum(dealt.values()) + 1
        lag = {part: round(share * count - dealt[part], 9) for part, share in self._shares.items()}
        furthest = [part for part in Part if lag[part] == max(lag.values())]
        part = furthest[self._generator.integers(len(furthest))]
        dealt[part] += 1
        return part

    def counts(self) -> Mapping[Part, int]:
        """Episodes of each part."""
        return {part: sum(dealt[part] for dealt in self._dealt.values()) for part in Part}
