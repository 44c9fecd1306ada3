"""The rest of the base policy's plan, as an input of corrector and critics.

A base policy that executes a chunk does what it decided on some time ago: its next actions do not follow from what is
seen now alone, unless the plan is seen, too.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from robot_rl.specs import ArraySpec, EnvironmentSpec

REMAINING, PHASE = "base_remaining", "base_phase"
"""Names of their parts in the observation, behind all others."""


def extend(spec: EnvironmentSpec, steps: int) -> EnvironmentSpec:
    """The spec of an environment whose observations have the next `steps` planned actions in them."""
    parts = {
        REMAINING: ArraySpec(REMAINING, (steps * spec.action_size,), np.float32, -1.0, 1.0),
        PHASE: ArraySpec(PHASE, (1,), np.float32, 0.0),
    }
    observation = dataclasses.replace(spec.observation, proprio={**spec.observation.proprio, **parts})
    return dataclasses.replace(spec, observation=observation)


def pack(remaining_hA: NDArray[np.float32], phase: int, steps: int) -> dict[str, NDArray[np.float32]]:
    """The parts of an observation; beyond the end of the plan zeros.

    Args:
        remaining_hA: the rest of the plan, the action that is due first.
        phase: control steps since the plan's first action.
        steps: how many are seen.
    """
    seen = np.zeros((steps, remaining_hA.shape[1]), np.float32)
    seen[: len(remaining_hA)] = remaining_hA[:steps]
    return {REMAINING: seen.reshape(-1), PHASE: np.array([phase], np.float32)}
