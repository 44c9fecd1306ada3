"""What an action means: along which axes it moves, from where, and how far a full deflection goes.

The arrays of two recordings may have the same shapes and say different motions; so what is learned from together, gone
on with, or corrected is compared by this, where it is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from robot_rl.env.task import EpisodeConfig
from robot_rl.errors import ConfigError
from robot_rl.runtime.run_folder import find_said

KEYS = ("action_frame", "action_reference", "translation_scale_m", "rotation_scale_rad")
"""Of `task.episode`."""
Meaning = Mapping[str, Any]


def of_config(episode: EpisodeConfig) -> Meaning:
    """What the actions of an environment mean."""
    return {key: getattr(episode, key) for key in KEYS}


def of_attributes(attributes: Mapping[str, Any]) -> Meaning:
    """What the actions of a store mean; empty where its writer did not say."""
    episode = find_said(attributes).get("task", {}).get("episode", {})
    return {key: episode[key] for key in KEYS if key in episode}


def check_same(one: str, of_one: Meaning, other: str, of_other: Meaning) -> None:
    """Raise ConfigError where the same action is known to be another motion.

    Args:
        one, other: what they are called.
        of_one, of_other: what is known of their actions.
    """
    differing = [key for key in of_one.keys() & of_other.keys() if of_one[key] != of_other[key]]
    if differing:
        said = " and ".join(f"task.episode.{key}={of_one[key]}" for key in sorted(differing))
        others = " and ".join(f"{of_other[key]}" for key in sorted(differing))
        raise ConfigError(f"an action of {one} means another motion than one of {other}: {said}, and here {others}.")
