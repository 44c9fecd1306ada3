"""Two configurations beside each other: the keys that differ, as on the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_SHOWN = 5


def describe_keys(one: Mapping[str, Any], other: Mapping[str, Any], form: str) -> str:
    """The keys in which two flat configurations differ, with both values; not more than a few.

    Args:
        one, other: of `flatten`.
        form: how the values are said, such as "the run has {}, the command {}".
    """
    names = [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]
    texts = [f"{name} ({form.format(_say(one, name), _say(other, name))})" for name in names[:_SHOWN]]
    rest = len(names) - _SHOWN
    return ", ".join(texts) + (f" and {rest} more" if rest > 0 else "")


def _say(settings: Mapping[str, Any], name: str) -> str:
    return json.dumps(settings[name])[:60] if name in settings else "nothing"


def flatten(plain: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys as those of the command line, `task.scene.clearance_m`."""
    out: dict[str, Any] = {}
    for name, value in plain.items():
        if isinstance(value, Mapping) and value:
            out |= flatten(value, f"{prefix}{name}.")
        else:
            out[f"{prefix}{name}"] = value
    return out
