"""The file of a base policy: everything that acting needs, so that nothing has to be guessed."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from robot_rl import config as configuration
from robot_rl.data.durable import write_durably
from robot_rl.errors import CheckpointError, RobotRLError
from robot_rl.inference.noise_level import NoiseLevel
from robot_rl.inference.schedule import ScheduleSpec
from robot_rl.policies.chunk_network import ChunkNetwork
from robot_rl.policies.spec import BasePolicySpec
from robot_rl.runtime.action_meaning import Meaning
from robot_rl.runtime.learning import checkpoint
from robot_rl.runtime.pretraining.config import BasePolicyConfig
from robot_rl.runtime.pretraining.networks import make_chunk_network

FILE_NAME = "policy.pt"
_WAY_ON = "Copy it anew, or have it written again by the same `robot-rl pretrain` words."
_FIELDS = ("config", "spec", "schedule", "weights", "noise_level", "about")


@dataclass(frozen=True, eq=False)
class StoredPolicy:
    """What a file holds.

    Attributes:
        network: trained.
        config: what was trained.
        noise_level: how much noise warm starts need; None where nothing is denoised.
        about: where it comes from: data, task, what its actions mean, seed, steps, losses, revision of the code.
    """

    network: ChunkNetwork
    config: BasePolicyConfig
    noise_level: NoiseLevel | None
    about: Mapping[str, Any]


def save_policy(path: Path, stored: StoredPolicy) -> None:
    """Write a file that is whole or not there."""
    content = io.BytesIO()
    config = configuration.to_plain(stored.config)
    level = stored.noise_level
    torch.save(
        {
            "config": {name: value for name, value in config.items() if name != "schedule"},
            "spec": dataclasses.asdict(stored.network.spec),
            "schedule": config["schedule"],
            "weights": stored.network.state_dict(),
            "noise_level": None if level is None else dataclasses.asdict(level),
            "about": dict(stored.about),
        },
        content,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, content.getvalue())


def load_policy_file(path: Path) -> StoredPolicy:
    """Read a file; no code in it is run.

    Raises:
        CheckpointError: it cannot be read, lacks a field, or its weights do not fit what it says of itself.
    """
    stored = checkpoint.read(path, "base policy", _WAY_ON)
    try:
        for name in ("spec", "schedule", "config", "weights"):
            if name not in stored:
                raise CheckpointError(f"there is no {name} in it; a base policy has {', '.join(_FIELDS)}.")
            if not isinstance(stored[name], Mapping) and (name, stored[name]) != ("schedule", None):
                raise CheckpointError(f"its {name} must be a mapping, got {type(stored[name]).__name__}.")
        with _reading("schedule"):
            schedule = ScheduleSpec.from_json(stored["schedule"])
        config = configuration.from_plain(BasePolicyConfig, stored["config"])
        config = dataclasses.replace(config, schedule=schedule)
        with _reading("spec"):
            spec = BasePolicySpec.from_json(stored["spec"])
        with _reading("spec or its config"):
            network = make_chunk_network(config, spec, is_loaded=True)
        _load_weights(network, stored["weights"])
        with _reading("noise_level"):
            level = stored.get("noise_level")
            level = None if level is None else NoiseLevel(**level)
    except RobotRLError as error:
        raise CheckpointError(f"{path} is no base policy that can be used: {' '.join(str(error).split())}") from error
    return StoredPolicy(network, config, level, stored.get("about", {}))


class Origin(NamedTuple):
    """What a policy was trained on.

    Attributes:
        task: the word that chooses it; None where that is not known.
        meaning: of its actions; empty where that is not known.
    """

    task: str | None
    meaning: Meaning


def find_origin(path: Path) -> Origin:
    """What the policy in a file was trained on.

    Raises:
        CheckpointError: the file cannot be read.
    """
    about = checkpoint.read(path, "base policy", _WAY_ON).get("about")
    said = about if isinstance(about, Mapping) else {}
    task, meaning = said.get("task"), said.get("action")
    return Origin(task if isinstance(task, str) else None, meaning if isinstance(meaning, Mapping) else {})


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Turn what Python or torch says of a value of the wrong type or size into an error that names the field."""
    try:
        yield
    except RobotRLError:
        raise
    except (TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise CheckpointError(f"its {name} holds a value that is not valid: {error}") from error


def _load_weights(network: ChunkNetwork, weights: Mapping[str, torch.Tensor]) -> None:
    """Raise an error that names the first entry that does not fit."""
    own = network.state_dict()
    for name in sorted(set(own) ^ set(weights)):
        raise CheckpointError(f"weights {'lack' if name in own else 'have the unknown entry'} {name!r}.")
    for name, value in own.items():
        if not isinstance(weights[name], torch.Tensor):
            raise CheckpointError(f"weights {name!r} must be a tensor, got {type(weights[name]).__name__}.")
        if weights[name].shape != value.shape:
            raise CheckpointError(
                f"weights {name!r} must have shape {tuple(value.shape)}, got {tuple(weights[name].shape)}."
            )
        if not torch.isfinite(weights[name].double()).all():
            raise CheckpointError(f"weights {name!r} are not finite.")
    network.load_state_dict(dict(weights))
