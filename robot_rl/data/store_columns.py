"""Records of a run as columns, and back: what a segment of a store holds.

Row k of each column describes the same time step. `base_action` is zeros where `has_base_action` is False.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot_rl.errors import SpecError
from robot_rl.specs import ArraySpec, EnvironmentSpec
from robot_rl.types import Observation, Source, StepRecord, StepType, TimeStep

Columns = Mapping[str, NDArray[Any]]

IMAGES = "images/"
"""How the names of the columns of images begin."""

_PROPRIO = "proprio/"
_SCALARS = {
    "episode": np.int64,
    "step": np.int64,
    "step_type": np.int8,
    "reward": np.float64,
    "discount": np.float64,
    "source": np.int8,
    "policy_version": np.int64,
    "is_success": np.bool_,
    "stamp_ns": np.int64,
    "has_base_action": np.bool_,
}


def column_specs(spec: EnvironmentSpec) -> dict[str, ArraySpec]:
    """Name of each column -> spec of one row of it."""
    out = {name: ArraySpec(name, (), dtype) for name, dtype in _SCALARS.items()}
    out |= {"action": spec.action, "base_action": spec.action}
    out |= {_PROPRIO + name: array for name, array in spec.observation.proprio.items()}
    return out | {IMAGES + name: array for name, array in spec.observation.images.items()}


def row_bytes(spec: EnvironmentSpec) -> int:
    """Size of a row before compression [bytes]."""
    return sum(int(np.prod(one.shape)) * np.dtype(one.dtype).itemsize for one in column_specs(spec).values())


def check_record(record: StepRecord, spec: EnvironmentSpec) -> None:
    """Raise SpecError unless the record can be stored; values are not judged, only names, shapes and types."""
    observation = record.time_step.observation
    if not (0 <= record.episode < 2**63 and record.step >= 0):
        raise SpecError(
            f"episode and step must not be negative and fit into 63 bits, got {record.episode} and {record.step}."
        )
    _check_array(record.time_step.applied_action, spec.action, "applied_action")
    if observation.base_action is not None:
        _check_array(observation.base_action, spec.action, "base_action")
    for kind, specs, values in (
        ("proprio", spec.observation.proprio, observation.proprio),
        ("images", spec.observation.images, observation.images),
    ):
        if specs.keys() != values.keys():
            raise SpecError(f"observation.{kind} must have entries {list(specs)}, got {list(values)}.")
        for name, one in specs.items():
            _check_array(values[name], one, f"{kind}/{name}")


def check_values(record: StepRecord, spec: EnvironmentSpec) -> None:
    """Raise SpecError unless a record that can be stored can be learned from: finite, and within the spec's bounds."""
    step = record.time_step
    if not math.isfinite(step.reward):
        raise SpecError(f"reward must be finite, got {step.reward}.")
    _check_range(step.applied_action, "applied_action", spec.action.minimum, spec.action.maximum)
    if step.observation.base_action is not None:
        _check_range(step.observation.base_action, "base_action")
    for name, one in spec.observation.proprio.items():
        _check_range(step.observation.proprio[name], f"proprio/{name}", one.minimum, one.maximum)


def to_columns(records: Sequence[StepRecord], spec: EnvironmentSpec) -> Columns:
    """The records as arrays (rows, ...), by column."""
    steps = [record.time_step for record in records]
    observations = [step.observation for step in steps]
    no_action = np.zeros(spec.action_size, np.float32)
    scalars: dict[str, list[Any]] = {
        "episode": [record.episode for record in records],
        "step": [record.step for record in records],
        "step_type": [step.step_type for step in steps],
        "reward": [step.reward for step in steps],
        "discount": [step.discount for step in steps],
        "source": [step.source for step in steps],
        "policy_version": [record.policy_version for record in records],
        "is_success": [record.is_success for record in records],
        "stamp_ns": [observation.stamp_ns for observation in observations],
        "has_base_action": [observation.base_action is not None for observation in observations],
    }
    return {
        **{name: np.array(values, _SCALARS[name]) for name, values in scalars.items()},
        "action": np.stack([step.applied_action for step in steps]),
        "base_action": np.stack([no_action if o.base_action is None else o.base_action for o in observations]),
        **{_PROPRIO + name: np.stack([o.proprio[name] for o in observations]) for name in spec.observation.proprio},
        **{IMAGES + name: np.stack([o.images[name] for o in observations]) for name in spec.observation.images},
    }


def to_records(columns: Columns, spec: EnvironmentSpec) -> Iterator[StepRecord]:
    """The records that `to_columns` was given; each owns its arrays, so that it keeps no others alive."""
    for row in range(len(columns["episode"])):
        observation = Observation(
            {name: np.array(columns[_PROPRIO + name][row]) for name in spec.observation.proprio},
            {name: np.array(columns[IMAGES + name][row]) for name in spec.observation.images},
            int(columns["stamp_ns"][row]),
            np.array(columns["base_action"][row]) if columns["has_base_action"][row] else None,
        )
        time_step = TimeStep(
            StepType(int(columns["step_type"][row])),
            observation,
            float(columns["reward"][row]),
            float(columns["discount"][row]),
            np.array(columns["action"][row]),
            Source(int(columns["source"][row])),
        )
        yield StepRecord(
            time_step,
            int(columns["episode"][row]),
            int(columns["step"][row]),
            int(columns["policy_version"][row]),
            bool(columns["is_success"][row]),
        )


def _check_array(array: NDArray[Any], spec: ArraySpec, name: str) -> None:
    if array.shape != spec.shape or array.dtype != np.dtype(spec.dtype):
        raise SpecError(f"{name} must be {np.dtype(spec.dtype)} {spec.shape}, got {array.dtype} {array.shape}.")


def _check_range(array: NDArray[Any], name: str, minimum: float = -np.inf, maximum: float = np.inf) -> None:
    is_right = np.isfinite(array) & (array >= minimum) & (array <= maximum)
    if not is_right.all():
        bounds = "" if math.isinf(minimum) and math.isinf(maximum) else f" and from {minimum:g} to {maximum:g}"
        raise SpecError(f"{name} must be finite{bounds}, got {array[~is_right][0]:g}.")
