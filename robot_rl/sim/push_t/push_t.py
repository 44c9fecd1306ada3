"""Push-T as an environment: many scenes that are stepped together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robot_rl.errors import ActionError, ConfigError, EpisodeError, SpecError
from robot_rl.geometry import Array
from robot_rl.sim.push_t.coverage import coverages
from robot_rl.sim.push_t.dynamics import BLOCK, BLOCK_VELOCITY, DISC, STATE_SIZE, step_scenes
from robot_rl.sim.push_t.shapes import FIELD_PX, SUCCESS_COVERAGE
from robot_rl.specs import ArraySpec, EnvironmentSpec, ObservationSpec
from robot_rl.types import Observation

_HALF_PX = 0.5 * FIELD_PX
_DISC_RANGE_PX = (50.0, 450.0)
_BLOCK_RANGE_PX = (100.0, 400.0)
_PARTS = {"agent": 2, "block": 2, "heading": 2}


def to_target(actions: ArrayLike) -> Array:
    """Target positions of the disc [px] of normalised actions in [-1, 1], of any shape."""
    return _HALF_PX + _HALF_PX * np.asarray(actions, np.float64)


def to_action(targets_px: ArrayLike) -> NDArray[np.float32]:
    """Normalised actions of target positions [px], of any shape; targets outside the field are moved to its edge."""
    return np.clip(np.asarray(targets_px, np.float64) / _HALF_PX - 1.0, -1.0, 1.0).astype(np.float32)


def to_proprio(rows: ArrayLike) -> NDArray[np.float32]:
    """What a policy is told of rows of `PushT.observe`: (..., 5) to (..., 6).

    In the order of the spec: the disc's and the block's position with the field as [-1, 1]^2, then cosine and sine of
    the block's angle, which do not wrap around.
    """
    values = np.asarray(rows, np.float64)
    angle = values[..., 4:5]
    return np.concatenate(
        [values[..., :4] / _HALF_PX - 1.0, np.cos(angle), np.sin(angle)], axis=-1, dtype=np.float32, casting="same_kind"
    )


def to_observation(row: ArrayLike, stamp_ns: int = 0) -> Observation:
    """Observation of one row (5,) of `PushT.observe`."""
    proprio = to_proprio(row)
    ends = np.cumsum(list(_PARTS.values()))
    return Observation({name: proprio[end - 2 : end] for name, end in zip(_PARTS, ends, strict=True)}, {}, stamp_ns)


class PushT:
    """A batch of independent scenes; equal seeds and actions give equal scenes, whatever the others do.

    Args:
        scenes: how many.
    """

    spec: ClassVar[EnvironmentSpec] = EnvironmentSpec(
        observation=ObservationSpec(
            # positions have no bounds: the disc may swing a little beyond the edge of the field
            proprio={name: ArraySpec(name, (size,), np.float32) for name, size in _PARTS.items()},
            images={},
        ),
        action_size=2,
        step_limit=300,
        rate_hz=10.0,
    )

    def __init__(self, scenes: int = 1) -> None:
        if scenes < 1:
            raise ConfigError(f"scenes must be at least 1, got {scenes}.")
        self.scenes = scenes
        self._states = np.full((scenes, STATE_SIZE), np.nan)

    def reset(self, seeds: Sequence[int]) -> NDArray[np.float32]:
        """Begin an episode in each scene, drawn from its seed; returns `observe()`.

        The disc's centre is uniform in [50, 450]^2, the block's origin in [100, 400]^2, its angle in [-pi, pi). They
        may overlap, as published; contact then drives them apart.
        """
        if len(seeds) != self.scenes:
            raise ConfigError(f"seeds must be one for each of {self.scenes} scenes, got {len(seeds)}.")
        self._states[:] = 0.0
        for state, seed in zip(self._states, seeds, strict=True):
            generator = np.random.default_rng(seed)
            state[DISC : DISC + 2] = generator.uniform(*_DISC_RANGE_PX, 2)
            state[BLOCK : BLOCK + 2] = generator.uniform(*_BLOCK_RANGE_PX, 2)
            state[BLOCK + 2] = generator.uniform(-np.pi, np.pi)
        return self.observe()

    def step(self, actions: ArrayLike) -> tuple[NDArray[np.float32], Array, Array]:
        """Drive the discs for 0.1 s towards normalised targets (N, 2); targets outside [-1, 1] are moved to its edge.

        Returns:
            `observe()`; the rewards min(coverage / 0.95, 1), shape (N,); the coverages (N,). A scene is solved when
            its coverage is above 0.95.
        """
        targets = np.asarray(actions, np.float64)
        if targets.shape != (self.scenes, 2):
            raise ActionError(f"actions must have shape {(self.scenes, 2)}, got {targets.shape}.")
        if not np.isfinite(targets).all():
            raise ActionError(f"actions must be finite, got {targets}.")
        if not np.isfinite(self._states).all():
            raise EpisodeError("step() was called before reset().")
        step_scenes(self._states, to_target(np.clip(targets, -1.0, 1.0)))
        covered = self.coverages()
        return self.observe(), np.minimum(covered / SUCCESS_COVERAGE, 1.0), covered

    def observe(self) -> NDArray[np.float32]:
        """Disc x, y, block x, y [px], and the block's angle in [0, 2 pi): shape (N, 5)."""
        angle = self._states[:, BLOCK + 2 : BLOCK + 3] % (2.0 * np.pi)
        return np.concatenate(
            [self._states[:, DISC : DISC + 2], self._states[:, BLOCK : BLOCK + 2], angle], axis=1
        ).astype(np.float32)

    def coverages(self) -> Array:
        """Part of the goal's area that each block covers, shape (N,)."""
        return coverages(self._states[:, BLOCK : BLOCK + 3])

    def displace(self, scenes: ArrayLike, shifts: ArrayLike) -> None:
        """Move the blocks of some scenes as if somebody had: indices (K,) and shifts (x [px], y [px], angle) (K, 3).

        The block turns about the origin of its axes. Where it then overlaps a wall or the disc, contact drives it out.
        """
        moved, by = np.asarray(scenes, np.int64), np.asarray(shifts, np.float64)
        if by.shape != (moved.size, 3) or not np.isfinite(by).all():
            raise SpecError(f"shifts must be finite, of shape {(moved.size, 3)}, got {by}.")
        self._states[moved, BLOCK : BLOCK + 3] += by
        self._states[moved, BLOCK_VELOCITY : BLOCK_VELOCITY + 3] = 0.0

    def save(self) -> Array:
        """The whole state of all scenes, shape (N, 10), columns as in `dynamics`."""
        return self._states.copy()

    def restore(self, states: ArrayLike) -> None:
        """Go on from states that `save` returned: all that follows is as it was then."""
        values = np.asarray(states, np.float64)
        if values.shape != self._states.shape:
            raise SpecError(f"states must have shape {self._states.shape}, got {values.shape}.")
        self._states[:] = values
