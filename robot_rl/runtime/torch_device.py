"""Where networks are computed."""

from __future__ import annotations

import torch

from robot_rl.errors import ConfigError


def find_device(name: str) -> str:
    """The device of a configuration: "auto" is a GPU where there is one."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:  # the latter where torch was built without it
        raise ConfigError(f"device={name} cannot be used here: {str(error).splitlines()[0]}") from error
    return name
