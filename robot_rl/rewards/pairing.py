"""Images of several cameras, each with a stamp of its own, as images of one moment."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from robot_rl.clock import SET_BACK_NS
from robot_rl.rewards.reward import Images

_KEPT = 8
"""Images of a camera that may wait for those of a slower one."""


class Pairing:
    """Pairs by the nearest stamps. Each image is used once, so that a camera that has frozen ends all pairs."""

    def __init__(self, cameras: Sequence[str], max_skew_ns: int) -> None:
        """Nothing was seen yet.

        Args:
            cameras: names of those that belong together.
            max_skew_ns: largest distance of the stamps of a pair; 0 pairs equal stamps only.
        """
        self._max_skew_ns = max_skew_ns
        self._waiting: dict[str, deque[tuple[int, NDArray[np.uint8]]]] = {name: deque(maxlen=_KEPT) for name in cameras}
        self._newest_ns = dict.fromkeys(cameras, -1)

    def add(self, camera: str, stamp_ns: int, image: NDArray[np.uint8]) -> tuple[int, Images] | None:
        """Take an image in; (stamp of the oldest, images by camera) when it completes a set, else None.

        An image that is not newer than the last of its camera is nothing new, unless the clock was set back.
        """
        if stamp_ns < self._newest_ns[camera] - SET_BACK_NS:
            self._waiting[camera].clear()
        elif stamp_ns <= self._newest_ns[camera]:
            return None
        self._newest_ns[camera] = stamp_ns
        self._waiting[camera].append((stamp_ns, image))
        chosen = {}
        for name, waiting in self._waiting.items():
            if not waiting:
                return None
            chosen[name] = min(waiting, key=lambda one: abs(one[0] - stamp_ns))
        stamps_ns = [stamp for stamp, _ in chosen.values()]
        if max(stamps_ns) - min(stamps_ns) > self._max_skew_ns:
            return None
        for name, waiting in self._waiting.items():
            while waiting and waiting[0][0] <= chosen[name][0]:
                waiting.popleft()
        return min(stamps_ns), {name: image for name, (_, image) in chosen.items()}
