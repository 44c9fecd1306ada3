"""Samplers: ways from noise, or from the plan so far, to a chunk of actions.

Each module is one algorithm; `SAMPLERS` names them for configurations.
"""

from __future__ import annotations

from typing import Any

from robot_rl.errors import ConfigError, UnknownNameError
from robot_rl.inference.problem import Sampler
from robot_rl.inference.samplers.ddim import DDIM
from robot_rl.inference.samplers.ddpm import DDPM
from robot_rl.inference.samplers.dpm_solver import DPMSolver
from robot_rl.inference.samplers.flow import Euler, Heun
from robot_rl.inference.samplers.relay import Relay
from robot_rl.inference.samplers.rtc import RTC
from robot_rl.inference.samplers.rti import RTI

SAMPLERS: dict[str, type[Any]] = {
    "ddim": DDIM,
    "ddpm": DDPM,
    "dpm_solver": DPMSolver,
    "euler": Euler,
    "heun": Heun,
    "relay": Relay,
    "rtc": RTC,
    "rti": RTI,
}


def make_sampler(name: str, **settings: Any) -> Sampler:
    """The sampler of that name.

    Raises:
        UnknownNameError: no such sampler.
        ConfigError: it has no such setting, or the value is wrong.
    """
    if name not in SAMPLERS:
        raise UnknownNameError("sampler", name, SAMPLERS)
    valid = sorted(SAMPLERS[name].__dataclass_fields__)
    unknown = sorted(set(settings) - set(valid))
    if unknown:
        raise ConfigError(f"sampler {name} has no setting {unknown[0]!r}; it has: {', '.join(valid) or 'none'}.")
    sampler: Sampler = SAMPLERS[name](**settings)
    return sampler
