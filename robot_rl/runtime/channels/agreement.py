"""What the parts of one run must agree upon: its learner, its actors, and the folder that it is resumed from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from robot_rl import config as configuration
from robot_rl.runtime.config import TrainConfig

_OWN = (
    "run_dir",
    "device",
    "threads",
    "demonstrations_from",
    "checkpoint_every_steps",
    "log_every_steps",
    "evaluate_every_steps",
    "evaluation_episodes",
    "final_episodes",
    "channel.address",
    "channel.keys",
    "channel.actor",
    "channel.patience_s",
    "robot.has_visual_meshes",
    "reward.device",
    "graph",
)
"""Keys, or groups of them, that each process may set for itself: they do not change what is learned."""
_SHOWN = 5


def to_agreement(config: TrainConfig) -> str:
    """What a learner and its actors must agree upon, as one text that is the same in every process."""
    settings = _flatten(configuration.to_plain(config))
    return json.dumps({name: value for name, value in settings.items() if not _is_own(name)}, sort_keys=True)


def describe_difference(ours: str, theirs: str) -> str:
    """Says which keys two texts of `to_agreement` differ in; nothing of the second is believed."""
    try:
        one, other = json.loads(ours), json.loads(theirs)
    except (ValueError, RecursionError):
        other = None
    if not isinstance(other, dict):
        return f"this actor's configuration must be that of a training run, got {theirs[:100]!r}"
    found = _describe(one, other, "the learner has {}, this actor {}")
    return f"the learner and this actor differ in {found}; start both with the same KEY=VALUE words"


def find_difference(stored: TrainConfig, given: TrainConfig) -> str:
    """Says which keys keep a run that was begun with one configuration from going on with another; "" where none.

    A run may become longer: `steps` may change.
    """
    one, other = ({**json.loads(to_agreement(config)), "steps": 0} for config in (stored, given))
    return _describe(one, other, "the run has {}, the command {}") if one != other else ""


def _is_own(name: str) -> bool:
    return any(name == own or name.startswith(f"{own}.") for own in _OWN)


def _describe(one: Mapping[str, Any], other: Mapping[str, Any], form: str) -> str:
    names = [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]
    texts = [f"{name} ({form.format(_say(one, name), _say(other, name))})" for name in names[:_SHOWN]]
    rest = len(names) - _SHOWN
    return ", ".join(texts) + (f" and {rest} more" if rest > 0 else "")


def _say(settings: Mapping[str, Any], name: str) -> str:
    return json.dumps(settings[name])[:60] if name in settings else "nothing"


def _flatten(plain: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys as those of the command line, `task.scene.clearance_m`."""
    out: dict[str, Any] = {}
    for name, value in plain.items():
        if isinstance(value, Mapping) and value:
            out |= _flatten(value, f"{prefix}{name}.")
        else:
            out[f"{prefix}{name}"] = value
    return out
