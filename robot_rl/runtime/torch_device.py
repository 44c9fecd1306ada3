"""Where networks are computed, and by how many threads."""

from __future__ import annotations

import torch

from robot_rl.errors import ConfigError

MAX_THREADS = 256
"""More than any machine of this kind has; each one takes memory, and ten thousand take it all."""


def check_threads(count: int) -> None:
    """Raise ConfigError for a number of threads that no machine has."""
    if not 1 <= count <= MAX_THREADS:
        raise ConfigError(f"threads must be from 1 to {MAX_THREADS}, got {count}.")


def find_device(name: str) -> str:
    """The device of a configuration: "auto" is a GPU where there is one."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:  # the latter where torch was built without it
        raise ConfigError(f"device={name} cannot be used here: {str(error).splitlines()[0]}") from error
    return name
