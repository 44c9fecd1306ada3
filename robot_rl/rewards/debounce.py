"""A success must be seen more than once."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from robot_rl.clock import SET_BACK_NS
from robot_rl.errors import ConfigError


@dataclass(frozen=True)
class DebounceConfig:
    """When what was seen is believed.

    Attributes:
        required: of the newest images, how many must say so.
        window: how many the newest images are.
        max_gap_s: images further apart than this do not support each other.
    """

    required: int = 2
    window: int = 3
    max_gap_s: float = 0.5

    def __post_init__(self) -> None:
        if not 1 <= self.required <= self.window:
            raise ConfigError(f"required must lie in [1, window = {self.window}], got {self.required}.")
        if not 0.0 < self.max_gap_s < math.inf:
            raise ConfigError(f"max_gap_s must be positive and finite, got {self.max_gap_s} s.")


class Debounce:
    """Says yes when `required` of the newest `window` stamped verdicts are yes, the newest of them among these."""

    def __init__(self, config: DebounceConfig) -> None:
        """Start with nothing seen."""
        self._config = config
        self._verdicts: deque[bool] = deque(maxlen=config.window)
        self._newest_ns: int | None = None

    def reset(self) -> None:
        """A new episode."""
        self._verdicts.clear()
        self._newest_ns = None

    def update(self, is_beyond: bool, stamp_ns: int) -> bool:
        """Whether it is believed now.

        Images that are not newer than the newest are no evidence: a camera that froze must not confirm itself. After
        a gap the count begins anew, and so it does when the clock was set back.
        """
        if self._newest_ns is not None:
            if 0 <= self._newest_ns - stamp_ns <= SET_BACK_NS:
                return False
            if stamp_ns < self._newest_ns or stamp_ns - self._newest_ns > round(self._config.max_gap_s * 1e9):
                self._verdicts.clear()
        self._newest_ns = stamp_ns
        self._verdicts.append(is_beyond)
        return is_beyond and sum(self._verdicts) >= self._config.required
