"""Every error of robot_rl derives from RobotRLError and says what was wrong and what is valid."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar

_MAY_PASS = 3


class RobotRLError(Exception):
    """Root of all errors raised by robot_rl."""

    exit_status: ClassVar[int] = 2
    """Of a process that it ends: 2 where the same words would lead to it again, 3 where it may be gone by then."""


class UnknownNameError(RobotRLError, KeyError):
    """A name was looked up that does not exist; the message lists the ones that do."""

    def __init__(self, kind: str, name: str, valid: Iterable[str]) -> None:
        self.kind, self.name, self.valid = kind, name, sorted(valid)
        near = get_close_matches(name, self.valid, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        super().__init__(f"Unknown {kind} {name!r}.{hint} Valid are: {', '.join(self.valid)}.")

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would show the message in quotes

    def __reduce__(self) -> tuple[type[UnknownNameError], tuple[str, str, list[str]]]:
        return type(self), (self.kind, self.name, self.valid)  # so that it can cross to another process


class ConfigError(RobotRLError, ValueError):
    """A configuration value or key is not acceptable."""


class SpecError(RobotRLError, ValueError):
    """An array does not fit its spec; the message names the array."""


class ActionError(SpecError):
    """An action has the wrong shape or type."""


class EpisodeError(RobotRLError, RuntimeError):
    """The environment was stepped outside an episode."""


class StoppedError(RobotRLError, RuntimeError):
    """Motion was commanded while the robot is stopped; `recover()` is needed first."""

    exit_status = _MAY_PASS


class DeviceError(RobotRLError, RuntimeError):
    """A device did not answer, or answered nonsense."""

    exit_status = _MAY_PASS


class SetupError(RobotRLError, RuntimeError):
    """Something that the machine must provide (a library, a file) is missing."""


class ChannelError(RobotRLError, RuntimeError):
    """The channel between actor and learner cannot do what was asked: full, closed, or nobody at its other end."""

    exit_status = _MAY_PASS


class RefusedError(ChannelError):
    """The learner has refused this actor, and would again; or whoever answers is no learner."""

    exit_status = RobotRLError.exit_status


class WireError(RobotRLError, ValueError):
    """A message does not follow the wire format."""


class ExchangeError(RobotRLError, ValueError):
    """A data set cannot be exported or imported; the message names the file and the field."""


class StoreError(RobotRLError, RuntimeError):
    """A stored run cannot be written or read; the message names the file or array and says what to do."""


class CheckpointError(RobotRLError, RuntimeError):
    """A checkpoint cannot be written or read, or does not fit."""


class DivergenceError(RobotRLError, ArithmeticError):
    """Learning has left the finite numbers."""
