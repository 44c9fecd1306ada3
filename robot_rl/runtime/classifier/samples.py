"""Labelled images of recorded episodes, as tokens of the frozen backbone: each is seen by it once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robot_rl.agents.encoders.augmentation import random_crop
from robot_rl.agents.encoders.backbone import Backbone
from robot_rl.data.episode import Episode
from robot_rl.data.fingerprints import Fingerprints
from robot_rl.errors import ConfigError
from robot_rl.rewards.classifier import ClassifierSpec
from robot_rl.runtime.classifier.labels import Part

_AT_ONCE = 128
"""Images that pass through the backbone together."""
_THUMBNAIL_PX = 96


@dataclass(frozen=True, eq=False)
class Samples:
    """N labelled time steps of one part of the data.

    Attributes:
        tokens: float16 (N, copies, cameras, places, channels); copy 0 is of the images as they are.
        marks: 1 where an output is to say yes, float32 (N, outputs).
        episodes: number of the episode that each is from, over all recordings, (N,).
        is_hard: whether it was mined, (N,).
        titles: where each is from, in words.
        thumbnails: the cameras side by side, uint8 (N, h, w, 3); of the test part, of others None.
    """

    tokens: Tensor
    marks: Tensor
    episodes: NDArray[np.int64]
    is_hard: NDArray[np.bool_]
    titles: list[str]
    thumbnails: NDArray[np.uint8] | None

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.titles)


@dataclass
class _Pile:
    tokens: list[Tensor] = field(default_factory=list)
    marks: list[Tensor] = field(default_factory=list)
    episodes: list[int] = field(default_factory=list)
    is_hard: list[bool] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    thumbnails: list[NDArray[np.uint8]] = field(default_factory=list)


class Gatherer:
    """Takes episodes one by one and keeps their tokens, so that no recording has to fit into memory as images."""

    def __init__(self, spec: ClassifierSpec, backbone: Backbone, copies: int, crop_pad_px: int, seed: int) -> None:
        """Nothing is gathered yet.

        Args:
            spec: which images are looked at.
            backbone: sees them.
            copies: of images of the training part; there is one of all others.
            crop_pad_px: largest shift of a copy.
            seed: of the shifts.
        """
        self._spec, self._backbone, self._copies, self._crop_pad_px = spec, backbone, copies, crop_pad_px
        self._generator = torch.Generator().manual_seed(seed)
        self._piles = {part: _Pile() for part in Part}
        self._fingerprints = Fingerprints()

    def is_new(self, episode: Episode) -> bool:
        """Whether the episode was not asked about before: one that is in two recordings must not be in two parts.

        Its stamps do not matter: a simulated episode that is recorded again at another time is the same to the eye.
        """
        return self._fingerprints.is_new((episode.actions, *(episode.images[name] for name in self._spec.cameras)))

    def add(
        self,
        part: Part,
        episode: Episode,
        number: int,
        rows: NDArray[np.int64],
        marks: NDArray[np.float32],
        title: str,
        *,
        is_hard: bool = False,
    ) -> None:
        """Keep some time steps of an episode.

        Args:
            part: of the data.
            episode: the whole, or a piece of it.
            number: of the episode, over all recordings.
            rows: which time steps, shape (n,).
            marks: of these, float32 (n, outputs).
            title: of the episode.
            is_hard: whether they were mined.
        """
        pile = self._piles[part]
        images = {name: episode.images[name][rows] for name in self._spec.cameras}
        self._spec.check(images, (len(rows),))
        for first in range(0, len(rows), _AT_ONCE):
            some = np.stack([images[name][first : first + _AT_ONCE] for name in self._spec.cameras], axis=1)
            pile.tokens.append(self._encode(torch.from_numpy(some), self._copies if part is Part.TRAINING else 1))
        pile.marks.append(torch.from_numpy(marks))
        pile.episodes += [number] * len(rows)
        pile.is_hard += [is_hard] * len(rows)
        pile.titles += [f"{title} step {row}" for row in rows]
        if part is Part.TEST and len(rows):
            stride = -(-self._spec.image_size_px // _THUMBNAIL_PX)
            pile.thumbnails.append(np.concatenate([image[:, ::stride, ::stride] for image in images.values()], axis=2))

    def _encode(self, images: Tensor, copies: int) -> Tensor:
        """Tokens (n, copies, cameras, places, channels) of images (n, cameras, H, W, 3)."""
        device = self._backbone.mean.device
        out = []
        with torch.no_grad():
            for copy in range(copies):
                seen = random_crop(images, self._generator, self._crop_pad_px) if copy else images
                tokens = self._backbone(seen.flatten(0, 1).to(device)).half().cpu()
                out.append(tokens.unflatten(0, (len(images), -1)))
        return torch.stack(out, dim=1)

    def finish(self) -> Mapping[Part, Samples]:
        """What was gathered.

        Raises:
            ConfigError: a part has no image of a kind.
        """
        for number, name in enumerate(self._spec.outputs):
            for part, pile in self._piles.items():
                column = torch.cat(pile.marks)[:, number] if pile.marks else torch.zeros(0)
                if not column.any() or column.all():
                    missing = "no image that shows" if not column.any() else "no image that does not show"
                    raise ConfigError(
                        f"the {part.value} part of the data has {missing} {name!r}. Give more episodes: each part "
                        "needs images of both kinds, and an episode has all its images in one part."
                    )
        return {part: _close(pile) for part, pile in self._piles.items()}


def _close(pile: _Pile) -> Samples:
    return Samples(
        torch.cat(pile.tokens),
        torch.cat(pile.marks),
        np.array(pile.episodes, np.int64),
        np.array(pile.is_hard, np.bool_),
        pile.titles,
        np.concatenate(pile.thumbnails) if pile.thumbnails else None,
    )
