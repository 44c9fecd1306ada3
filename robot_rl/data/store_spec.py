"""An environment's spec as JSON, from which it is restored exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from robot_rl.specs import ArraySpec, EnvironmentSpec, ObservationSpec


def to_json(spec: EnvironmentSpec) -> dict[str, Any]:
    """The spec as JSON; equal specs give equal JSON."""
    observation = spec.observation
    return {
        "proprio": [_array_to_json(name, array) for name, array in observation.proprio.items()],
        "images": [_array_to_json(name, array) for name, array in observation.images.items()],
        "action_size": spec.action_size,
        "step_limit": spec.step_limit,
        "rate_hz": float(spec.rate_hz),
    }


def from_json(values: Mapping[str, Any]) -> EnvironmentSpec:
    """The spec that `to_json` was given.

    Raises:
        KeyError, TypeError, ValueError: `values` is something else.
    """
    observation = ObservationSpec(
        proprio=dict(_array_from_json(entry) for entry in values["proprio"]),
        images=dict(_array_from_json(entry) for entry in values["images"]),
    )
    return EnvironmentSpec(observation, values["action_size"], values["step_limit"], values["rate_hz"])


def differences(a: Any, b: Any, where: str = "spec") -> Iterator[str]:
    """Sentences that say where two specs, as JSON, differ."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        for key in a:
            yield from differences(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for k, (one, other) in enumerate(zip(a, b, strict=True)):
            yield from differences(one, other, f"{where}[{k}]")
    elif a != b:
        yield f"{where} is {a} and not {b}"


def _array_to_json(name: str, spec: ArraySpec) -> dict[str, Any]:
    return {
        "key": name,
        "name": spec.name,
        "shape": list(spec.shape),
        "dtype": np.dtype(spec.dtype).str,
        "minimum": _bound_to_json(spec.minimum),
        "maximum": _bound_to_json(spec.maximum),
    }


def _array_from_json(values: Mapping[str, Any]) -> tuple[str, ArraySpec]:
    minimum, maximum = float(values["minimum"]), float(values["maximum"])
    dtype = np.dtype(values["dtype"])
    return values["key"], ArraySpec(values["name"], tuple(values["shape"]), dtype, minimum, maximum)


def _bound_to_json(bound: float) -> float | str:
    return float(bound) if math.isfinite(bound) else str(float(bound))  # JSON has no infinity
