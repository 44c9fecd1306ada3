"""What the parts of one run must agree upon: its learner, its actors, and the folder that it is resumed from."""

from __future__ import annotations

import json

from robot_rl import config as configuration
from robot_rl.runtime.config import TrainConfig
from robot_rl.runtime.key_difference import describe_keys, flatten

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


def to_agreement(config: TrainConfig) -> str:
    """What a learner and its actors must agree upon, as one text that is the same in every process."""
    settings = flatten(configuration.to_plain(config))
    return json.dumps({name: value for name, value in settings.items() if not _is_own(name)}, sort_keys=True)


def describe_difference(ours: str, theirs: str) -> str:
    """Says which keys two texts of `to_agreement` differ in; nothing of the second is believed."""
    try:
        one, other = json.loads(ours), json.loads(theirs)
    except (ValueError, RecursionError):
        other = None
    if not isinstance(other, dict):
        return f"this actor's configuration must be that of a training run, got {theirs[:100]!r}"
    found = describe_keys(one, other, "the learner has {}, this actor {}")
    return f"the learner and this actor differ in {found}; start both with the same KEY=VALUE words"


def find_difference(stored: TrainConfig, given: TrainConfig) -> str:
    """Says which keys keep a run that was begun with one configuration from going on with another; "" where none.

    A run may become longer: `steps` may change.
    """
    one, other = ({**json.loads(to_agreement(config)), "steps": 0} for config in (stored, given))
    return describe_keys(one, other, "the run has {}, the command {}") if one != other else ""


def _is_own(name: str) -> bool:
    return any(name == own or name.startswith(f"{own}.") for own in _OWN)
